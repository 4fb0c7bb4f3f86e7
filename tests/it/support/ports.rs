//! Ports of this machine for servers that cannot take any that is free, and one for nobody.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Nobody listens there: it is too low for an ordinary program and is never given out.
pub const NOBODY: u16 = 1;

/// A port that nobody listens on, for a server which is about to. It is not one of those that the
/// system gives out to whoever asks for any, or another test might have it before that server.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 9_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two test programs that run at the same time begin at different places.
    let start = std::process::id() % u32::from(COUNT);
    loop {
        let place = (start + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let port = FIRST + place as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

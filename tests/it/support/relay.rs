//! A relay that leads to another place when it is told to, as a pooler or a virtual address does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

struct Shared {
    target: AtomicU16,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// How often connections were stalled; those from before pass nothing more.
    stalls: AtomicU64,
}

impl Shared {
    fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::SeqCst)
    }
}

/// Relays connections to a port of this machine.
pub struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Leads to this port.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
            stalls: AtomicU64::new(0),
        });
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.ended.load(Ordering::SeqCst) {
                    return;
                }
                let target = of_thread.target.load(Ordering::SeqCst);
                let server = TcpStream::connect(("127.0.0.1", target));
                if let (Ok(client), Ok(server)) = (client, server) {
                    for (from, to) in [(&client, &server), (&server, &client)] {
                        let ends = (from.try_clone().unwrap(), to.try_clone().unwrap());
                        let (shared, born) = (of_thread.clone(), of_thread.stalls());
                        std::thread::spawn(move || relay(ends.0, ends.1, &shared, born));
                    }
                    of_thread.open.lock().unwrap().extend([client, server]);
                }
            }
        });
        Self { port, shared, thread: Some(thread) }
    }

    /// Keeps every connection that is open, and passes nothing on in it any more.
    pub fn stall(&self) {
        self.shared.stalls.fetch_add(1, Ordering::SeqCst);
    }

    /// Passes nothing on in any connection, and leads new ones to a place where nobody answers.
    pub fn swallow(&self, hole: &TcpListener) {
        self.shared.target.store(hole.local_addr().unwrap().port(), Ordering::SeqCst);
        self.stall();
    }

    /// Ends every connection, and leads new ones to another port.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
        for end in self.shared.open.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, shared: &Shared, born: u64) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if shared.stalls() == born && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.lead_to(0);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! Bytes over a socket, for what no HTTP client would send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends bytes and returns what comes back until the server closes or falls silent. The request
/// should say `Connection: close`.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    exchange_on(stream, bytes)
}

/// The same over a Unix socket.
pub fn exchange_at(path: &Path, bytes: &[u8]) -> String {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    exchange_on(stream, bytes)
}

fn exchange_on(mut stream: impl Read + Write, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    if let Err(why) = stream.read_to_end(&mut answer) {
        eprintln!("no more than {} bytes came: {why}", answer.len());
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer's first line; 0 when there was none.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

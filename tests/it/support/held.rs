//! Requests that are sent but for their last byte, as a slow or a scheming client would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A request whose head the server has, and whose body lacks its last byte.
pub struct Held {
    stream: TcpStream,
    last: String,
}

impl Held {
    /// Sends a head, whose lines each end in `\r\n`, and a body but for its last byte.
    pub fn send(address: SocketAddr, head: &str, body: &str) -> Self {
        let (rest, last) = body.split_at(body.len() - 1);
        let length = body.len();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let sent = format!(
            "{head}Host: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{rest}"
        );
        stream.write_all(sent.as_bytes()).unwrap();
        Self { stream, last: last.to_owned() }
    }

    /// The same with a key or token and JSON.
    pub fn with_key(address: SocketAddr, key: &str, request: &str, body: &str) -> Self {
        let head = format!(
            "{request} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\n"
        );
        Self::send(address, &head, body)
    }

    /// Sends the last byte and reads the answer.
    pub fn finish(mut self) -> String {
        self.stream.write_all(self.last.as_bytes()).unwrap();
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

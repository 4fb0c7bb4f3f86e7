//! Many requests over few connections, faster than an ordinary client sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One request without a body, as bytes.
pub fn request(key: &str, method: &str, path: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A connection that is kept open.
pub struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Line {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Sends requests without waiting between them; returns their statuses in order.
    pub fn send(&mut self, requests: &[String]) -> Vec<u16> {
        self.write(requests);
        self.read(requests.len())
    }

    /// Sends requests, and leaves the answers for later.
    pub fn write(&mut self, requests: &[String]) {
        self.stream.write_all(requests.concat().as_bytes()).unwrap();
    }

    /// The connection itself, for what is no request.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Waits for so many answers; returns their statuses in order.
    pub fn read(&mut self, answers: usize) -> Vec<u16> {
        (0..answers).map(|_| self.next_status()).collect()
    }

    fn next_status(&mut self) -> u16 {
        loop {
            if let Some((status, length)) = first_answer(&self.received) {
                self.received.drain(..length);
                return status;
            }
            let mut buffer = [0u8; 16_384];
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the server closed the connection");
            self.received.extend_from_slice(&buffer[..length]);
        }
    }
}

/// The status and the length of the first whole answer, once it is there.
fn first_answer(received: &[u8]) -> Option<(u16, usize)> {
    let head_end = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..head_end]).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let whole = head_end + length.unwrap_or(0);
    (received.len() >= whole).then(|| (super::raw::status(head), whole))
}

/// Sends these requests over and over on several connections at once, so many times each; returns
/// how many answers had which of these statuses, which must be all there are.
pub fn hammer(
    address: SocketAddr,
    clients: usize,
    times: usize,
    requests: &[String],
    statuses: &[u16],
) -> Vec<i64> {
    std::thread::scope(|scope| {
        let client = || {
            let mut line = Line::open(address);
            let mut counts = vec![0; statuses.len()];
            for _ in 0..times {
                for status in line.send(requests) {
                    let place = statuses.iter().position(|known| *known == status);
                    counts[place.unwrap_or_else(|| panic!("unexpected {status}"))] += 1;
                }
            }
            counts
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let mut sums = vec![0; statuses.len()];
        for client in clients {
            for (sum, count) in sums.iter_mut().zip(client.join().unwrap()) {
                *sum += count;
            }
        }
        sums
    })
}

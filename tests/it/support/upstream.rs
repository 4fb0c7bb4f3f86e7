//! An API behind a proxy, which answers everything and remembers each request byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// What it says in every answer.
pub const SERVED: &str = "served by the API";

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its first line and its headers.
    pub head: String,
    /// As much of its body as arrived.
    pub body: Vec<u8>,
}

impl Seen {
    /// A word of the first line.
    fn word(&self, index: usize) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.split(' ').nth(index).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.word(0)
    }

    pub fn target(&self) -> &str {
        self.word(1)
    }

    /// Names and values of its headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head.lines().skip(1);
        lines.filter_map(|line| line.split_once(':').map(|(name, value)| (name, value.trim())))
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |header: &(&str, &str)| header.0.eq_ignore_ascii_case(name);
        self.headers().filter(same).map(|(_, value)| value).collect()
    }
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
    status: AtomicU16,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }
}

/// It listens until it is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    pub fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    /// One that listens at this address.
    pub fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, ended, status) = Default::default();
        let shared = Arc::new(Shared { seen, ended, status });
        shared.status.store(200, Ordering::SeqCst);
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = of_thread.clone();
                std::thread::spawn(move || stream.map(|stream| serve(stream, &shared)));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Answers with this status from now on.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// What has arrived since the last time somebody asked.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(head) = read_head(&mut reader) {
        let mut seen = Seen { head, body: Vec::new() };
        // What breaks off is to be seen too.
        let whole = read_body(&mut reader, &mut seen).is_some();
        let closes = seen.all("connection").contains(&"close");
        let body = if seen.method() == "HEAD" { "" } else { SERVED };
        shared.seen().push(seen);
        let status = shared.status.load(Ordering::SeqCst);
        let length = SERVED.len();
        let answer = format!("HTTP/1.1 {status} OK\r\nContent-Length: {length}\r\n\r\n{body}");
        if !whole || stream.write_all(answer.as_bytes()).is_err() || closes {
            return;
        }
    }
}

/// Everything up to the empty line.
pub(super) fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        (reader.read_until(b'\n', &mut head).ok()? > 0).then_some(())?;
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Reads a body of either framing; `None` where it breaks off.
pub(super) fn read_body(reader: &mut impl BufRead, seen: &mut Seen) -> Option<()> {
    if !seen.all("transfer-encoding").contains(&"chunked") {
        let length = seen.all("content-length").first().map_or(0, |text| text.parse().unwrap());
        return read_piece(reader, length, seen);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = u64::from_str_radix(line.trim_end(), 16).ok()?;
        read_piece(reader, length, seen)?;
        reader.read_line(&mut String::new()).ok()?;
        if length == 0 {
            return Some(());
        }
    }
}

fn read_piece(reader: &mut impl BufRead, length: u64, seen: &mut Seen) -> Option<()> {
    let read = reader.take(length).read_to_end(&mut seen.body).ok()?;
    (read as u64 == length).then_some(())
}

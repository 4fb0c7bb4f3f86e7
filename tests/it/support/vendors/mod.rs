//! Vendors' APIs as they behave, over TLS, on this machine: one module a kind. Each remembers the
//! requests that reached it.

pub mod aircall;
pub mod authority;
pub mod callrail;
pub mod clari;
pub mod customerly;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;

use super::upstream::{Seen, read_body, read_head};
pub use authority::AUTHORITY;

/// What a vendor answers.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} Whatever\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// What a vendor does with a request; the second argument is its own origin.
type Behaviour = dyn Fn(&Seen, &str) -> Reply + Send + Sync;

struct Shared {
    origin: String,
    behaviour: Box<Behaviour>,
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
}

/// A vendor at `https://localhost:PORT`. It listens until it is dropped.
pub struct Vendor {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Vendor {
    /// A vendor that behaves in this way.
    pub fn start(behaviour: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            origin: format!("https://localhost:{}", address.port()),
            behaviour: Box::new(behaviour),
            seen: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let tls = AUTHORITY.server("localhost");
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, tls) = (of_thread.clone(), tls.clone());
                std::thread::spawn(move || {
                    let session = ServerConnection::new(tls).unwrap();
                    stream.map(|stream| serve(StreamOwned::new(session, stream), &shared))
                });
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Where it is.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// The requests that have arrived since somebody last asked.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: StreamOwned<ServerConnection, TcpStream>, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_head(&mut reader) {
        let mut seen = Seen { head, body: Vec::new() };
        let whole = read_body(&mut reader, &mut seen).is_some();
        let reply = (shared.behaviour)(&seen, &shared.origin);
        let closes = seen.all("connection").contains(&"close");
        shared.seen.lock().unwrap().push(seen);
        let sent = reader.get_mut().write_all(&reply.bytes());
        if !whole || sent.is_err() || closes {
            return;
        }
    }
}

/// The path of a request, without its query.
pub fn path(seen: &Seen) -> &str {
    seen.target().split('?').next().unwrap_or_default()
}

/// A parameter of its query.
pub fn parameter(seen: &Seen, name: &str) -> Option<String> {
    let (_, query) = seen.target().split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// The only value of a header.
pub fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    match seen.all(name).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

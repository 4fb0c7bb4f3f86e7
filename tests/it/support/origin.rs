//! A server behind the gateway, which says what the test says, byte by byte, and remembers what it
//! was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its head, with the empty line.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Seen {
    /// The first line.
    pub fn line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// Every value of a header, in the order in which they came.
    pub fn all(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().skip(1).filter_map(|line| line.split_once(':'));
        let found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The value of a header that came once; empty without.
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name}: {all:?}");
        all.into_iter().next().unwrap_or_default()
    }

    /// The whole head.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

/// One connection from the gateway.
pub struct Talk {
    pub stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
}

impl Talk {
    /// Reads a head; nothing when the gateway has closed the connection.
    pub fn head(&mut self) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut head).ok()? == 0 {
                return None;
            }
        }
        Some(head)
    }

    /// Reads a request with its body, and remembers it.
    pub fn request(&mut self) -> Option<Seen> {
        let mut seen = Seen { head: self.head()?, body: Vec::new() };
        let length = seen.header("content-length");
        if seen.header("transfer-encoding") == "chunked" {
            while let chunk @ 1.. = self.chunk()? {
                let start = seen.body.len();
                seen.body.resize(start + chunk, 0);
                self.stream.read_exact(&mut seen.body[start..]).ok()?;
                self.stream.read_exact(&mut [0; 2]).ok()?;
            }
            self.stream.read_exact(&mut [0; 2]).ok()?;
        } else if !length.is_empty() {
            seen.body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut seen.body).ok()?;
        }
        self.remember(&seen);
        Some(seen)
    }

    /// Reads the size of a chunk.
    fn chunk(&mut self) -> Option<usize> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        usize::from_str_radix(line.trim(), 16).ok()
    }

    pub fn remember(&self, seen: &Seen) {
        self.shared.seen.lock().unwrap().push(seen.clone());
    }

    /// Says something; whether it could be.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Waits until the gateway closes the connection; fails when it does not.
    pub fn closed(&mut self) -> bool {
        let mut waste = [0; 4096];
        loop {
            match self.stream.read(&mut waste) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(why) => return why.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

/// A server on a port of its own.
pub struct Origin {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    /// Lets this speak on each connection.
    pub fn talking(talk: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, talk) = (Arc::new(Shared::default()), Arc::new(talk));
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.ended.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                stream.set_nodelay(true).unwrap();
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, talk) = (of_thread.clone(), talk.clone());
                std::thread::spawn(move || {
                    talk(&mut Talk { stream: BufReader::new(stream), shared });
                });
            }
        });
        Self { address, shared }
    }

    /// Answers every request with what this makes of it.
    pub fn answering<T: AsRef<[u8]>>(answer: impl Fn(&Seen) -> T + Send + Sync + 'static) -> Self {
        Self::talking(move |talk| {
            while let Some(seen) = talk.request() {
                if !talk.say(answer(&seen)) {
                    return;
                }
            }
        })
    }

    /// Answers every request with "hello".
    pub fn polite() -> Self {
        Self::answering(|seen| match seen.line().starts_with("HEAD") {
            true => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            false => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        })
    }

    /// Its address as a setting.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The last request so far.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("nothing was forwarded")
    }

    /// How many connections were made to it so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

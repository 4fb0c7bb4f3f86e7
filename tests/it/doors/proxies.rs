//! The proxies that people put in front of their API, each with its file of `deploy/authz/`: the real
//! program before a real server, and an API behind them that remembers what it was sent.
//!
//! Whatever a proxy does to a request, the API sees nothing but what its key may do.

mod forgeries;
mod outages;
mod questions;
mod unix_socket;
mod verdicts;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bitting::config::{ListenAddress, Options};
use tempfile::TempDir;

use super::TEAM;
use crate::support::proxy::{Kind, Proxy};
use crate::support::server::MadeKey;
use crate::support::upstream::{SERVED, Seen, Upstream};
use crate::support::{Backend, TestDatabase, TestServer, raw};

/// The headers that say who a key is.
const IDENTITY: [&str; 4] =
    ["x-bitting-key-id", "x-bitting-key-name", "x-bitting-owner", "x-bitting-scopes"];

/// Declares one test for each proxy.
macro_rules! each_proxy {
    ($(#[$doc:meta])* fn $name:ident($kind:ident) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            fn story($kind: Kind) $body

            #[test]
            fn nginx() {
                story(Kind::Nginx);
            }

            #[test]
            fn caddy() {
                story(Kind::Caddy);
            }

            #[test]
            fn haproxy() {
                story(Kind::HaProxy);
            }

            #[test]
            fn envoy() {
                story(Kind::Envoy);
            }
        }
    };
}
use each_proxy;

/// A proxy, the server that it asks, and the API behind it.
struct Scene {
    kind: Kind,
    proxy: Proxy,
    server: TestServer,
    upstream: Upstream,
    _folder: TempDir,
}

/// What a client was told.
struct Told {
    status: u16,
    text: String,
}

impl Told {
    /// A header's value; empty without.
    fn header(&self, name: &str) -> &str {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        let found = headers.find(|header| header.0.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim())
    }

    /// `allowed` where the API has answered, else why not, or the proxy's own status.
    fn verdict(&self) -> String {
        match (self.status, self.header("x-bitting-code")) {
            (200, "") if self.text.ends_with(SERVED) => "allowed".to_owned(),
            (status, "") => status.to_string(),
            (_, code) => code.to_owned(),
        }
    }
}

impl Scene {
    /// With the API of [`TEAM`], and more at the top of the file. None where the proxy is missing.
    fn set(kind: Kind, backend: Backend, top: &str) -> Option<Self> {
        let database = TestDatabase::migrated(backend);
        Self::on(kind, database, top)
    }

    fn on(kind: Kind, database: TestDatabase, top: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bitting.toml");
        std::fs::write(&path, format!("{top}\n{TEAM}")).unwrap();
        let options = Options {
            config: Some(path.display().to_string()),
            trusted_proxies: Some("127.0.0.1".into()),
            ..Options::default()
        };
        let server = TestServer::on(database.into(), options);
        let upstream = Upstream::start();
        let bitting = ListenAddress::Tcp(server.address);
        let proxy = Proxy::start(kind, folder.path(), bitting, upstream.address)?;
        Some(Self { kind, proxy, server, upstream, _folder: folder })
    }

    /// Sends bytes as they are, and returns the answer.
    fn send(&self, bytes: &[u8]) -> Told {
        send_to(self.proxy.address, bytes)
    }

    /// Sends `METHOD TARGET` with these lines of headers, each with its line break.
    fn ask_with(&self, request: &str, headers: &str) -> Told {
        ask_at(self.proxy.address, request, headers)
    }

    /// Sends `METHOD TARGET` with a key.
    fn ask(&self, key: &MadeKey, request: &str) -> Told {
        self.ask_with(request, &bearer(key))
    }

    /// The one request that the API has got since the last time, with its identity in the only
    /// headers that look like one.
    #[track_caller]
    fn served(&self, key: &MadeKey, expected: [&str; 4]) -> Seen {
        let mut seen = self.upstream.take();
        assert_eq!(seen.len(), 1, "{:?}: {seen:#?}", self.kind);
        let seen = seen.remove(0);
        for (name, expected) in IDENTITY.iter().zip(expected) {
            let values = seen.all(name);
            // nginx leaves an empty one out.
            let empty = expected.is_empty() && values.is_empty();
            assert!(empty || values == [expected], "{:?}: {name} in {seen:#?}", self.kind);
        }
        for (name, _) in seen.headers() {
            let plain = name.to_lowercase().replace('_', "-");
            let alike = plain.starts_with("x-bitting") || CREDENTIALS.contains(&&*plain);
            let ours = IDENTITY.iter().any(|known| known.eq_ignore_ascii_case(name));
            assert!(!alike || ours, "{:?}: {name} in {seen:#?}", self.kind);
        }
        assert!(!seen.head.contains(&key.secret), "{:?}: {seen:#?}", self.kind);
        seen
    }

    /// Fails if the API has got anything since the last time.
    #[track_caller]
    fn nothing_served(&self, about: &str) {
        let seen = self.upstream.take();
        assert!(seen.is_empty(), "{:?}: {about}: {seen:#?}", self.kind);
    }
}

const CLOSE: &str = "Connection: close\r\n";

/// Where keys are presented.
const CREDENTIALS: [&str; 4] = ["authorization", "authentication", "apikey", "x-api-key"];

fn send_to(address: SocketAddr, bytes: &[u8]) -> Told {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Whoever refuses a long body may stop reading it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0u8; 16_384];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    Told { status: raw::status(&text), text }
}

fn ask_at(address: SocketAddr, request: &str, headers: &str) -> Told {
    let said = headers.to_lowercase().lines().any(|line| line.starts_with("connection:"));
    let close = if said { "" } else { CLOSE };
    let head = format!("{request} HTTP/1.1\r\nHost: api.example.com\r\n{headers}{close}\r\n");
    send_to(address, head.as_bytes())
}

fn bearer(key: &MadeKey) -> String {
    format!("Authorization: Bearer {}\r\n", key.secret)
}

/// A request with a body, in chunks or in one piece.
fn with_body(key: &MadeKey, request: &str, body: &str, chunked: bool) -> Vec<u8> {
    let mut sent = format!("{request} HTTP/1.1\r\nHost: api.example.com\r\n{}{CLOSE}", bearer(key));
    if chunked {
        sent += "Transfer-Encoding: chunked\r\n\r\n";
        let (first, rest) = body.split_at(body.len() / 3);
        for piece in [first, rest, ""] {
            write!(sent, "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
        }
    } else {
        write!(sent, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
    sent.into_bytes()
}

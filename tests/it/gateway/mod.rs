//! The gateway: what is forwarded and what is not, what either side sees of the other, and what
//! becomes of a request when one of them fails.

mod failing;
mod framing;
mod headers;
mod judging;
mod stopping;
mod streaming;
mod tls;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bitting::config::Options;

use crate::support::server::MadeKey;
use crate::support::{Backend, Origin, TestDatabase, TestServer, raw};

/// A gateway before this server.
fn before(upstream: &Origin, backend: Backend) -> TestServer {
    with(upstream, backend, Options::default())
}

/// The same with settings of its own.
fn with(upstream: &Origin, backend: Backend, options: Options) -> TestServer {
    let gateway_listen = [vec!["127.0.0.1:0".to_owned()], options.gateway_listen].concat();
    let options = Options { gateway_listen, upstream: Some(upstream.url()), ..options };
    TestServer::on(Arc::new(TestDatabase::migrated(backend)), options)
}

/// A gateway that waits for its upstream no longer than this.
fn impatient(upstream: &Origin, milliseconds: u32) -> TestServer {
    let upstream_timeout = Some(format!("{milliseconds}ms"));
    with(upstream, Backend::Sqlite, Options { upstream_timeout, ..Options::default() })
}

/// A request's head with a key, and lines that each end in `\r\n`.
fn head(line: &str, key: &MadeKey, more: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {}\r\n{more}\r\n",
        key.secret
    )
}

/// Sends a request to the gateway on a connection of its own, and reads to its end.
fn ask(server: &TestServer, line: &str, key: &MadeKey, more: &str) -> String {
    let sent = head(line, key, &format!("Connection: close\r\n{more}"));
    raw::exchange(server.gateway(), sent.as_bytes())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends bytes, and leaves the connection open.
fn sent(server: &TestServer, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = connect(server.gateway());
    stream.write_all(bytes.as_ref()).unwrap();
    stream
}

/// Reads until this has come; returns all that has.
#[track_caller]
fn until(stream: &mut TcpStream, end: &str) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(end.as_bytes()) {
        let length = stream.read(&mut byte).unwrap_or(0);
        assert!(length > 0, "ended before {end:?}: {}", String::from_utf8_lossy(&read));
        read.push(byte[0]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Reads to the end of the connection, however it ends.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    match stream.read_to_end(&mut read) {
        Ok(_) => {}
        Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(why) => panic!("not ended: {why}, {}", String::from_utf8_lossy(&read)),
    }
    read
}

/// The body of an answer.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

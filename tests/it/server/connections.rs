//! How long a connection lasts: heads and bodies that do not come, answers that did not need a body,
//! and the others who must be served meanwhile.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bitting::config::{Options, Patience};
use bitting::model::secret::SecretKind;
use serde_json::json;

use crate::support::client::Client;
use crate::support::load::{Line, request};
use crate::support::ports::free_port;
use crate::support::server::MadeKey;
use crate::support::{Backend, Binary, TestDatabase, TestServer, binary, on_both, raw};

const BRIEF: Duration = Duration::from_secs(1);
/// Shorter than what a body may take, so that what ends earlier was not ended by that.
const SOON: Duration = Duration::from_secs(20);

pub fn start(backend: Backend, patience: Patience) -> TestServer {
    let options = Options { metrics_listen: Some("127.0.0.1:0".into()), ..Options::default() };
    let database = Arc::new(TestDatabase::new(backend));
    TestServer::with_settings(database, options, |settings| settings.patience = patience)
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// What comes until the server ends the connection; fails when it does not.
#[track_caller]
pub fn rest(mut stream: impl Read) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(why) if why.kind() == ErrorKind::ConnectionReset => {}
        Err(why) => panic!("not ended: {why}, {}", String::from_utf8_lossy(&answer)),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same while the client goes on sending a piece every now and then.
#[track_caller]
fn rest_while_sending(mut stream: TcpStream, piece: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    for _ in 0..SOON.as_millis() / 50 {
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8(answer).unwrap(),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return String::from_utf8(answer).unwrap(),
        }
        // That it cannot be sent is seen when reading.
        let _ = stream.write_all(piece.as_bytes());
    }
    panic!("not ended: {}", String::from_utf8_lossy(&answer));
}

pub fn head(method: &str, path: &str, key: &str, more: &str) -> String {
    let key =
        if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{key}{more}\r\n\r\n")
}

pub const CHUNKED: &str = "Transfer-Encoding: chunked\r\nContent-Type: application/json";

on_both! {
    fn an_answer_that_did_not_need_the_body_ends_the_connection(backend) {
        let server = start(backend, Patience::default());
        let key = server.key("calls:read calls:write");
        let made_up = server.made_up(SecretKind::ApiKey);
        let call = "/v1/calls/call_00000000-0000-7000-8000-000000000000";
        for (method, path, key, status) in [
            ("GET", "/v1/ping", &*key.secret, 200),
            ("GET", "/v1/calls", &*key.secret, 200),
            ("GET", "/healthz", "", 200),
            ("GET", "/login", "", 200),
            ("OPTIONS", "/v1/calls", "", 204),
            ("POST", "/v1/calls", "", 401),
            ("POST", "/v1/calls", &*made_up, 401),
            ("DELETE", call, &*key.secret, 404),
            ("POST", "/nothing", "", 404),
            ("PUT", "/v1/calls", &*key.secret, 405),
            ("GET", "/keys", "", 303),
        ] {
            for framing in [CHUNKED, "Content-Length: 100000"] {
                let wanted = head(method, path, key, framing);
                let begun = |start: &str| {
                    let mut stream = connect(server.address);
                    stream.write_all(format!("{wanted}{start}").as_bytes()).unwrap();
                    stream
                };
                let piece = if framing == CHUNKED { "1\r\n \r\n" } else { " " };
                for answer in [
                    rest(begun("")),
                    rest(begun(piece)),
                    rest_while_sending(begun(""), piece),
                ] {
                    assert_eq!(raw::status(&answer), status, "{wanted}{answer}");
                    assert!(answer.contains("connection: close"), "{wanted}{answer}");
                    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{wanted}{answer}");
                }
            }
        }
    }
}

#[test]
fn a_refused_body_does_not_destroy_its_answer() {
    let server = start(Backend::Sqlite, Patience::default());
    let length = 4_000_000;
    let body = " ".repeat(length);
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    for (framing, body) in
        [(CHUNKED.to_owned(), &chunked), (format!("Content-Length: {length}"), &body)]
    {
        for _ in 0..20 {
            let mut stream = connect(server.address);
            // All of it is sent before anything is read, as many clients do.
            stream.write_all(head("POST", "/v1/calls", "", &framing).as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            let answer = rest(stream);
            assert_eq!(raw::status(&answer), 401, "{answer}");
            assert!(answer.contains("missing_key"), "{answer}");
        }
    }
}

on_both! {
    fn a_body_that_does_not_come_in_time_is_cut(backend) {
        let server = start(backend, Patience { body: BRIEF, ..Patience::default() });
        let key = server.key("calls:read calls:write");
        let form = "Transfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded";
        for (path, key, framing, piece) in [
            ("/v1/calls", &*key.secret, CHUNKED, "1\r\n \r\n"),
            ("/v1/calls", &*key.secret, "Content-Length: 9000\r\nContent-Type: application/json", " "),
            ("/login", "", form, "1\r\na\r\n"),
        ] {
            let begun = || {
                let mut stream = connect(server.address);
                stream.write_all(head("POST", path, key, framing).as_bytes()).unwrap();
                stream
            };
            for answer in [rest(begun()), rest_while_sending(begun(), piece)] {
                assert_eq!(raw::status(&answer), 408, "{path}: {answer}");
                assert!(answer.contains("connection: close"), "{answer}");
            }
        }
        server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    }
}

#[test]
fn every_head_of_a_connection_has_its_time() {
    let server = start(Backend::Sqlite, Patience { headers: BRIEF, ..Patience::default() });
    let key = server.key("calls:read calls:write");
    let body = r#"{"direction":"inbound","caller":"+14155550100"}"#;
    let json = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    let firsts = [
        head("GET", "/v1/ping", &key.secret, "X: y"),
        head("GET", "/v1/calls", &key.secret, "X: y"),
        head("POST", "/v1/calls", &key.secret, &json) + body,
        head("GET", "/v1/ping", &key.secret, "X: y").repeat(3),
    ];
    let mut idle = Line::open(server.address);
    assert_eq!(idle.send(&firsts[..1]), [200]);
    for first in &firsts {
        let answered = || {
            let mut line = Line::open(server.address);
            line.write(std::slice::from_ref(first));
            let statuses = line.read(first.matches("Host").count());
            assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
            let stream = line.into_stream();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream
        };
        for begun in ["G", "GET /v1/ping HTTP/1.1\r\nHost: test\r\n", "\r\n"] {
            let mut stream = answered();
            stream.write_all(begun.as_bytes()).unwrap();
            let told = rest(stream);
            let mut stream = answered();
            stream.write_all(begun.as_bytes()).unwrap();
            for told in [told, rest_while_sending(stream, "x")] {
                assert_eq!(raw::status(&told), 408, "{first}{begun}");
                assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "{first}{begun}{told}");
            }
        }
    }
    // Whoever has begun nothing may take its time.
    assert_eq!(idle.send(&firsts[..1]), [200]);
}

#[test]
fn a_head_that_begins_with_the_request_before_it_has_its_time_too() {
    let server = start(Backend::Sqlite, Patience { headers: BRIEF, ..Patience::default() });
    let key = server.key("calls:read");
    for path in ["/v1/ping", "/v1/calls"] {
        let mut stream = connect(server.address);
        let first = head("GET", path, &key.secret, "X: y");
        stream.write_all(format!("{first}G").as_bytes()).unwrap();
        let answer = rest(stream);
        assert_eq!(raw::status(&answer), 200, "{answer}");
    }
}

/// As many slow connections as there is room for: others are served all the same.
#[test]
fn slow_connections_do_not_keep_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let scopes = ["--scope", "calls:read", "--scope", "calls:write"];
    let make = [&["key", "create", "--name", "k"], &scopes[..]].concat();
    let key = binary::run_ok(folder.path(), &make);
    let first = request(&key, "GET", "/v1/ping");
    // More than what lies between a server and a client that reads nothing.
    let unread = head("GET", "/openapi.json", "", "").repeat(12);
    let slow: [[String; 2]; 7] = [
        [head("POST", "/v1/calls", "", CHUNKED), head("POST", "/v1/calls", &key, CHUNKED)],
        [head("POST", "/v1/calls", &key, CHUNKED), first.clone()],
        [format!("{first}G"), format!("{first}G")],
        [first.clone(), first.clone()],
        ["GET".to_owned(), "GET".to_owned()],
        [unread.clone(), first.clone()],
        [unread.clone(), unread],
    ];
    for [some, others] in slow {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--workers", "2"];
        let server = Binary::start(binary::in_script(folder.path(), "ulimit -n 400", &arguments));
        let address = server.client.base.trim_start_matches("http://").parse().unwrap();
        // Whoever left must not count among those who are there the second time.
        for _ in 0..2 {
            let slow: Vec<TcpStream> = (0..320)
                .map(|n| {
                    let mut stream = connect(address);
                    let sent = if n < 8 { &some } else { &others };
                    stream.write_all(sent.as_bytes()).unwrap();
                    stream
                })
                .collect();
            for _ in 0..5 {
                let mut stream = connect(address);
                stream.write_all(first.as_bytes()).unwrap();
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).expect("served within 20 s");
                assert!(line.contains("200"), "{line} {some} {others}");
            }
            drop(slow);
        }
        let (code, log) = server.terminate();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("ERROR"), "{log}");
    }
}

on_both! {
    fn a_request_that_is_refused_is_not_told_to_continue(backend) {
        let server = start(backend, Patience::default());
        let key = server.key("calls:read calls:write");
        let (reader, revoked) = (server.key("calls:read"), server.key("calls:read"));
        server.revoke(&revoked);
        let json = "Content-Type: application/json\r\nContent-Length: 100";
        let large = "Content-Type: application/json\r\nContent-Length: 1000000";
        for (method, path, secret, more, status) in [
            ("POST", "/v1/calls", "", json, 401),
            ("POST", "/v1/calls", &*key.mistyped(), json, 401),
            ("POST", "/v1/calls", &*server.made_up(SecretKind::ApiKey), json, 401),
            ("POST", "/v1/calls", &*revoked.secret, json, 401),
            ("POST", "/v1/calls", &*server.admin, json, 403),
            ("POST", "/v1/calls", &*reader.secret, json, 403),
            ("POST", "/v1/nothing", &*key.secret, json, 404),
            ("POST", "/nothing", "", json, 404),
            ("PUT", "/v1/calls", &*key.secret, json, 405),
            ("POST", "/v1/calls", &*key.secret, large, 413),
            ("POST", "/v1/calls", &*key.secret, CHUNKED_TEXT, 415),
            ("POST", "/keys", "", json, 405),
        ] {
            let mut stream = connect(server.address);
            let wanted = head(method, path, secret, &format!("{more}\r\nExpect: 100-continue"));
            stream.write_all(wanted.as_bytes()).unwrap();
            let answer = rest(stream);
            assert_eq!(raw::status(&answer), status, "{wanted}{answer}");
            assert!(answer.contains("connection: close"), "{wanted}{answer}");
        }
        let body = r#"{"direction":"inbound","caller":"+14155550100"}"#;
        assert_eq!(told_to_continue(&server, &key, body), 201);
        assert_eq!(told_to_continue(&server, &key, "{}"), 422);
        // A key that this server does not know yet: the body is wanted once it has been found.
        let other = TestServer::on(server.database.clone(), Options::default());
        for _ in 0..5 {
            let new = other.key("calls:write");
            assert_eq!(told_to_continue(&server, &new, body), 201);
        }
    }
}

const CHUNKED_TEXT: &str = "Transfer-Encoding: chunked\r\nContent-Type: text/plain";

/// Sends a body when it is asked for, and returns the status of the answer.
#[track_caller]
fn told_to_continue(server: &TestServer, key: &MadeKey, body: &str) -> u16 {
    let length = format!("Content-Length: {}", body.len());
    let more = format!("Content-Type: application/json\r\n{length}\r\nExpect: 100-continue");
    let mut stream = connect(server.address);
    stream.write_all(head("POST", "/v1/calls", &key.secret, &more).as_bytes()).unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    raw::status(&line)
}

on_both! {
    fn head_of_an_exported_file_reads_nothing(backend) {
        let server = start(backend, Patience::default());
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let browser = server.db_browser("ada@example.com");
        let cookies = browser.cookies();
        let cookies: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let wanted = |method: &str, path: &str, more: &str| {
            let cookie = format!("Cookie: {}{more}", cookies.join("; "));
            // The names of cookies end with the port.
            let host = format!("Host: {}", server.address);
            head(method, path, "", &cookie).replace("Host: test", &host)
        };
        // What is not there cannot be read.
        let tables = ["api_keys", "audit_events", "usage_minutes"];
        let rename = |from: &str, to: &str| {
            for table in tables {
                server.database.db_execute(&format!("ALTER TABLE {from}{table} RENAME TO {to}{table}"));
            }
        };
        rename("", "aside_");
        for path in ["/keys/export", "/audit/export", "/usage/export", "/usage/export?by=resource"] {
            let answers = |method: &str| {
                let last = wanted(method, path, "\r\nConnection: close");
                let both = wanted(method, path, "") + &last;
                let answer = raw::exchange(server.address, both.as_bytes());
                (answer.matches("HTTP/1.1 200 ").count(), answer)
            };
            let (good, answer) = answers("HEAD");
            assert_eq!(good, 2, "{path}: {answer}");
            assert!(answer.contains("text/csv") && answer.contains("attachment"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n") && !answer.contains("total"), "{answer}");
            // As a sign that it could have failed.
            assert!(answers("GET").0 < 2, "{path}");
        }
        rename("aside_", "");
    }
}

#[test]
fn what_is_no_http_is_one_line_of_the_log_and_a_figure() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = format!("127.0.0.1:{}", free_port());
    // Checked often, so that an interval that is too short would show.
    let options = ["--metrics-listen", &*metrics, "--usage-flush", "10ms"];
    let server = Binary::serve(folder.path(), &options);
    let address = server.client.base.trim_start_matches("http://").parse().unwrap();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 the beginning of TLS";
    let kinds: [&[u8]; 4] =
        [hello, b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"];
    for round in 0..100 {
        let mut stream = connect(address);
        stream.write_all(kinds[round % 4]).unwrap();
        let answer = rest(stream);
        assert_eq!(raw::status(&answer), 400, "{answer}");
    }
    let page = Client::new(&format!("http://{metrics}")).send("GET", "/metrics", &[], None).body;
    assert!(page.contains("\nbitting_malformed_requests_total 100\n"), "{page}");
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    let told: Vec<_> = log.lines().filter(|line| line.contains("refused requests")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("malformed=100"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

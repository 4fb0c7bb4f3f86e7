//! Requests that come by a Unix socket: judged, bounded and drained as those by TCP, but from nowhere,
//! unless a trusted proxy says from where.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bitting::config::{Options, Patience};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::connections::{CHUNKED, head, rest};
use crate::support::load::request;
use crate::support::server::MadeKey;
use crate::support::{Backend, Binary, TestDatabase, TestServer, binary, eventually, on_both, raw};

const BRIEF: Duration = Duration::from_secs(1);

/// A server on a port and on a socket.
struct Scene {
    server: TestServer,
    path: PathBuf,
    _folder: TempDir,
}

impl Scene {
    fn set(backend: Backend, options: Options, patience: Patience) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        let options = Options {
            listen: vec![format!("unix:{}", path.display())],
            metrics_listen: Some("127.0.0.1:0".to_owned()),
            ..options
        };
        let database = Arc::new(TestDatabase::new(backend));
        let server =
            TestServer::with_settings(database, options, |settings| settings.patience = patience);
        Self { server, path, _folder: folder }
    }

    fn trusting(backend: Backend, proxies: &str) -> Self {
        let options = Options { trusted_proxies: Some(proxies.to_owned()), ..Options::default() };
        Self::set(backend, options, Patience::default())
    }

    fn connect(&self) -> UnixStream {
        connect(&self.path)
    }

    /// Sends this on a connection of its own, and reads to its end.
    fn ask(&self, key: &MadeKey, path: &str, more: &str) -> String {
        let more = format!("{more}Connection: close");
        raw::exchange_at(&self.path, head("GET", path, &key.secret, &more).as_bytes())
    }

    fn addresses(&self, key: &MadeKey) -> Vec<String> {
        self.server.db_flush();
        let shown = self.server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        let text = |seen: &Value| seen["address"].as_str().unwrap().to_owned();
        shown["addresses"].as_array().unwrap().iter().map(text).collect()
    }

    fn connections(&self) -> f64 {
        let page = self.server.metrics();
        let line = page.lines().find_map(|line| line.strip_prefix("bitting_connections "));
        line.unwrap().parse().unwrap()
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[track_caller]
fn expect(answer: &str, status: u16, code: &str) {
    assert_eq!(raw::status(answer), status, "{answer}");
    assert!(answer.contains(code), "{answer}");
}

on_both! {
    fn pings_are_answered_and_counted_one_by_one(backend) {
        let scene = Scene::set(backend, Options::default(), Patience::default());
        let key = scene.server.key("calls:read");
        let many = request(&key.secret, "GET", "/v1/ping").repeat(249);
        let last = head("GET", "/v1/ping", &key.secret, "Connection: close");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let answer = raw::exchange_at(&scene.path, format!("{many}{last}").as_bytes());
                    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 250);
                });
            }
        });
        assert_eq!(scene.server.usage(&key, "24h")["ok"], 1000);
        assert!(scene.addresses(&key).is_empty(), "they came from nowhere");
    }
}

on_both! {
    fn a_client_without_an_address_is_nowhere_that_a_key_allows(backend) {
        let scene = Scene::set(backend, Options::default(), Patience::default());
        let everywhere = json!({"allowed_networks": ["0.0.0.0/0", "::/0"]});
        let (bound, free) = (scene.server.key_with("calls:read", everywhere), scene.server.key("calls:read"));
        for path in ["/v1/ping", "/v1/calls", "/v1/whoami", "/authz/nginx"] {
            // What it says of itself is not believed.
            for more in ["", "X-Forwarded-For: 203.0.113.9\r\n", "Forwarded: for=203.0.113.9\r\n"] {
                let more = format!("{more}X-Original-Method: GET\r\nX-Original-URI: /v1/calls\r\n");
                expect(&scene.ask(&bound, path, &more), 403, "address_not_allowed");
                expect(&scene.ask(&free, path, &more), 200, "");
            }
        }
        scene.server.call(&bound, "GET", "/v1/calls", None).expect(200, "");
        assert!(scene.addresses(&free).is_empty());
        assert_eq!(scene.server.usage(&bound, "24h")["forbidden"], 12);
    }
}

on_both! {
    fn a_trusted_proxy_on_the_socket_says_where_a_request_comes_from(backend) {
        let scene = Scene::trusting(backend, "unix, 10.0.0.0/8");
        let bound = scene.server.key_with("calls:read", json!({"allowed_networks": "203.0.113.0/24"}));
        for path in ["/v1/ping", "/v1/calls"] {
            for (more, inside) in [
                ("X-Forwarded-For: 203.0.113.9\r\n", true),
                ("X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.7\r\n", true),
                ("Forwarded: for=203.0.113.9\r\n", true),
                ("X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n", false),
                ("X-Forwarded-For: unix:\r\n", false),
                ("X-Forwarded-For: 203.0.113.9, unix:\r\n", false),
                ("", false),
            ] {
                let answer = scene.ask(&bound, path, more);
                let (status, code) = if inside { (200, "") } else { (403, "address_not_allowed") };
                expect(&answer, status, code);
            }
        }
        // Whoever comes by TCP is no proxy for all that.
        let bearer = format!("Bearer {}", bound.secret);
        let headers = [("authorization", &*bearer), ("x-forwarded-for", "203.0.113.9")];
        let answer = scene.server.client.send("GET", "/v1/ping", &headers, None);
        answer.expect(403, "address_not_allowed");
    }
}

#[test]
fn networks_alone_trust_nobody_on_the_socket() {
    let scene = Scene::trusting(Backend::Sqlite, "0.0.0.0/0,::/0");
    let bound = scene.server.key_with("calls:read", json!({"allowed_networks": "203.0.113.0/24"}));
    let answer = scene.ask(&bound, "/v1/ping", "X-Forwarded-For: 203.0.113.9\r\n");
    expect(&answer, 403, "address_not_allowed");
}

#[test]
fn heads_and_bodies_have_their_time() {
    let patience = Patience { headers: BRIEF, body: BRIEF, ..Patience::default() };
    let scene = Scene::set(Backend::Sqlite, Options::default(), patience);
    let key = scene.server.key("calls:read calls:write");
    for begun in ["G", "GET /v1/ping HTTP/1.1\r\nHost: test\r\n"] {
        let mut stream = scene.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        let answer = rest(stream);
        assert!(["", "HTTP/1.1 408"].contains(&answer.get(..12).unwrap_or_default()), "{answer}");
        let mut stream = scene.connect();
        let first = request(&key.secret, "GET", "/v1/ping");
        stream.write_all(format!("{first}{begun}").as_bytes()).unwrap();
        expect(&rest(stream), 200, "");
    }
    let mut stream = scene.connect();
    stream.write_all(head("POST", "/v1/calls", &key.secret, CHUNKED).as_bytes()).unwrap();
    stream.write_all(b"1\r\n{\r\n").unwrap();
    let answer = rest(stream);
    expect(&answer, 408, "request_timeout");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[test]
fn a_refused_body_ends_the_connection_and_not_its_answer() {
    let scene = Scene::set(Backend::Sqlite, Options::default(), Patience::default());
    let length = 4_000_000;
    for _ in 0..20 {
        let mut stream = scene.connect();
        let framing = format!("Content-Length: {length}");
        stream.write_all(head("POST", "/v1/calls", "", &framing).as_bytes()).unwrap();
        // The server may have hung up before all of it is sent.
        let _ = stream.write_all(" ".repeat(length).as_bytes());
        expect(&rest(stream), 401, "missing_key");
    }
}

/// With TCP the system sees to this.
#[test]
fn a_client_that_does_not_read_its_answers_is_cut() {
    let answer = Duration::from_millis(1500);
    let patience = Patience { answer, ..Patience::default() };
    let scene = Scene::set(Backend::Sqlite, Options::default(), patience);
    let before = scene.connections();
    let wanted = head("GET", "/openapi.json", "", "X: y").repeat(12);
    let streams: Vec<_> = (0..5)
        .map(|_| {
            let mut stream = scene.connect();
            stream.write_all(wanted.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("they are connected", || scene.connections() >= before + 5.0);
    eventually("they are cut", || scene.connections() <= before);
    for stream in streams {
        let answers = rest(stream).matches("HTTP/1.1 200").count();
        assert!((1..12).contains(&answers), "{answers} answers");
    }
}

/// As many slow connections as there is room for: others are served all the same.
#[test]
fn slow_connections_do_not_keep_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let make = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let key = binary::run_ok(folder.path(), &make);
    let first = request(&key, "GET", "/v1/ping");
    let unread = head("GET", "/openapi.json", "", "X: y").repeat(12);
    let begun = head("POST", "/v1/calls", &key, CHUNKED);
    for sent in [begun, first.clone(), "GET".to_owned(), unread] {
        let listen = format!("unix:{}", path.display());
        let arguments = ["serve", "--listen", &*listen, "--workers", "2"];
        let server = Binary::start(binary::in_script(folder.path(), "ulimit -n 400", &arguments));
        let slow: Vec<UnixStream> = (0..320)
            .map(|_| {
                let mut stream = connect(&path);
                stream.write_all(sent.as_bytes()).unwrap();
                stream
            })
            .collect();
        for _ in 0..5 {
            let mut stream = connect(&path);
            stream.write_all(first.as_bytes()).unwrap();
            let mut line = String::new();
            let read = BufReader::new(stream).read_line(&mut line);
            assert!(read.is_ok() && line.contains("200"), "{read:?} {line} beside {sent}");
        }
        drop(slow);
        let (code, log) = server.terminate();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("ERROR"), "{log}");
    }
}

/// Its body is still on its way when the signal comes.
#[test]
fn a_request_that_is_running_when_the_server_stops_is_answered_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let make = ["key", "create", "--name", "k", "--scope", "calls:write", "--json"];
    let made: Value = serde_json::from_str(&binary::run_ok(folder.path(), &make)).unwrap();
    let listen = format!("unix:{}", path.display());
    let server = Binary::start(binary::command(folder.path(), &["serve", "--listen", &listen]));
    let body = r#"{"direction":"inbound","caller":"+15550100"}"#;
    let (first, second) = body.split_at(10);
    let more = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue",
        body.len()
    );
    let mut stream = BufReader::new(connect(&path));
    let begun = head("POST", "/v1/calls", made["key"].as_str().unwrap(), &more);
    stream.get_mut().write_all(begun.as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.contains("100 Continue"), "{line}");
    stream.read_line(&mut line).unwrap();
    stream.get_mut().write_all(first.as_bytes()).unwrap();
    server.signal("TERM");
    eventually("it is stopping", || server.log().contains("stopping"));
    eventually("its place is free", || !path.exists());
    // Another one takes it while this one has not ended.
    let next = Binary::start(binary::command(folder.path(), &["serve", "--listen", &listen]));
    stream.get_mut().write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    expect(&answer, 201, "call_");
    assert_eq!(server.wait().0, Some(0));
    assert!(path.exists(), "it is the other one's");
    assert_eq!(next.terminate().0, Some(0));
    let id = made["id"].as_str().unwrap();
    let shown = binary::run_ok(folder.path(), &["key", "show", id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["lifetime_total"], 1);
}

#[test]
fn a_server_that_waits_for_its_database_says_so_on_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let listen = format!("unix:{}", path.display());
    let away = ["--database-url", "postgres://bitting@127.0.0.1:1/none"];
    let arguments = [&["serve", "--listen", &listen], &away[..]].concat();
    let server = Binary::start(binary::command(folder.path(), &arguments));
    for (wanted, status) in [("/healthz", 200), ("/readyz", 503), ("/v1/ping", 503)] {
        let asked = head("GET", wanted, "", "Connection: close");
        assert_eq!(raw::status(&raw::exchange_at(&path, asked.as_bytes())), status, "{wanted}");
    }
    assert_eq!(server.terminate().0, Some(0));
    assert!(!path.exists());
}

//! Clients that are slow, silent, many or mistaken, and the others who must not notice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitting::config::{Options, Patience};
use bitting::model::secret::{Secret, SecretKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::support::load::{Line, hammer, request};
use crate::support::{Backend, Binary, TestDatabase, TestServer, binary, eventually, not_granted};

/// A server that waits for nobody longer than this.
fn impatient(patience: Patience) -> TestServer {
    let options = Options { metrics_listen: Some("127.0.0.1:0".into()), ..Options::default() };
    let database = Arc::new(TestDatabase::new(Backend::Sqlite));
    TestServer::with_settings(database, options, |settings| settings.patience = patience)
}

/// One figure of the metrics.
fn figure(server: &TestServer, name: &str) -> f64 {
    let page = server.metrics();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// Fails unless the server ends the connection.
fn ended(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(why) => panic!("it was not ended: {why}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn slow_headers_and_slow_bodies_are_cut_and_others_are_served() {
    let short = Duration::from_millis(500);
    let server = impatient(Patience { headers: short, body: short, ..Patience::default() });
    let key = server.key("calls:read calls:write");
    let address = server.address;
    let slow = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /v1/calls HTTP/1.1\r\nHost: test\r\nX-Slow: ").unwrap();
        stream
    };
    let streams: Vec<_> = (0..500).map(|_| slow()).collect();
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    for stream in streams {
        ended(stream);
    }
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        key.secret
    );
    stream.write_all(head.as_bytes()).unwrap();
    let answer = ended(stream);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    let defaults = Patience::default();
    let promised = [defaults.headers, defaults.body, defaults.answer].map(|time| time.as_secs());
    assert_eq!(promised, [5, 30, 60]);
}

/// Connections of clients that begin a body which nobody asked for, and hold their places.
pub fn dawdling(address: SocketAddr, path: &str, count: usize) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all((head + "1\r\na\r\n").as_bytes()).unwrap();
        stream
    };
    (0..count).map(begin).collect()
}

#[test]
fn who_dawdles_at_the_metrics_holds_up_no_scrape() {
    let server = impatient(Patience::default());
    let metrics = server.metrics.unwrap();
    let held = dawdling(metrics, "/metrics", 40);
    for _ in 0..3 {
        assert!(figure(&server, "bitting_feed_age_seconds") >= 0.0);
    }
    drop(held);
}

#[test]
fn a_client_that_does_not_read_its_answers_is_cut() {
    let answer = Duration::from_millis(1500);
    let server = impatient(Patience { answer, ..Patience::default() });
    let key = server.key("calls:read calls:write");
    let summary = "x".repeat(5000);
    let call = json!({"direction": "inbound", "caller": "+14155550100", "summary": summary});
    for _ in 0..100 {
        server.call(&key, "POST", "/v1/calls", Some(&call)).ok();
    }
    let before = figure(&server, "bitting_connections");
    let wanted = request(&key.secret, "GET", "/v1/calls?limit=100");
    let streams: Vec<_> = (0..5)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            // Half a megabyte an answer, and more of them than any buffer holds.
            stream.write_all(wanted.repeat(40).as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("they are connected", || figure(&server, "bitting_connections") >= before + 5.0);
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    eventually("they are cut", || figure(&server, "bitting_connections") <= before);
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    drop(streams);
}

/// A number of `/proc/ID/status` in KiB, or the clock ticks used so far.
fn memory_kib(server: &Binary) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn cpu_ticks(server: &Binary) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn descriptors(server: &Binary) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

fn address(server: &Binary) -> SocketAddr {
    server.client.base.trim_start_matches("http://").parse().unwrap()
}

fn make_key(folder: &Path) -> String {
    binary::run_ok(folder, &["key", "create", "--name", "k", "--scope", "calls:read"])
}

/// Lets the tests open as much as they may; says how much that is.
fn raise_limit() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum
}

#[test]
fn ten_thousand_idle_connections_are_no_burden() {
    const MANY: usize = 10_000;
    if raise_limit().is_some_and(|most| most < MANY as u64 + 2000) {
        not_granted(&format!("this user may not open {MANY} connections"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path());
    let server = Binary::serve(folder.path(), &["--workers", "2"]);
    let before = descriptors(&server);
    let wanted = [request(&key, "GET", "/v1/ping")];
    let idle: Vec<_> = (0..MANY)
        .map(|_| {
            let mut line = Line::open(address(&server));
            assert_eq!(line.send(&wanted), [200]);
            line
        })
        .collect();
    assert!(descriptors(&server) >= MANY);
    let counts = hammer(address(&server), 8, 20, &vec![wanted[0].clone(); 5], &[200]);
    assert_eq!(counts, [800]);
    assert!(memory_kib(&server) < 400 * 1024, "{} KiB", memory_kib(&server));
    drop(idle);
    eventually("all are closed", || descriptors(&server) < before + 50);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0));
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn more_connections_than_descriptors_wait_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path());
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--workers", "1"];
    let server = Binary::start(binary::in_script(folder.path(), "ulimit -n 200", &arguments));
    let wanted = [request(&key, "GET", "/v1/ping")];
    raise_limit();
    let mut lines: Vec<_> = (0..240)
        .map(|_| {
            let mut line = Line::open(address(&server));
            line.write(&wanted);
            line
        })
        .collect();
    eventually("it is told", || server.log().contains("descriptors"));
    assert!(descriptors(&server) < 200);
    let before = cpu_ticks(&server);
    // How little it does in a while is the thing itself: 100 ticks would be one core, busy.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        std::thread::yield_now();
    }
    assert!(cpu_ticks(&server) - before < 60, "it spins");
    // Whoever waited is served as soon as there is room.
    for mut line in lines.drain(..) {
        assert_eq!(line.read(1), [200]);
    }
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("descriptors").count(), 1, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_flood_of_wrong_keys_is_one_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path());
    let options = ["--metrics-listen", "127.0.0.1:0", "--usage-flush", "10ms"];
    let server = Binary::serve(folder.path(), &options);
    let mut wrong = Vec::new();
    for _ in 0..100 {
        let made_up = Secret::generate(&"bt".parse().unwrap(), SecretKind::ApiKey).unwrap();
        wrong.push(request(made_up.expose(), "GET", "/v1/calls"));
        wrong.push(request(&made_up.expose().replace("btk_", "btk_x")[..42], "GET", "/v1/calls"));
    }
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| hammer(address(&server), 4, 5, &wrong, &[401]));
        while !flood.is_finished() {
            server.client.with_key(&key, "GET", "/v1/calls", None).expect(200, "");
        }
        assert_eq!(flood.join().unwrap(), [4000]);
    });
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    let told: Vec<_> = log.lines().filter(|line| line.contains("refused requests")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("invalid_key=4000"), "{log}");
    assert!(log.lines().count() < 8, "{log}");
}

#[test]
fn changes_are_told_in_the_log_and_requests_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path());
    let create = ["token", "create", "--name", "t", "--access", "write"];
    let token = binary::run_ok(folder.path(), &create);
    for (level, requests) in [("info", 0), ("debug", 6)] {
        let server = Binary::serve(folder.path(), &["--log-level", level, "--log-format", "json"]);
        let new = json!({"name": "n", "scopes": ["calls:read"]});
        let made = server.client.with_key(&token, "POST", "/v1/keys", Some(&new)).ok();
        let id = made["id"].as_str().unwrap();
        server.client.with_key(&token, "POST", &format!("/v1/keys/{id}/revoke"), None).ok();
        let leaked = server.client.with_key(&token, "POST", "/v1/keys", Some(&new)).ok();
        let report = json!({"key": leaked["key"], "source": "a chat"}).to_string();
        let headers = [("content-type", "application/json")];
        let taken = server.client.send("POST", "/v1/leaks", &headers, Some(&report));
        assert_eq!(taken.status, 202, "{taken:?}");
        server.client.with_key(&key, "GET", "/v1/calls", None).ok();
        server.client.with_key(&key, "GET", "/v1/ping", None).ok();
        let (_, log) = server.terminate();
        // What is said to who started it is no part of the log.
        let lines = log.lines().filter(|line| line.starts_with('{'));
        let lines: Vec<serde_json::Value> =
            lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |message: &str| {
            let lines = lines.iter().filter(move |line| line["message"] == message);
            lines.cloned().collect::<Vec<_>>()
        };
        let changes = of("changed");
        let told: Vec<_> = changes.iter().map(|line| line["action"].as_str().unwrap()).collect();
        let of_leak = ["key.created", "key.leaked", "key.revoked"];
        assert_eq!(told, [&["key.created", "key.revoked"][..], &of_leak].concat(), "{log}");
        let ids: Vec<_> = changes.iter().map(|line| line["id"].clone()).collect();
        assert_eq!(ids[..2], [id, id]);
        assert!(ids[2..].iter().all(|id| *id == leaked["id"]), "{log}");
        assert!(changes.iter().all(|line| line["request_id"].is_string()));
        let seen = of("request");
        assert_eq!(seen.len(), requests, "{log}");
        for line in seen {
            assert_eq!(line["client"], "127.0.0.1", "{line}");
            let is_report = line["route"] == "/v1/leaks";
            assert!(is_report || line["caller"].as_str().unwrap().contains('_'), "{line}");
            assert!(line["route"].as_str().unwrap().starts_with("/v1/"), "{line}");
        }
    }
}

//! Stopping: a polite signal loses nothing and does not keep anybody waiting, a rude one loses no
//! more than was not written yet.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::server::MadeKey;
use crate::support::{Backend, Binary, TestDatabase, binary, eventually, on_both};

/// A stop takes no longer than this, whatever goes on.
const BOUND: Duration = Duration::from_secs(10);

/// Makes a key on the command line.
fn make_key(database: &TestDatabase, scopes: &[&str]) -> MadeKey {
    let mut arguments = vec!["key", "create", "--name", "test", "--json"];
    arguments.extend(["--database-url", &database.url]);
    arguments.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
    let made = binary::run_ok(&database.folder(), &arguments);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    MadeKey { id: text("id"), secret: text("key") }
}

fn serve(database: &TestDatabase, flush: &str) -> Binary {
    let arguments = ["--database-url", &database.url, "--workers", "2", "--usage-flush", flush];
    Binary::serve(&database.folder(), &arguments)
}

/// How often the key was used, as a new process reads it from the database.
fn stored_total(database: &TestDatabase, key: &MadeKey) -> u64 {
    let arguments = ["key", "show", &key.id, "--json", "--database-url", &database.url];
    let shown = binary::run_ok(&database.folder(), &arguments);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let [day, week, month, lifetime] = [
        &shown["usage"]["24h"]["total"],
        &shown["usage"]["7d"]["total"],
        &shown["usage"]["30d"]["total"],
        &shown["lifetime_total"],
    ];
    assert!(day == week && week == month && month == lifetime, "{shown}");
    day.as_u64().unwrap()
}

/// One connection that is kept open.
struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    fn to(server: &Binary) -> std::io::Result<Self> {
        Self::to_address(server.client.base.trim_start_matches("http://"))
    }

    fn to_address(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(BOUND))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    fn send(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Reads one answer; `None` when the server closed instead.
    fn status(&mut self) -> Option<u16> {
        let (mut line, mut length, mut status) = (String::new(), 0, None);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if status.is_none() {
                status = line.split(' ').nth(1)?.parse().ok();
            } else if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            } else if line == "\r\n" {
                break;
            }
        }
        self.stream.read_exact(&mut vec![0; length]).ok()?;
        status
    }

    fn get(&mut self, key: &MadeKey) -> Option<u16> {
        let head = format!("Host: test\r\nAuthorization: Bearer {}\r\n\r\n", key.secret);
        self.send(&format!("GET /v1/calls HTTP/1.1\r\n{head}")).ok()?;
        self.status()
    }
}

/// Uses the key on several connections, again and again, until the server is gone. `answered`
/// counts what came back.
fn load(address: &str, key: &MadeKey, answered: &AtomicU64) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Ok(mut wire) = Wire::to_address(address) {
                    while let Some(status) = wire.get(key) {
                        assert_eq!(status, 200);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
}

fn stopped_under_load_nothing_is_lost(backend: Backend, signal: &str) {
    let database = TestDatabase::new(backend);
    let key = make_key(&database, &["calls:read"]);
    let server = serve(&database, "250ms");
    let address = server.client.base.trim_start_matches("http://").to_owned();
    let answered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| load(&address, &key, &answered));
        eventually("the server is busy", || answered.load(Ordering::SeqCst) > 200);
        server.signal(signal);
        let begun = Instant::now();
        let (code, log) = server.wait();
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        clients.join().unwrap();
    });
    let answered = answered.into_inner();
    assert_eq!(stored_total(&database, &key), answered);
    // What a restarted server shows, to which its own first request adds.
    let server = serve(&database, "250ms");
    let own = server.client.with_key(&key.secret, "GET", "/v1/whoami", None).ok();
    assert_eq!(own["usage"]["24h"]["total"].as_u64(), Some(answered));
    assert_eq!(server.terminate().0, Some(0));
    assert_eq!(stored_total(&database, &key), answered + 1);
}

on_both! {
    fn sigterm_under_load_loses_no_answer_and_no_count(backend) {
        stopped_under_load_nothing_is_lost(backend, "TERM");
    }
}

on_both! {
    fn ctrl_c_under_load_loses_no_answer_and_no_count(backend) {
        stopped_under_load_nothing_is_lost(backend, "INT");
    }
}

on_both! {
    fn a_closed_terminal_under_load_loses_no_answer_and_no_count(backend) {
        stopped_under_load_nothing_is_lost(backend, "HUP");
    }
}

/// The request's body is still on its way when the signal comes.
#[test]
fn a_request_that_is_running_is_answered_and_counted() {
    let database = TestDatabase::new(Backend::Sqlite);
    let key = make_key(&database, &["calls:write"]);
    let server = serve(&database, "250ms");
    let mut wire = Wire::to(&server).unwrap();
    let body = r#"{"direction":"inbound","caller":"+15550100"}"#;
    let (first, second) = body.split_at(10);
    let (secret, length) = (&key.secret, body.len());
    let head = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    wire.send(&head).unwrap();
    // The server asks for the body once the request has begun.
    let mut line = String::new();
    wire.stream.read_line(&mut line).unwrap();
    assert!(line.contains("100 Continue"), "{line}");
    wire.stream.read_line(&mut line).unwrap();
    wire.send(first).unwrap();
    server.signal("TERM");
    eventually("it is stopping", || server.log().contains("stopping"));
    eventually("no new connection is taken", || Wire::to(&server).is_err());
    wire.send(second).unwrap();
    assert_eq!(wire.status(), Some(201));
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(stored_total(&database, &key), 1);
    assert_eq!(database.db_number("SELECT COUNT(*) FROM calls"), 1);
}

#[test]
fn idle_connections_delay_nothing() {
    let database = TestDatabase::new(Backend::Sqlite);
    let key = make_key(&database, &["calls:read"]);
    let server = serve(&database, "250ms");
    let mut used: Vec<Wire> = (0..10).map(|_| Wire::to(&server).unwrap()).collect();
    for wire in &mut used {
        assert_eq!(wire.get(&key), Some(200));
    }
    let unused: Vec<Wire> = (0..10).map(|_| Wire::to(&server).unwrap()).collect();
    let begun = Instant::now();
    assert_eq!(server.terminate().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    for mut wire in used.into_iter().chain(unused) {
        assert_eq!(wire.status(), None, "closed without a word");
    }
    assert_eq!(stored_total(&database, &key), 10);
}

/// A client that sends nothing more cannot hold the server longer than the bound.
#[test]
fn a_request_that_never_ends_is_given_up_in_time() {
    let database = TestDatabase::new(Backend::Sqlite);
    let key = make_key(&database, &["calls:read", "calls:write"]);
    let server = serve(&database, "250ms");
    let mut other = Wire::to(&server).unwrap();
    assert_eq!(other.get(&key), Some(200));
    let mut wire = Wire::to(&server).unwrap();
    let secret = &key.secret;
    wire.send(&format!(
        "POST /v1/calls HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    ))
    .unwrap();
    let begun = Instant::now();
    let (code, log) = server.terminate();
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    assert_eq!(code, Some(0), "{log}");
    assert!(stored_total(&database, &key) >= 1, "the counts were written");
}

/// SQLite finds nothing wrong with its file.
fn assert_whole(database: &TestDatabase) {
    if database.backend == Backend::Sqlite {
        assert_eq!(database.db_texts("SELECT * FROM pragma_integrity_check"), ["ok"]);
    }
}

on_both! {
    /// Several rounds on one database, so that a batch written twice would show.
    fn kill_loses_at_most_what_was_not_written_and_counts_nothing_twice(backend) {
        let database = TestDatabase::new(backend);
        let key = make_key(&database, &["calls:read"]);
        let (mut least, mut most) = (0, 0);
        for round in 0..5 {
            let server = serve(&database, "20ms");
            let mut wire = Wire::to(&server).unwrap();
            let before = stored_total(&database, &key);
            for _ in 0..40 {
                assert_eq!(wire.get(&key), Some(200));
            }
            eventually("the counts are written", || {
                database.db_counted()
                    == before as i64 + 40
            });
            least = before + 40;
            for _ in 0..40 {
                assert_eq!(wire.get(&key), Some(200));
            }
            most += 80;
            server.signal("KILL");
            assert_eq!(server.wait().0, None);
            let stored = stored_total(&database, &key);
            assert!((least..=least + 40).contains(&stored), "round {round}: {stored}");
            assert!(stored <= most, "round {round}: {stored} of {most}");
            assert_whole(&database);
        }
        assert!(least >= 200);
    }
}

on_both! {
    fn kill_under_load_counts_no_request_that_was_not_sent(backend) {
        let database = TestDatabase::new(backend);
        let key = make_key(&database, &["calls:read"]);
        let server = serve(&database, "20ms");
        let address = server.client.base.trim_start_matches("http://").to_owned();
        let answered = AtomicU64::new(0);
        let mut written = 0;
        std::thread::scope(|scope| {
            let clients = scope.spawn(|| load(&address, &key, &answered));
            eventually("some counts are written", || {
                written = database.db_counted();
                written > 500
            });
            server.signal("KILL");
            server.wait();
            clients.join().unwrap();
        });
        // Each of the eight clients may have one request on its way that was counted.
        let (stored, answered) = (stored_total(&database, &key), answered.into_inner());
        assert!((written as u64..=answered + 8).contains(&stored), "{written}, {answered}: {stored}");
        assert_whole(&database);
    }
}

/// The reader of the log is gone, or its disk is full.
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let database = TestDatabase::new(Backend::Sqlite);
    let key = make_key(&database, &["calls:read"]);
    let token =
        ["token", "create", "--name", "t", "--access", "write", "--database-url", &database.url];
    let token = binary::run_ok(&database.folder(), &token);
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &database.url,
        "--log-level",
        "debug",
    ];
    let server =
        Binary::start(binary::in_script(&database.folder(), "exec 2>/dev/full", &arguments));
    for wrong in [false, true, false] {
        let secret = if wrong { key.mistyped() } else { key.secret.clone() };
        let answer = server.client.with_key(&secret, "GET", "/v1/ping", None);
        assert_eq!(answer.status, if wrong { 401 } else { 200 });
    }
    let new = serde_json::json!({"name": "n", "scopes": ["calls:read"]});
    server.client.with_key(&token, "POST", "/v1/keys", Some(&new)).expect(201, "");
    assert_eq!(server.terminate().0, Some(0));
    assert_eq!(stored_total(&database, &key), 2);
}

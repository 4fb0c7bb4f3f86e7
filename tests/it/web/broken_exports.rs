//! A long file is sent part by part, and its reader is looked at again before each: it breaks off,
//! and is seen to, when they may no longer read it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bitting::model::imported_key::ImportedKey;
use bitting::model::key::KeyLabel;
use bitting::model::limits::KeyLimits;
use bitting::model::secret::Digest;
use bitting::model::user::{Role, User, UserChange};
use serde_json::json;

use crate::support::server::operator;
use crate::support::{Backend, Browser, TestServer, on_both};

/// Makes both files far larger than what lies in sockets between server and client.
fn db_fill(server: &TestServer) {
    let detail = format!("{{\"padding\":\"{}\"}}", "x".repeat(10_000));
    let numbers = match server.database.backend {
        Backend::Sqlite => {
            "WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers LIMIT 2000)"
        }
        Backend::Postgres => "WITH numbers AS (SELECT generate_series(1, 2000) AS n)",
    };
    server.database.db_execute(&format!(
        "INSERT INTO audit_events (at, action, actor_type, actor_name, detail) {numbers} \
         SELECT '2026-11-21 11:00:00', 'login.failed', 'user', 'padding', '{detail}' FROM numbers"
    ));
    for batch in 0..8 {
        let key = |n: usize| ImportedKey {
            label: KeyLabel {
                name: "padding".to_owned(),
                description: Some("€".repeat(500)),
                owner: Some("€".repeat(200)),
            },
            scopes: "calls:read".parse().unwrap(),
            expires_at: None,
            limits: KeyLimits::default(),
            digest: Digest::of(format!("{batch} {n}").as_bytes()),
            display: "btk_pad…ding".to_owned(),
        };
        let batch = (0..1000).map(key).collect();
        server.bitting.import_keys(batch, &operator()).unwrap();
    }
}

/// Begins to read a file.
fn begin(server: &TestServer, browser: &Browser, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}={}\r\nConnection: close\r\n\r\n",
        server.address,
        browser.session_cookie(),
        browser.session()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 2000];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&first));
    stream
}

/// Reads the rest: how much it was, and whether it came to its end.
fn rest(mut stream: TcpStream) -> (usize, bool) {
    let mut rest = Vec::new();
    // A reset is how a connection may be broken off.
    let _ = stream.read_to_end(&mut rest);
    (rest.len(), rest.ends_with(b"\r\n0\r\n\r\n"))
}

on_both! {
    fn a_file_breaks_off_when_its_reader_may_no_longer_read_it(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        db_fill(&server);
        type End = fn(&TestServer, &User);
        let endings: [(&str, End); 4] = [
            ("nothing happens", |_, _| {}),
            ("the user is disabled", |server, user| {
                server.bitting.disable_user(&operator(), user.id, None).unwrap();
            }),
            ("the session is ended", |server, user| {
                let session = server.bitting.session_table(user.id, 1).unwrap().rows[0].id;
                server.bitting.end_session(&server.db_principal(user), session).unwrap();
            }),
            ("the role is narrowed", |server, user| {
                let change = UserChange { role: Some(Role::Member), may_grant: None };
                server.bitting.change_user(&operator(), user.id, &change).unwrap();
            }),
        ];
        for (n, (how, end)) in endings.iter().enumerate() {
            let user = server.db_user(&format!("bo{n}@example.com"), json!({"role": "auditor"}));
            let browser = server.db_browser(user.email.as_str());
            let files = ["/audit/export", "/keys/export"].map(|path| begin(&server, &browser, path));
            end(&server, &user);
            for (file, least) in files.into_iter().zip([20_000_000, 16_000_000]) {
                let (length, whole) = rest(file);
                assert_eq!((length > least, whole), (n == 0, n == 0), "{how}: {length}");
            }
        }
    }
}

//! What is changed elsewhere: on the command line, on another server, in a flood of made-up keys,
//! and while the database is out of reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitting::config::Options;
use bitting::model::secret::SecretKind;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::Value;

use crate::support::binary::run_ok;
use crate::support::load::{Line, hammer, request};
use crate::support::server::MadeKey;
use crate::support::{
    Answer, Backend, Binary, SetAtEnd, TestDatabase, TestServer, eventually, on_both,
};

/// Polls until a credential is refused as revoked; that must be within a second, here with room
/// for a busy machine.
#[track_caller]
fn soon_revoked(mut send: impl FnMut() -> Answer) {
    let since = Instant::now();
    eventually("the revocation is noticed", || {
        let answer = send();
        assert!(answer.status == 200 || answer.code() == "key_revoked", "{answer:?}");
        answer.status == 401
    });
    assert!(since.elapsed() < Duration::from_secs(3), "it took {:?}", since.elapsed());
}

on_both! {
    fn what_the_command_line_does_takes_effect_on_a_running_server(backend) {
        let database = TestDatabase::new(backend);
        let (folder, place) = (database.folder(), ["--database-url", database.url.as_str()]);
        let server = Binary::serve(&folder, &place);
        let run = |arguments: &[&str]| run_ok(&folder, &[arguments, &place].concat());

        // A credential made elsewhere is good on its first use, without waiting.
        for _ in 0..5 {
            let made: Value = serde_json::from_str(&run(&[
                "key", "create", "--name", "k", "--scope", "calls:read", "--json",
            ])).unwrap();
            let use_key = || server.client.with_key(made["key"].as_str().unwrap(), "GET", "/v1/calls", None);
            use_key().expect(200, "");
            run(&["key", "revoke", made["id"].as_str().unwrap()]);
            soon_revoked(use_key);
        }
        let token: Value = serde_json::from_str(&run(&[
            "token", "create", "--name", "t", "--access", "read", "--expires", "1d", "--json",
        ])).unwrap();
        let use_token = || server.client.with_key(token["token"].as_str().unwrap(), "GET", "/v1/keys", None);
        use_token().expect(200, "");
        run(&["token", "revoke", token["id"].as_str().unwrap()]);
        soon_revoked(use_token);
    }
}

on_both! {
    fn a_key_is_good_and_revoked_on_every_server_of_a_database(backend) {
        let database = Arc::new(TestDatabase::new(backend));
        let servers = [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
        for (here, there) in [(0, 1), (1, 0)] {
            let (here, there) = (&servers[here], &servers[there]);
            let key = here.key("calls:read");
            let use_there = || there.call(&key, "GET", "/v1/calls", None);
            use_there().expect(200, "");
            here.revoke(&key);
            here.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
            soon_revoked(use_there);
        }
    }
}

/// As if another server had changed many keys, this one last: a read that takes its time.
fn db_change_many_keys(database: &TestDatabase, key: &MadeKey) {
    let last = database.db_number("SELECT MAX(revision) FROM api_keys");
    let (numbers, digest, next) = match database.backend {
        Backend::Sqlite => (
            "(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9000) \
             SELECT n FROM n)",
            "randomblob(32)",
            format!("UPDATE sqlite_sequence SET seq = {last} + 9999 WHERE name = 'audit_events'"),
        ),
        Backend::Postgres => (
            "(SELECT n FROM generate_series(1, 9000) AS n)",
            "sha256((n + {last})::text::bytea)",
            format!("ALTER TABLE audit_events ALTER COLUMN id RESTART WITH {}", last + 9999),
        ),
    };
    let digest = digest.replace("{last}", &last.to_string());
    database.db_execute(&format!(
        "BEGIN; {next}; INSERT INTO api_keys (id, digest, name, scopes, display, created_at, \
         created_by_type, created_by_name, revision) SELECT 'key_' || substr('{zeros}', 1, 26 - \
         length(CAST(n + {last} AS TEXT))) || CAST(n + {last} AS TEXT), {digest}, 'k', \
         'calls:read', 'd', '2026-11-21 12:00:00', 'cli', 'c', n + {last} FROM {numbers} AS n; \
         UPDATE api_keys SET revision = {last} + 9500 WHERE id = '{key}'; COMMIT",
        zeros = "0".repeat(26),
        key = key.id,
    ));
}

on_both! {
    fn a_slow_read_that_began_before_a_revocation_does_not_bring_the_key_back(backend) {
        let server = TestServer::start(backend);
        for _ in 0..3 {
            let key = server.key("calls:read");
            let begun = server.bitting.gate.freshness.reads();
            db_change_many_keys(&server.database, &key);
            eventually("the read begins", || server.bitting.gate.freshness.reads() > begun);
            server.revoke(&key);
            let reads = server.bitting.gate.freshness.reads();
            eventually("that read and the next have ended", || {
                server.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
                server.bitting.gate.freshness.reads() > reads + 1
            });
        }
    }
}

on_both! {
    fn a_flood_of_made_up_keys_is_refused_and_leaves_live_keys_and_memory_alone(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let stop = AtomicBool::new(false);
        let reads_before = server.bitting.gate.freshness.reads();
        let known = server.bitting.gate.index.len();
        std::thread::scope(|scope| {
            let live = scope.spawn(|| {
                let (mut line, requests) = (Line::open(server.address), [request(&key.secret, "GET", "/v1/ping")]);
                let mut answers = 0;
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(line.send(&requests), [200]);
                    answers += 1;
                }
                answers
            });
            let end = SetAtEnd(&stop);
            let flood: Vec<_> = (0..64).map(|place| {
                let kind = [SecretKind::ApiKey, SecretKind::AdminToken][place % 2];
                let requests: Vec<String> = (0..50).map(|n| {
                    let mut credential = server.made_up(kind);
                    // Half of them with a wrong checksum.
                    if n % 2 == 0 && let Some(last) = credential.pop() {
                        credential.push(if last == '0' { '1' } else { '0' });
                    }
                    request(&credential, "GET", "/v1/calls")
                }).collect();
                scope.spawn(move || hammer(server.address, 1, 1, &requests, &[401]))
            }).collect();
            let answered: i64 = flood.into_iter().map(|client| client.join().unwrap()[0]).sum();
            drop(end);
            assert_eq!(answered, 64 * 50);
            assert!(live.join().unwrap() > 0);
        });
        let reads = server.bitting.gate.freshness.reads() - reads_before;
        assert!(reads < 64 * 50, "{reads} reads");
        assert_eq!(server.bitting.gate.index.len(), known, "made-up keys take no memory");
        server.db_flush();
        server.bitting.fold_journal().unwrap();
        let counted = "SELECT COUNT(DISTINCT key_number) FROM usage_minutes";
        assert_eq!(server.database.db_number(counted), 1, "only the live key is counted");
        server.client.with_key(&server.made_up(SecretKind::ApiKey), "GET", "/v1/calls", None)
            .expect(401, "invalid_key");
    }
}

#[test]
fn unknown_keys_that_wait_at_once_share_one_read() {
    let server = TestServer::start(Backend::Postgres);
    let mut lock = PgConnection::establish(&server.database.url).unwrap();
    lock.batch_execute("BEGIN; LOCK TABLE api_keys").unwrap();
    let before = server.bitting.gate.freshness.reads();
    eventually("a read is held up", || server.bitting.gate.freshness.reads() > before);
    let held_up = server.bitting.gate.freshness.reads();
    std::thread::scope(|scope| {
        let (sent, all_sent) = std::sync::mpsc::channel();
        let clients: Vec<_> = (0..64)
            .map(|_| {
                let request = request(&server.made_up(SecretKind::ApiKey), "GET", "/v1/calls");
                let (sent, address) = (sent.clone(), server.address);
                scope.spawn(move || {
                    let mut line = Line::open(address);
                    line.write(&[request]);
                    sent.send(()).unwrap();
                    line.read(1)
                })
            })
            .collect();
        for _ in 0..64 {
            all_sent.recv().unwrap();
        }
        // By the time these are answered the workers have taken in what was sent before.
        for _ in 0..64 {
            server.client.send("GET", "/healthz", &[], None).expect(200, "");
        }
        lock.batch_execute("COMMIT").unwrap();
        for client in clients {
            assert_eq!(client.join().unwrap(), [401]);
        }
    });
    let reads = server.bitting.gate.freshness.reads() - held_up;
    assert!(reads < 16, "{reads} reads");
}

/// Puts the tables of a database out of the program's reach, or back.
pub fn db_out_of_reach(database: &TestDatabase, away: bool) {
    match database.backend {
        // A lock does not keep readers away in WAL mode; a missing table does.
        Backend::Sqlite => {
            let (from, to) = if away { ("", "_away") } else { ("_away", "") };
            for table in ["api_keys", "admin_tokens"] {
                database.db_execute(&format!("ALTER TABLE {table}{from} RENAME TO {table}{to}"));
            }
        }
        Backend::Postgres => {
            let (server, name) = database.url.rsplit_once('/').unwrap();
            let mut connection = PgConnection::establish(&format!("{server}/postgres")).unwrap();
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
            connection
                .batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {}", !away))
                .unwrap();
            if away {
                connection.batch_execute(&format!("{end} = '{name}'")).unwrap();
            }
        }
    }
}

on_both! {
    fn when_the_database_is_away_longer_than_allowed_nothing_is_accepted_and_then_all_is_well_again(backend) {
        let server = TestServer::start(backend);
        let (live, revoked) = (server.key("calls:read"), server.key("calls:read"));
        server.revoke(&revoked);
        let made_up = server.made_up(SecretKind::ApiKey);
        let mistyped = live.mistyped();
        let send = |key: &str| server.client.with_key(key, "GET", "/v1/ping", None);
        let probe = |path: &str| server.client.send("GET", path, &[], None).status;
        send(&live.secret).expect(200, "");

        // With counts to write, the server would not be ready as soon as that fails.
        server.bitting.flush_usage().unwrap();
        db_out_of_reach(&server.database, true);
        eventually("reads of the feed fail", || server.bitting.read_feed().is_err());
        // Within the bound known keys go on.
        server.clock.pass(Duration::from_secs(5));
        assert_eq!((probe("/readyz"), probe("/healthz")), (200, 200));
        for _ in 0..20 {
            send(&live.secret).expect(200, "");
        }

        server.clock.pass(Duration::from_millis(1));
        let admin = server.manage("GET", "/v1/keys", None);
        for answer in [send(&live.secret), admin, send(&made_up)] {
            answer.expect(503, "unavailable");
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        }
        send(&revoked.secret).expect(401, "key_revoked");
        send("hello").expect(401, "invalid_key");
        send(&mistyped).expect(401, "invalid_key");
        server.client.send("GET", "/v1/ping", &[], None).expect(401, "missing_key");
        assert_eq!((probe("/readyz"), probe("/healthz")), (503, 200));

        db_out_of_reach(&server.database, false);
        eventually("the server is ready again", || probe("/readyz") == 200);
        send(&live.secret).expect(200, "");
        send(&made_up).expect(401, "invalid_key");
        // What was answered with 503 is not counted; all else is.
        eventually("the counts are read again", || {
            server.manage("GET", &format!("/v1/keys/{}", live.id), None).status == 200
        });
        assert_eq!((server.total(&live), server.total(&revoked)), (22, 1));
    }
}

/// By a clock that stands still, so that it is not staleness that tells.
#[test]
fn a_file_that_is_taken_away_or_replaced_is_not_ready_at_once() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read");
    let (file, aside) =
        ["test.db", "aside.db"].map(|name| server.database.folder().join(name)).into();
    let ready = || server.client.send("GET", "/readyz", &[], None).status;
    assert_eq!(ready(), 200);
    std::fs::rename(&file, &aside).unwrap();
    eventually("it is not ready", || ready() == 503);
    std::fs::copy(&aside, &file).unwrap();
    let reads = server.bitting.gate.freshness.reads();
    eventually("it has been looked at again", || server.bitting.gate.freshness.reads() > reads + 1);
    assert_eq!(ready(), 503);
    // Within the bound known keys go on.
    server.call(&key, "GET", "/v1/ping", None).expect(200, "");
    std::fs::rename(&aside, &file).unwrap();
    eventually("it is ready again", || ready() == 200);
}

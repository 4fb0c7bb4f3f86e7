//! Faults inside and around the program: an audit event that cannot be written, a locked database,
//! a handler that panics.

use bitting::records::model::resources;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, HttpServer, web};
use bitting::domain::principal::Principal;
use bitting::gate::caller::KeyCaller;
use bitting::gate::route::Need;
use bitting::http;
use bitting::http::endpoint::Endpoint;
use bitting::server;
use diesel::connection::SimpleConnection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::binary::{Binary, run, run_ok};
use crate::support::client::Client;
use crate::support::front_door::{front_door, worker_state};
use crate::support::{Backend, TestDatabase, TestServer, eventually, on_both};

/// Lets every audit event fail to be written.
fn db_refuse_events(database: &TestDatabase) {
    database.db_execute(match database.backend {
        Backend::Sqlite => {
            "CREATE TRIGGER no_events BEFORE INSERT ON audit_events \
             BEGIN SELECT RAISE(ABORT, 'no events'); END"
        }
        Backend::Postgres => {
            "CREATE FUNCTION no_events() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''no events''; END'; \
             CREATE TRIGGER no_events BEFORE INSERT ON audit_events \
             FOR EACH ROW EXECUTE FUNCTION no_events()"
        }
    });
}

fn db_allow_events(database: &TestDatabase) {
    database.db_execute(match database.backend {
        Backend::Sqlite => "DROP TRIGGER no_events",
        Backend::Postgres => "DROP TRIGGER no_events ON audit_events",
    });
}

on_both! {
    fn what_cannot_be_put_on_record_is_not_done(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let clerk = server.db_token(&json!({"name": "clerk", "access": "write", "may_grant": ["leads:read"]}));
        let token = server.bitting.list_tokens(&Principal::command_line("test")).unwrap().pop().unwrap();
        let path = format!("/v1/keys/{}", key.id);
        let before = server.manage("GET", &path, None).ok();
        let place = ["--database-url", server.database.url.as_str()];
        let folder = server.database.folder();
        let rows = || ["api_keys", "admin_tokens", "audit_events"]
            .map(|table| server.database.db_number(&format!("SELECT COUNT(*) FROM {table}")));
        let (known, stored) = (server.bitting.gate.index.len(), rows());

        db_refuse_events(&server.database);
        let new = json!({"name": "new", "scopes": ["calls:read"]});
        let label = json!({"name": "another"});
        let attempts = [
            ("POST", "/v1/keys".to_owned(), Some(&new), &server.admin),
            ("PATCH", path.clone(), Some(&label), &server.admin),
            ("POST", format!("{path}/revoke"), None, &server.admin),
            // A refusal that would have to be noted.
            ("POST", "/v1/keys".to_owned(), Some(&new), &clerk),
        ];
        for (method, path, body, token) in attempts {
            let answer = server.client.with_key(token, method, &path, body);
            answer.expect(503, "unavailable");
            assert!(!answer.body.contains("no events") && answer.json()["key"].is_null(), "{answer:?}");
        }
        let commands: [&[&str]; 4] = [
            &["key", "create", "--name", "k", "--scope", "calls:read"],
            &["key", "revoke", &key.id],
            &["token", "create", "--name", "t", "--access", "read", "--expires", "1d"],
            &["token", "revoke", &token.id.to_string()],
        ];
        for arguments in commands {
            let output = run(&folder, &[arguments, &place].concat());
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}");
        }
        server.bitting.read_feed().unwrap();
        assert_eq!((server.bitting.gate.index.len(), rows()), (known, stored));
        assert_eq!(server.manage("GET", &path, None).ok(), before);
        server.call(&key, "GET", "/v1/calls", None).expect(200, "");

        db_allow_events(&server.database);
        server.revoke(&key);
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
    }
}

#[test]
fn a_write_lock_held_for_two_seconds_delays_writers_and_refuses_none() {
    let server = TestServer::start(Backend::Sqlite);
    let mut lock = server.database.db_sqlite();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(|| server.key("calls:read"))).collect();
        // How long the other process holds its lock is the fault itself.
        std::thread::sleep(Duration::from_secs(2));
        lock.batch_execute("ROLLBACK").unwrap();
        for writer in writers {
            let key = writer.join().unwrap();
            server.call(&key, "GET", "/v1/calls", None).expect(200, "");
        }
    });
}

#[test]
fn while_the_write_lock_is_held_for_long_reads_go_on_writes_are_put_off_and_counts_are_kept() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let call = json!({"direction": "inbound", "caller": "+15550100"});
    let mut lock = server.database.db_sqlite();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();
    let revoke = format!("/v1/keys/{}/revoke", key.id);
    let put_off = |key: &str, path: &str, body| {
        let since = Instant::now();
        let answer = server.client.with_key(key, "POST", path, body);
        answer.expect(503, "unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        // Promised within 5 s; here with room for a busy machine.
        assert!(since.elapsed() < Duration::from_secs(7), "{:?}", since.elapsed());
    };
    std::thread::scope(|scope| {
        let writers = [
            scope.spawn(|| put_off(&key.secret, "/v1/calls", Some(&call))),
            scope.spawn(|| put_off(&server.admin, &revoke, None)),
        ];
        let mut reads = 0;
        while !writers.iter().all(|writer| writer.is_finished()) || reads < 10 {
            server.call(&key, "GET", "/v1/calls", None).expect(200, "");
            reads += 1;
            assert_eq!(server.total(&key), reads);
        }
        let written = || server.database.db_counted();
        assert_eq!(written(), 0);
        lock.batch_execute("ROLLBACK").unwrap();
        for writer in writers {
            writer.join().unwrap();
        }
        eventually("the counts are written", || written() == reads);
        assert_eq!(server.total(&key), reads);
    });
    server.call(&key, "POST", "/v1/calls", Some(&call)).expect(201, "");
    server.revoke(&key);
}

async fn panics(_caller: KeyCaller) -> HttpResponse {
    panic!("on purpose");
}

/// The application once more, with one more endpoint.
pub fn with_one_more_endpoint(
    server: &TestServer,
    endpoint: fn() -> Endpoint,
    story: impl FnOnce(SocketAddr),
) {
    let bitting = server.bitting.clone();
    let factory = move || {
        let state = worker_state(&bitting, &Arc::default());
        let mut endpoints = server::endpoints(true);
        endpoints.push(endpoint());
        http::app(web::Data::new(state), endpoints)
    };
    let serve = move |listener| {
        let server = HttpServer::new(factory).workers(1).disable_signals();
        server.listen(listener).unwrap().run()
    };
    front_door(serve, story);
}

on_both! {
    fn a_handler_that_panics_ends_its_own_request_and_nothing_else(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let panicking = || {
            let endpoint = Endpoint::new("/v1/panic", Need::Scope(resources::CALLS));
            endpoint.get(panics, |_| {}).post(panics, |_| {})
        };
        with_one_more_endpoint(&server, panicking, |address| {
            let client = Client::new(&format!("http://{address}"));
            for (method, body) in [("GET", None), ("POST", Some(&json!({}))), ("GET", None)] {
                let answer = client.with_key(&key.secret, method, "/v1/panic", body);
                answer.expect(500, "internal");
                assert_eq!(answer.header("content-type"), "application/problem+json");
                assert_eq!(answer.header("x-content-type-options"), "nosniff");
                assert_eq!(answer.header("cache-control"), "no-store");
                assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
                assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
                assert!(!answer.body.contains("purpose"), "{answer:?}");
                client.with_key(&key.secret, "GET", "/v1/calls", None).expect(200, "");
            }
        });
        let usage = server.usage(&key, "24h");
        assert_eq!((&usage["server_error"], &usage["ok"], &usage["total"]), (&json!(3), &json!(3), &json!(6)));
    }
}

/// A connection that is open works on, on a file that nobody else can reach any more.
#[test]
fn a_deleted_file_is_noticed_and_no_key_outlives_the_staleness_bound() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let call = json!({"direction": "inbound", "caller": "+14155550100"});
    server.call(&key, "POST", "/v1/calls", Some(&call)).expect(201, "");

    let (file, aside) =
        (server.database.folder().join("test.db"), server.database.folder().join("aside.db"));
    std::fs::rename(&file, &aside).unwrap();
    let refused = server.call(&key, "POST", "/v1/calls", Some(&call));
    refused.expect(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    server.call(&key, "GET", "/v1/ping", None).expect(200, "");
    server.clock.pass(Duration::from_millis(5001));
    server.call(&key, "GET", "/v1/ping", None).expect(503, "unavailable");
    assert_eq!(server.client.send("GET", "/readyz", &[], None).status, 503);
    assert_eq!(server.client.send("GET", "/healthz", &[], None).status, 200);
    assert!(!file.exists(), "a new database was made in its place");

    std::fs::copy(&aside, &file).unwrap();
    server.call(&key, "GET", "/v1/ping", None).expect(503, "unavailable");
    std::fs::rename(&aside, &file).unwrap();
    eventually("the file is back", || server.call(&key, "GET", "/v1/ping", None).status == 200);
    server.call(&key, "POST", "/v1/calls", Some(&call)).expect(201, "");
}

/// By them connections find what others have written: on two of one, each overwrites what the other does.
#[test]
fn a_file_beside_the_database_that_is_deleted_is_noticed() {
    for (database, suffix) in
        [("bitting.db", "-wal"), ("bitting.db", "-shm"), ("link.db", "-wal"), ("link.db", "-shm")]
    {
        let folder = TempDir::new().unwrap();
        let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
        let key = run_ok(folder.path(), &create);
        // SQLite keeps them where a link leads to.
        std::os::unix::fs::symlink("bitting.db", folder.path().join("link.db")).unwrap();
        let url = format!("sqlite://{database}");
        let server = Binary::serve(folder.path(), &["--database-url", &url]);
        let ping = |server: &Binary| server.client.with_key(&key, "GET", "/v1/ping", None).status;
        assert_eq!((ping(&server), server.is_ready()), (200, true));
        std::fs::remove_file(folder.path().join(format!("bitting.db{suffix}"))).unwrap();
        eventually("it is noticed", || !server.is_ready());
        assert!(server.log().contains(&format!("bitting.db{suffix}")), "{}", server.log());
        server.terminate();
        // What it had written is there.
        let server = Binary::serve(folder.path(), &[]);
        assert_eq!((ping(&server), server.is_ready()), (200, true), "{suffix}");
    }
}

//! A server that is started before its PostgreSQL: it waits, says so, and can be stopped.

use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use crate::server::slow_clients::dawdling;
use crate::support::ports::NOBODY;
use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::relay::Relay;
use crate::support::{Backend, Binary, TestDatabase, binary, eventually};

/// The database under another port.
fn elsewhere(database: &TestDatabase, port: u16) -> String {
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let (user, _) = server.split_once('@').unwrap();
    format!("{user}@127.0.0.1:{port}/{name}")
}

fn serve(database: &TestDatabase, url: &str, more: &[&str]) -> Command {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", url];
    binary::command(&database.folder(), &[&arguments, more].concat())
}

#[test]
fn a_server_waits_for_its_database_and_says_so_meanwhile() {
    let database = TestDatabase::new(Backend::Postgres);
    // A pooler that is there before its server.
    let relay = Relay::to(NOBODY);
    let url = elsewhere(&database, relay.port);
    let server = Binary::start(serve(&database, &url, &["--metrics-listen", "127.0.0.1:0"]));
    let send = |method, path| server.client.send(method, path, &[], None);
    // More than are answered at once.
    let address = server.client.base.trim_start_matches("http://").parse().unwrap();
    let held = dawdling(address, "/healthz", 100);
    for _ in 0..3 {
        assert_eq!(send("GET", "/healthz").status, 200);
        assert_eq!(send("HEAD", "/healthz").status, 200);
        assert_eq!(send("GET", "/readyz").status, 503);
        for (method, path) in
            [("GET", "/v1/ping"), ("POST", "/v1/keys"), ("GET", "/login"), ("DELETE", "/nothing")]
        {
            let answer = send(method, path);
            answer.expect(503, "unavailable");
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        }
    }
    let page = server.client.send("GET", "/login", &[("accept", "text/html")], None);
    assert_eq!((page.status, page.header("x-content-type-options")), (503, "nosniff"));
    assert!(page.body.contains("waits for its database") && page.body.contains("<h1>"), "{page:?}");
    assert_eq!(send("GET", "/static/bitting.css").status, 200);
    drop(held);
    let log = server.log();
    assert_eq!(log.matches("the database cannot be reached").count(), 1, "{log}");
    assert!(log.contains("closed the connection") && log.contains("1m at most"), "{log}");

    let (server_of_database, _) = database.url.rsplit_once('/').unwrap();
    relay.lead_to(server_of_database.rsplit_once(':').unwrap().1.parse().unwrap());
    eventually("the server is ready", || server.is_ready());
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let key = binary::run_ok(
        &database.folder(),
        &[&create[..], &["--database-url", &database.url]].concat(),
    );
    server.client.with_key(&key, "GET", "/v1/calls", None).expect(200, "");
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn connections_that_others_have_are_waited_for() {
    if !can_start_servers() {
        return;
    }
    let cluster = Cluster::new();
    cluster.execute("postgres", "CREATE ROLE plain LOGIN");
    cluster.execute("postgres", "CREATE DATABASE bitting OWNER plain");
    let url = cluster.url("bitting").replace("bitting@", "plain@");
    let database = TestDatabase::at(Backend::Postgres, cluster.url("bitting"));
    for whose in ["ROLE plain", "DATABASE bitting"] {
        let limit = |most| {
            cluster.execute("postgres", &format!("ALTER {whose} CONNECTION LIMIT {most}"));
        };
        limit(0);
        let server = Binary::serve(&database.folder(), &["--database-url", &url]);
        assert_eq!(server.client.send("GET", "/readyz", &[], None).status, 503);
        assert!(server.log().contains("too many connections for"), "{}", server.log());
        limit(-1);
        eventually("the server is ready", || server.is_ready());
        let (code, log) = server.terminate();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn a_server_that_waits_stops_at_once() {
    let database = TestDatabase::new(Backend::Postgres);
    // Refused at once, and an address from which no answer comes.
    for place in [format!("127.0.0.1:{NOBODY}"), "192.0.2.1:5432".to_owned()] {
        let url = format!("postgres://me:hunter2@{place}/db?connect_timeout=30");
        let mut command = serve(&database, &url, &["--database-wait", "1h"]);
        let log = database.folder().join("log");
        command.stderr(std::fs::File::create(&log).unwrap());
        let child = command.spawn().unwrap();
        let signals = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
        };
        eventually("the server listens for signals", signals);
        let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(ended.success());
        // A connection is tried for half a minute; a server that does not stop sooner is killed.
        let status = binary::end_of(child).status;
        let log = std::fs::read_to_string(&log).unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
}

#[test]
fn waiting_has_an_end() {
    let database = TestDatabase::new(Backend::Postgres);
    let url = elsewhere(&database, NOBODY);
    for (wait, said) in [("0", ""), ("1s", "it was waited for 1s (--database-wait)")] {
        let output = binary::ended(serve(&database, &url, &["--database-wait", wait]));
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        let last = log.lines().last().unwrap();
        assert!(last.contains("Connection refused") && last.contains(said), "{log}");
        assert_eq!(log.contains("waited for"), !said.is_empty(), "{log}");
    }
}

#[test]
fn what_waiting_does_not_mend_is_refused_at_once() {
    let database = TestDatabase::new(Backend::Postgres);
    let latin = TestDatabase::postgres("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    for (url, said) in [
        (format!("{}_gone", database.url), "does not exist"),
        (database.url.replace("bitting@", "nobody_of_this_name@"), "does not exist"),
        (format!("{}?sslmode=require", database.url), "server does not support SSL"),
        (latin.url.clone(), "LATIN1"),
        ("sqlite://missing/x.db".to_owned(), "folder"),
    ] {
        let output = binary::ended(serve(&database, &url, &["--database-wait", "1h"]));
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(said) && !log.contains("waited for"), "{log}");
    }
}

/// As a `VACUUM FULL` of somebody's holds it.
#[test]
fn a_table_that_is_locked_is_waited_for() {
    let database = TestDatabase::migrated(Backend::Postgres);
    let mut lock = PgConnection::establish(&database.url).unwrap();
    lock.batch_execute("BEGIN; LOCK TABLE bitting, api_keys IN ACCESS EXCLUSIVE MODE").unwrap();
    let server = Binary::start(serve(&database, &database.url, &[]));
    assert!(!server.is_ready());
    lock.batch_execute("COMMIT").unwrap();
    eventually("the server is ready", || server.is_ready());
}

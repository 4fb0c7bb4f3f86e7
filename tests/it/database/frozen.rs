//! A PostgreSQL server that answers nothing while its connections stay open: its processes are frozen,
//! or something in between passes nothing on. Nobody waits for it without an end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bitting::config::Options;
use serde_json::json;

use crate::database::cluster_with_key;
use crate::database::standby::pair;
use crate::support::postgres::can_start_servers;
use crate::support::relay::Relay;
use crate::support::{Backend, Binary, TestDatabase, TestServer, binary, eventually};

#[test]
fn a_frozen_primary_is_left_for_the_standby_that_takes_over() {
    if !can_start_servers() {
        return;
    }
    let (primary, standby) = pair();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port, standby.port);
    let url = format!("postgres://bitting@{hosts}/bitting");
    let database = TestDatabase::at(Backend::Postgres, url.clone());
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let create = [&create[..], &["--database-url", &url]].concat();
    let key = binary::run_ok(&database.folder(), &create);
    let server = Binary::serve(&database.folder(), &["--database-url", &url]);
    let ask = || server.client.with_key(&key, "GET", "/v1/calls", None).status;
    assert_eq!(ask(), 200);
    let standby_has = TestDatabase::at(Backend::Postgres, standby.url("bitting"));
    eventually("the standby has all", || {
        standby_has.db_number("SELECT COUNT(*) FROM api_keys") == 1
            && standby_has.db_number("SELECT COUNT(*) FROM usage_journal") == 1
    });

    primary.freeze();
    // All of these would wait for ever.
    for _ in 0..8 {
        assert!([200, 503].contains(&ask()));
    }
    standby.promote();
    eventually("the server is ready", || {
        server.client.send("GET", "/readyz", &[], None).status == 200
    });
    eventually("the standby is asked", || ask() == 200);
    eventually("counts are written there", || {
        standby_has.db_number("SELECT COUNT(*) FROM usage_minutes") > 0
    });
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn connections_that_pass_nothing_on_are_ended_and_others_follow() {
    let database = TestDatabase::new(Backend::Postgres);
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let port = server.rsplit_once(':').unwrap().1.parse().unwrap();
    let relay = Relay::to(port);
    let url = format!("postgres://bitting@127.0.0.1:{}/{name}", relay.port);
    let server =
        TestServer::on(Arc::new(TestDatabase::at(Backend::Postgres, url)), Options::default());
    let key = server.key("calls:read");
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    server.db_flush();

    let failures = server.bitting.gate.freshness.failures();
    relay.stall();
    // The connection that this takes of the pool shows no sign of life.
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    eventually("the read of the changes is given up", || {
        server.bitting.gate.freshness.failures() > failures
    });
    eventually("changes are read again", || server.bitting.read_feed().is_ok());
    let body = json!({"name": "new", "scopes": ["calls:read"]});
    server.manage("POST", "/v1/keys", Some(&body)).expect(201, "");
    eventually("counts are written again", || server.bitting.flush_usage().is_ok());
    assert_eq!(server.total(&key), 2);
}

#[test]
fn a_server_that_stops_leaves_such_a_connection_and_writes_its_counts() {
    let database = TestDatabase::new(Backend::Postgres);
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let relay = Relay::to(server.rsplit_once(':').unwrap().1.parse().unwrap());
    let url = format!("postgres://bitting@127.0.0.1:{}/{name}", relay.port);
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url", &url];
    let key = binary::run_ok(&database.folder(), &create);
    let server = Binary::serve(&database.folder(), &["--database-url", &url]);
    let ask = || server.client.with_key(&key, "GET", "/v1/ping", None).expect(200, "").status;
    ask();
    eventually("it is counted", || database.db_counted() == 1);
    relay.stall();
    ask();
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(database.db_counted(), 2);
}

#[test]
fn a_frozen_server_is_given_up_however_its_place_is_written() {
    let Some((cluster, folder, key)) = cluster_with_key() else { return };
    let (port, services) = (cluster.port, folder.path().join("services"));
    let service = format!("[x]\nhost=127.0.0.1\nport={port}\nuser=bitting\ndbname=bitting\n");
    std::fs::write(&services, service).unwrap();
    let socket = cluster.socket_folder().display().to_string().replace('/', "%2F");
    let servers = [
        cluster.url("bitting"),
        "postgres://?service=x".to_owned(),
        format!("postgres://bitting@/bitting?host=127.0.0.1%2C127.0.0.1&port={port}%2C{port}"),
        format!("postgres://bitting@{socket}:{port}/bitting"),
    ]
    .map(|url| {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", &url];
        let mut command = binary::command(folder.path(), &arguments);
        command.env("PGSERVICEFILE", &services);
        Binary::start(command)
    });
    let ask = |server: &Binary| server.client.with_key(&key, "GET", "/v1/calls", None).status;
    servers.iter().for_each(|server| assert_eq!(ask(server), 200));
    cluster.freeze();
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                let asked = Instant::now();
                assert_eq!(ask(server), 503);
                assert!(asked.elapsed() < Duration::from_secs(15), "{}", server.log());
            });
        }
    });
    cluster.thaw();
    for server in &servers {
        eventually("it is asked again", || ask(server) == 200);
        assert!(!server.log().contains("cannot be ended"), "{}", server.log());
    }
}

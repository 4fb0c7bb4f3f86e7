//! Standbys of PostgreSQL, which lag behind and take no changes: what a server reads there must not
//! be believed, and whoever was led to one must find the way back.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use bitting::config::Options;
use serde_json::Value;

use crate::commands::cli::errors;
use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::relay::Relay;
use crate::support::{Backend, TestDatabase, TestServer, binary, eventually};

/// A primary with the database `bitting`, made by the program, and its standby.
pub fn pair() -> (Cluster, Cluster) {
    let primary = Cluster::new();
    primary.execute("postgres", "CREATE DATABASE bitting");
    let folder = tempfile::tempdir().unwrap();
    binary::run_ok(folder.path(), &["migrate", "--database-url", &primary.url("bitting")]);
    let standby = primary.standby();
    (primary, standby)
}

#[test]
fn a_standby_that_lags_behind_is_not_believed_and_the_way_back_is_found() {
    if !can_start_servers() {
        return;
    }
    let (primary, standby) = pair();
    standby.execute("postgres", "SELECT pg_wal_replay_pause()");
    let relay = Relay::to(primary.port);
    let url = format!("postgres://bitting@127.0.0.1:{}/bitting", relay.port);
    let server =
        TestServer::on(Arc::new(TestDatabase::at(Backend::Postgres, url)), Options::default());
    let (live, revoked) = (server.key("calls:read"), server.key("calls:read"));
    let send = |key| server.call(key, "GET", "/v1/ping", None);
    eventually("the feed has been read", || server.bitting.read_feed().is_ok());

    relay.lead_to(standby.port);
    let failures = server.bitting.gate.freshness.failures();
    binary::run_ok(
        &server.database.folder(),
        &["key", "revoke", &revoked.id, "--database-url", &primary.url("bitting")],
    );
    eventually("reads fail", || server.bitting.gate.freshness.failures() > failures + 2);
    assert!(server.bitting.read_feed().unwrap_err().to_string().contains("is a standby"));
    server.clock.pass(Duration::from_millis(5_001));
    for key in [&live, &revoked] {
        send(key).expect(503, "unavailable");
    }
    // The pools' connections are no better.
    server.manage("GET", "/v1/keys", None).expect(503, "unavailable");
    assert!(server.bitting.has_users().is_err());

    relay.lead_to(primary.port);
    eventually("the server is ready again", || {
        server.client.send("GET", "/readyz", &[], None).status == 200
    });
    send(&live).expect(200, "");
    send(&revoked).expect(401, "key_revoked");
    eventually("keys can be made again", || {
        let body = serde_json::json!({"name": "new", "scopes": ["calls:read"]});
        server.manage("POST", "/v1/keys", Some(&body)).status == 201
    });
}

/// As some providers have it when its disk is full.
#[test]
fn a_primary_that_takes_no_changes_is_believed() {
    let server = TestServer::start(Backend::Postgres);
    let key = server.key("calls:read");
    let name = server.database.url.rsplit('/').next().unwrap().to_owned();
    let from_now_on = |set: &str| {
        server.database.db_execute(&format!("ALTER DATABASE {name} {set}"));
        server.database.db_execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    };
    let create = || {
        let body = serde_json::json!({"name": "new", "scopes": ["calls:read"]});
        server.manage("POST", "/v1/keys", Some(&body))
    };
    from_now_on("SET default_transaction_read_only = on");
    eventually("changes are read again", || server.bitting.read_feed().is_ok());
    server.clock.pass(Duration::from_millis(5_001));
    eventually("keys are judged", || server.call(&key, "GET", "/v1/ping", None).status == 200);
    create().expect(503, "unavailable");
    from_now_on("RESET default_transaction_read_only");
    eventually("keys are made again", || create().status == 201);
}

#[test]
fn of_several_hosts_the_primary_is_found() {
    if !can_start_servers() {
        return;
    }
    let (mut primary, standby) = pair();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port, primary.port);
    let url = format!("postgres://bitting@{hosts}/bitting");
    let server =
        TestServer::on(Arc::new(TestDatabase::at(Backend::Postgres, url)), Options::default());
    let key = server.key("calls:read");
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    // Received is not yet replayed: what was answered must be there before the primary goes.
    let standby_has = TestDatabase::at(Backend::Postgres, standby.url("bitting"));
    eventually("the standby has the key", || {
        let count = format!("SELECT COUNT(*) FROM api_keys WHERE id = '{}'", key.id);
        standby_has.db_number(&count) == 1
    });
    primary.stop();
    standby.promote();
    eventually("keys are made on the new primary", || {
        let body = serde_json::json!({"name": "new", "scopes": ["calls:read"]});
        server.manage("POST", "/v1/keys", Some(&body)).status == 201
    });
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    assert_eq!(server.bitting.set_backs.times(), 0);
}

#[test]
fn commands_say_that_a_server_is_a_standby() {
    if !can_start_servers() {
        return;
    }
    let (_primary, standby) = pair();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| -> Output {
        let url = standby.url("bitting");
        binary::run(folder.path(), &[arguments, &["--database-url", &url]].concat())
    };
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["migrate"],
        &["key", "list"],
        &["key", "create", "--name", "k", "--scope", "calls:read"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = errors(&output);
        for part in ["is a standby", "name the primary", "target_session_attrs=read-write"] {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    // Looking does no harm, where it is said what one looks at.
    let output = run(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let findings = String::from_utf8(output.stdout).unwrap();
    let findings: Vec<Value> =
        findings.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let server = findings.iter().find(|finding| finding["check"] == "server").unwrap();
    assert_eq!(server["verdict"], "warning");
    assert!(server["message"].as_str().unwrap().contains("a standby"), "{server}");
}

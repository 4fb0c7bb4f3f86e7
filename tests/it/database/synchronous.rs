//! Synchronous replication whose standby is away: commits wait for it without an end, and readers must
//! not wait with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bitting::config::Options;
use serde_json::json;

use crate::commands::cli::Shell;
use crate::database::cluster_with_key;
use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::{Backend, Binary, TestDatabase, TestServer, eventually};

#[test]
fn a_commit_that_is_not_confirmed_says_so_and_keeps_no_reader_out() {
    if !can_start_servers() {
        return;
    }
    let cluster = Cluster::new();
    cluster.execute("postgres", "CREATE DATABASE bitting");
    let database = TestDatabase::at(Backend::Postgres, cluster.url("bitting"));
    let server = TestServer::on(Arc::new(database), Options::default());
    let key = server.key("calls:read");
    let set = |standbys: &str| {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{standbys}'");
        cluster.execute("postgres", &set);
        cluster.execute("postgres", "SELECT pg_reload_conf()");
    };
    set("away");
    let body = json!({"name": "unsure", "scopes": ["calls:read"]}).to_string();
    let bearer = format!("Bearer {}", server.admin);
    let create = || {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "once"),
        ];
        server.client.send("POST", "/v1/keys", &headers, Some(&body))
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(create);
        // More than may write at once: they wait, or are told to come back.
        let others: Vec<_> = (0..7)
            .map(|_| {
                scope.spawn(|| {
                    let body = json!({"name": "other", "scopes": ["calls:read"]});
                    server.manage("POST", "/v1/keys", Some(&body))
                })
            })
            .collect();
        while !first.is_finished() {
            server.call(&key, "GET", "/v1/calls", None).expect(200, "");
            server.manage("GET", "/v1/keys", None).expect(200, "");
        }
        let answers = others.into_iter().map(|other| other.join().unwrap());
        let answers: Vec<_> = answers.chain([first.join().unwrap()]).collect();
        assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
        let unknown = answers.iter().filter(|answer| answer.code() == "outcome_unknown");
        assert!(unknown.count() > 0, "{answers:?}");
    });
    set("");
    eventually("the same request is answered with what it has made", || create().status == 201);
    let count = "SELECT COUNT(*) FROM api_keys WHERE name = 'unsure'";
    assert_eq!(server.database.db_number(count), 1);

    // Commands do not wait for ever either.
    set("away");
    let shell = Shell(TestDatabase::at(Backend::Postgres, server.database.url.clone()));
    shell.refused(&["key", "revoke", &key.id], 1, &["has not confirmed the change"]);
    set("");
    eventually("it was made all the same", || {
        server.call(&key, "GET", "/v1/ping", None).status == 401
    });
}

/// Ends the wait of whatever waits for a standby, as an operator does by hand.
fn cancel_waits(cluster: &Cluster, while_running: impl Fn() -> bool) {
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while while_running() {
        cluster.execute("postgres", cancel);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_commit_whose_wait_was_cancelled_is_not_taken_for_confirmed() {
    if !can_start_servers() {
        return;
    }
    let cluster = Cluster::new();
    cluster.execute("postgres", "CREATE DATABASE bitting");
    // Then a backslash in a text stands for something else.
    cluster.execute("postgres", "ALTER ROLE bitting SET standard_conforming_strings = off");
    let mut standby = cluster.standby();
    let database = TestDatabase::at(Backend::Postgres, cluster.url("bitting"));
    let server = TestServer::on(Arc::new(database), Options::default());
    let create = || {
        let body = json!({"name": "k", "scopes": ["calls:read"]});
        server.manage("POST", "/v1/keys", Some(&body))
    };
    for setting in ["*", "ANY 1 (walreceiver)"] {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{setting}'");
        cluster.execute("postgres", &set);
        cluster.execute("postgres", "SELECT pg_reload_conf()");
        // With the standby there, nothing changes.
        create().expect(201, "");
    }
    standby.stop();
    std::thread::scope(|scope| {
        let answer = scope.spawn(create);
        cancel_waits(&cluster, || !answer.is_finished());
        answer.join().unwrap().expect(503, "outcome_unknown");
    });
    assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 3);
    // Else the last counts would wait for it, too.
    cluster.execute("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    cluster.execute("postgres", "SELECT pg_reload_conf()");
}

#[test]
fn a_server_starts_and_stops_while_the_standby_is_away() {
    let Some((cluster, folder, key)) = cluster_with_key() else { return };
    // One that may see the standbys, and one that may not.
    cluster.execute(
        "bitting",
        "CREATE ROLE plain LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO plain",
    );
    cluster.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    cluster.execute("postgres", "SELECT pg_reload_conf()");
    for user in ["bitting", "plain"] {
        let url = cluster.url("bitting").replace("bitting@", &format!("{user}@"));
        let server = Binary::serve(folder.path(), &["--database-url", &url]);
        server.client.with_key(&key, "GET", "/v1/ping", None).expect(200, "");
        assert_eq!(server.client.send("GET", "/healthz", &[], None).status, 200);
        let asked = Instant::now();
        let (_, log) = server.terminate();
        // What it has counted cannot be written, which has an end.
        assert!(asked.elapsed() < Duration::from_secs(20), "{log}");
    }
}

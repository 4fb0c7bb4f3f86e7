//! Synchronous replication whose standby is away: commits wait for it without an end, and readers must
//! not wait with them.

use std::sync::Arc;

use bitting::config::Options;
use serde_json::json;

use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::{Backend, TestDatabase, TestServer, eventually};

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
}

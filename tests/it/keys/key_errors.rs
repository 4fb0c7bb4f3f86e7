//! What a figure of errors leads to: the last requests of a key that were refused or failed.

use std::sync::Arc;
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use serde_json::{Value, json};

use crate::support::server::{MadeKey, start_of_time};
use crate::support::{TestDatabase, TestServer, on_both};

fn errors_of(server: &TestServer, key: &MadeKey) -> Vec<Value> {
    server.db_flush();
    let answer = server.manage("GET", &format!("/v1/keys/{}/errors", key.id), None).ok();
    answer["data"].as_array().unwrap().clone()
}

/// The same without the times, in a line each.
fn told(errors: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |error: &Value| {
        let [method, route, code] = ["method", "route", "code"].map(|name| text(&error[name]));
        format!("{method} {route} {} {code} {}", error["status"], text(&error["address"]))
    };
    errors.iter().map(line).collect()
}

on_both! {
    fn the_last_errors_of_a_key_are_told_and_nothing_else(backend) {
        let server = TestServer::start(backend);
        let (key, other) = (server.key("calls:read"), server.key("calls:read"));
        assert_eq!(errors_of(&server, &key), [Value::Null; 0]);
        let secret = format!("/v1/{}", key.secret);
        for (method, path) in [
            ("GET", "/v1/ping"),
            ("GET", "/v1/calls/x"),
            ("POST", "/v1/calls"),
            ("GET", "/v1/calls?nope=1"),
            ("HEAD", "/v1/keys"),
            ("BREW", "/v1/calls"),
            ("GET", secret.as_str()),
        ] {
            server.pass(Duration::from_secs(1));
            server.call(&key, method, path, None);
        }
        server.call(&other, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
        server.pass(Duration::from_secs(1));
        server.revoke(&key);
        server.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
        let errors = errors_of(&server, &key);
        assert_eq!(told(&errors), [
            "GET /v1/ping 401 key_revoked 127.0.0.1",
            "GET - 404 not_found 127.0.0.1",
            "OTHER /v1/calls 405 method_not_allowed 127.0.0.1",
            "HEAD /v1/keys 403 wrong_credential 127.0.0.1",
            "GET /v1/calls 422 validation_failed 127.0.0.1",
            "POST /v1/calls 403 insufficient_scope 127.0.0.1",
            "GET /v1/calls/{id} 404 not_found 127.0.0.1",
        ]);
        assert_eq!(errors[0]["at"], "2026-11-21T12:00:08.000Z");
        let told_of_other = told(&errors_of(&server, &other));
        assert_eq!(told_of_other, ["GET /v1/leads 403 insufficient_scope 127.0.0.1"]);
        server.db_user("ada@example.com", json!({}));
        let page = server.db_browser("ada@example.com");
        let page = page.get(&format!("/keys/{}", key.id)).body;
        for words in ["Last errors", "OTHER /v1/calls", "GET (no such path)", "key_revoked"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        // Only whoever may know of the key is told.
        let path = format!("/v1/keys/{}/errors", key.id);
        server.call(&other, "GET", &path, None).expect(403, "wrong_credential");
        let unknown = "/v1/keys/key_00000000000000000000000000/errors";
        server.manage("GET", unknown, None).expect(404, "not_found");
    }
}

on_both! {
    fn of_several_servers_the_last_twenty_are_kept(backend) {
        let database = Arc::new(TestDatabase::migrated(backend));
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let start = || TestServer::with_clock(database.clone(), Options::default(), clock.clone());
        let servers = [start(), start()];
        let key = servers[0].key("calls:read");
        for server in &servers {
            server.pass(Duration::from_secs(60));
            for _ in 0..15 {
                server.call(&key, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
            }
            server.db_flush();
        }
        let errors = errors_of(&servers[1], &key);
        let minute = |minute: &str| {
            let at = |error: &&Value| error["at"].as_str().unwrap().contains(minute);
            errors.iter().filter(at).count()
        };
        assert_eq!((minute("T12:02:"), minute("T12:01:")), (15, 5));
        assert_eq!(database.db_number("SELECT COUNT(*) FROM key_errors"), 20);
    }
}

//! What is forwarded: what the key may do, and nothing else; each request counted once, by what its
//! client was told.

use std::time::Duration;

use bitting::config::Options;
use bitting::model::secret::SecretKind;
use serde_json::json;

use super::{ask, before, body, with};
use crate::support::client::Client;
use crate::support::{Backend, Origin, TestServer, eventually, on_both, raw};

on_both! {
    fn an_allowed_request_is_forwarded_and_a_refused_one_is_not(backend) {
        let upstream = Origin::polite();
        let server = before(&upstream, backend);
        let reader = server.key("calls:read");
        let revoked = server.key("calls:read");
        server.revoke(&revoked);
        let expired = server.key_with("calls:read", json!({"expires_at": "2026-11-21T12:00:30Z"}));
        server.pass(Duration::from_secs(60));
        let base = format!("http://{}", server.gateway());
        let client = Client::new(&base);
        let send = |secret: &str, method: &str, path: &str| {
            client.with_key(secret, method, path, None)
        };
        for (secret, method, path, status, code) in [
            (&*reader.mistyped(), "GET", "/v1/calls", 401, "invalid_key"),
            (&server.made_up(SecretKind::ApiKey), "GET", "/v1/calls", 401, "invalid_key"),
            (&revoked.secret, "GET", "/v1/calls", 401, "key_revoked"),
            (&expired.secret, "GET", "/v1/calls", 401, "key_expired"),
            (&server.admin, "GET", "/v1/calls", 403, "wrong_credential"),
            (&reader.secret, "POST", "/v1/calls", 403, "insufficient_scope"),
            (&reader.secret, "PUT", "/v1/calls/7", 403, "insufficient_scope"),
            (&reader.secret, "BREW", "/v1/calls", 403, "insufficient_scope"),
            (&reader.secret, "GET", "/v1/leads", 403, "insufficient_scope"),
            (&reader.secret, "GET", "/orders", 403, "unknown_resource"),
            (&reader.secret, "GET", "/", 403, "unknown_resource"),
            (&reader.secret, "GET", "/healthz", 403, "unknown_resource"),
            (&reader.secret, "GET", "/v1/calls/%2e%2e/leads", 403, "ambiguous_request"),
            (&reader.secret, "GET", "/v1/calls//7", 403, "ambiguous_request"),
            (&reader.secret, "GET", "/v1/calls;x=/7", 403, "ambiguous_request"),
            (&reader.secret, "get", "/v1/calls", 403, "ambiguous_request"),
            (&reader.secret, "POST", "/v1/analytics", 405, "method_not_allowed"),
        ] {
            let answer = send(secret, method, path);
            answer.expect(status, code);
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let challenged = status == 401 || code == "insufficient_scope";
            assert_eq!(!answer.header("www-authenticate").is_empty(), challenged, "{answer:?}");
            assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
        }
        let none = client.send("GET", "/v1/calls?api_key=x", &[], None);
        none.expect(401, "missing_key");
        assert!(none.header("www-authenticate").starts_with("Bearer"), "{none:?}");
        assert!(upstream.seen().is_empty() && upstream.connections() == 0);
        for (method, path) in [
            ("GET", "/v1/calls"),
            ("GET", "/calls/7?x=%2e%2e&y=a%20b"),
            ("HEAD", "/v1/calls/7"),
            ("OPTIONS", "/v1/calls"),
        ] {
            let answer = send(&reader.secret, method, path);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(upstream.last().line(), format!("{method} {path} HTTP/1.1"));
        }
    }
}

on_both! {
    fn every_request_is_counted_once_by_what_its_client_was_told(backend) {
        let upstream = Origin::answering(|seen| {
            let status = seen.line().split("status=").nth(1).map_or("200", |rest| &rest[..3]).to_owned();
            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
        });
        let server = before(&upstream, backend);
        let key = server.key("calls:read calls:write");
        for status in [200, 201, 302, 404, 401, 429, 500, 502, 503, 504] {
            let answer = ask(&server, &format!("GET /v1/calls?status={status}"), &key, "");
            assert_eq!(raw::status(&answer), status);
        }
        let written = ask(&server, "POST /v1/calls", &key, "Content-Length: 0\r\n");
        assert_eq!(raw::status(&written), 200);
        assert_eq!(raw::status(&ask(&server, "GET /v1/leads", &key, "")), 403);
        assert_eq!(raw::status(&ask(&server, "GET /orders", &key, "")), 403);
        let upgrade = "Upgrade: websocket\r\n";
        assert_eq!(raw::status(&ask(&server, "GET /v1/calls", &key, upgrade)), 501);
        let usage = server.usage(&key, "24h");
        let expected = json!({"total": 14, "ok": 4, "client_error": 2, "server_error": 5, "forbidden": 2, "rate_limited": 1, "retired": 0});
        assert_eq!(usage, expected);
        server.db_flush();
        let shown = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
        let day = &shown["24h"]["by_resource"];
        assert_eq!(day["calls"], json!({"read": 11, "write": 1}), "{shown}");
        assert_eq!(day["leads"], json!({"read": 1, "write": 0}), "{shown}");
        let errors = server.manage("GET", &format!("/v1/keys/{}/errors", key.id), None).ok();
        let kept = |status: u16| {
            let errors = errors["data"].as_array().unwrap();
            let found = errors.iter().find(|error| error["status"] == status).unwrap();
            (found["code"].clone(), found["route"].clone())
        };
        assert_eq!(kept(503), (json!("upstream"), json!("/v1/calls")), "{errors}");
        assert_eq!(kept(501), (json!("not_implemented"), json!("/v1/calls")), "{errors}");
    }
}

#[test]
fn what_is_not_fresh_is_not_forwarded() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = server.key("calls:read");
    assert_eq!(raw::status(&ask(&server, "GET /v1/calls", &key, "")), 200);
    let forwarded = upstream.seen().len();
    let folder = server.database.folder();
    let (file, aside) = (folder.join("test.db"), folder.join("aside.db"));
    std::fs::rename(&file, &aside).unwrap();
    server.clock.pass(Duration::from_millis(5001));
    let answer = ask(&server, "GET /v1/calls", &key, "");
    assert_eq!(raw::status(&answer), 503, "{answer}");
    assert!(answer.contains("\"unavailable\"") && answer.contains("retry-after: 1"), "{answer}");
    assert_eq!(upstream.seen().len(), forwarded);
    std::fs::rename(&aside, &file).unwrap();
    eventually("it is forwarded again", || {
        raw::status(&ask(&server, "GET /v1/calls", &key, "")) == 200
    });
}

#[test]
fn the_two_ports_have_nothing_in_common() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let gateway = Client::new(&format!("http://{}", server.gateway()));
    for path in
        ["/v1/ping", "/v1/whoami", "/v1/keys", "/login", "/docs", "/readyz", "/openapi.json"]
    {
        gateway.with_key(&key.secret, "GET", path, None).expect(403, "unknown_resource");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(server.call(&key, "GET", "/v1/calls", None).ok()["data"], json!([]));
    assert!(upstream.seen().is_empty());
}

#[test]
fn its_requests_are_measured_and_logged_by_one_name() {
    let upstream = Origin::polite();
    let metrics_listen = Some("127.0.0.1:0".to_owned());
    let server = with(&upstream, Backend::Sqlite, Options { metrics_listen, ..Options::default() });
    let key = server.key("calls:read");
    assert_eq!(body(&ask(&server, "GET /v1/calls", &key, "")), "hello");
    ask(&server, "POST /v1/calls", &key, "Content-Length: 0\r\n");
    let page = server.metrics();
    for (access, status) in [("read", 200), ("write", 403)] {
        let wanted = format!("route=\"gateway\",access=\"{access}\",status=\"{status}\"");
        assert!(page.contains(&wanted), "{wanted}: {page}");
    }
}

on_both! {
    fn resources_of_ones_own_say_what_a_request_needs(backend) {
        let upstream = Origin::polite();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bitting.toml");
        let resources = "builtin_api = false\npreflight = \"allow\"\n[[resources]]\nname = \"orders\"\n\
            paths = [\"/orders\", \"/api/orders\"]\nreads = [\"POST /orders/search\"]\n\
            open = [\"GET /orders/status\"]\n[[resources]]\nname = \"users\"\npaths = [\"/users\"]\n";
        std::fs::write(&file, resources).unwrap();
        let config = Some(file.display().to_string());
        let server = with(&upstream, backend, Options { config, ..Options::default() });
        let orders = server.key("orders:read");
        let users = server.key("users:read users:write");
        for (key, line, status) in [
            (&orders, "GET /orders/7", 200),
            (&orders, "GET /api/orders?x=1", 200),
            (&orders, "POST /orders/search", 200),
            (&orders, "POST /orders/search/7", 403),
            (&orders, "POST /orders", 403),
            (&orders, "GET /users", 403),
            (&orders, "GET /ordersx", 403),
            (&users, "DELETE /users/7", 200),
            (&users, "GET /orders/status", 200),
            (&users, "GET /orders/7", 403),
            (&users, "GET /v1/calls", 403),
        ] {
            let before = upstream.seen().len();
            let answer = ask(&server, line, key, "");
            assert_eq!(raw::status(&answer), status, "{line}: {answer}");
            assert_eq!(upstream.seen().len() - before, usize::from(status == 200), "{line}");
        }
        // A preflight has no key, and belongs to nobody.
        let forged = "Host: x\r\nX-Bitting-Owner: forged\r\nConnection: close\r\n\r\n";
        let preflight = format!("OPTIONS /orders HTTP/1.1\r\n{forged}");
        assert_eq!(raw::status(&raw::exchange(server.gateway(), preflight.as_bytes())), 200);
        assert_eq!(upstream.last().all("x-bitting-owner"), [""]);
        assert_eq!(upstream.last().all("x-bitting-key-id"), [""]);
        let seen = upstream.seen().len();
        let upgrade = format!("OPTIONS /orders HTTP/1.1\r\nUpgrade: websocket\r\n{forged}GET /users HTTP/1.1\r\n");
        assert_eq!(raw::status(&raw::exchange(server.gateway(), upgrade.as_bytes())), 501);
        assert_eq!(upstream.seen().len(), seen);
        let nowhere = format!("OPTIONS /nothing HTTP/1.1\r\n{forged}");
        assert_eq!(raw::status(&raw::exchange(server.gateway(), nowhere.as_bytes())), 401);
        assert_eq!(server.total(&orders), 7);
    }
}

on_both! {
    fn a_quota_counts_the_same_before_a_restart_and_after_it(backend) {
        let upstream = Origin::answering(|seen| {
            let status = seen.line().split("status=").nth(1).map_or("200", |rest| &rest[..3]).to_owned();
            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
        });
        let server = before(&upstream, backend);
        let quota = json!({"quota": {"requests": 9, "per": "day"}});
        let key = server.key_with("calls:read", quota);
        let left = |server: &TestServer| {
            let answer = server.client.with_key(&key.secret, "GET", "/v1/whoami", None);
            answer.header("ratelimit").split("r=").nth(1).unwrap().split(';').next().unwrap().to_owned()
        };
        for status in [200, 403, 429, 404, 503, 403] {
            ask(&server, &format!("GET /v1/calls?status={status}"), &key, "");
        }
        // Three that were accepted, and the question itself.
        assert_eq!(left(&server), "5");
        let server = TestServer::on(server.stop(), Options::default());
        assert_eq!(left(&server), "4");
    }
}

on_both! {
    fn a_limited_key_is_told_what_is_left_and_forwarded_no_further(backend) {
        let upstream = Origin::polite();
        let server = before(&upstream, backend);
        let limit = json!({"rate_limit": {"requests": 2, "per": "hour"}});
        let key = server.key_with("calls:read", limit);
        for status in [200, 200, 429, 429] {
            let answer = ask(&server, "GET /v1/calls", &key, "").to_lowercase();
            assert_eq!(raw::status(&answer), status, "{answer}");
            assert!(answer.contains("\nratelimit-policy: ") && answer.contains("\nratelimit: "), "{answer}");
            assert_eq!(answer.contains("\nretry-after: "), status == 429, "{answer}");
        }
        assert_eq!(upstream.seen().len(), 2);
        assert_eq!(server.usage(&key, "24h")["rate_limited"], 2);
    }
}

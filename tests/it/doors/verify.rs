//! `POST /v1/verify`: what a program is told about the key that it was sent.

use serde_json::{Value, json};

use super::authz::ask;
use super::{TEAM, server_with};
use crate::support::{TestServer, on_both};

fn verify(server: &TestServer, secret: &str, query: &str, body: &Value) -> Value {
    let path = format!("/v1/verify{query}");
    server.client.with_key(secret, "POST", &path, Some(body)).ok()
}

on_both! {
    fn a_live_key_is_told_what_it_may_and_what_it_lacks(backend) {
        let server = server_with(backend, TEAM);
        let more = json!({"owner": "Zoë", "expires_at": "2026-12-01T00:00:00Z"});
        let key = server.key_with("orders:read calls:read", more);
        let verdict = verify(&server, &key.secret, "", &json!({"method": "GET", "path": "/orders/7?x=1"}));
        let who = json!({"id": key.id, "name": "test", "owner": "Zoë", "expires_at": "2026-12-01T00:00:00.000Z"});
        assert_eq!(verdict, json!({
            "allowed": true, "code": null, "retry_after": null, "required": "orders:read",
            "granted": ["calls:read", "orders:read"], "key": who,
        }));
        let verdict = verify(&server, &key.secret, "", &json!({"resource": "orders", "access": "write"}));
        assert_eq!(verdict, json!({
            "allowed": false, "code": "insufficient_scope", "retry_after": null, "required": "orders:write",
            "granted": ["calls:read", "orders:read"], "key": who,
        }));
        for (body, code, required) in [
            (json!({"resource": "nothing", "access": "read"}), json!("unknown_resource"), Value::Null),
            (json!({"resource": "reports", "access": "write"}), json!("method_not_allowed"), Value::Null),
            (json!({"method": "get", "path": "/orders"}), json!("ambiguous_request"), Value::Null),
            (json!({"method": "GET", "path": "/orders/status"}), Value::Null, Value::Null),
        ] {
            let verdict = verify(&server, &key.secret, "", &body);
            assert_eq!((&verdict["code"], &verdict["required"]), (&code, &required), "{body}");
            assert_eq!(verdict["allowed"], code.is_null());
        }
        for (body, field) in [
            (json!({}), "method"),
            (json!({"method": "GET"}), "path"),
            (json!({"path": "/orders", "method": null}), "method"),
            (json!({"resource": "orders"}), "access"),
            (json!({"resource": "orders", "access": "delete"}), "access"),
            (json!({"method": "GET", "path": "/orders", "resource": "orders", "access": "read"}), "resource"),
            (json!({"method": "GET", "path": "/orders", "key": "x"}), "key"),
        ] {
            let answer = server.call(&key, "POST", "/v1/verify", Some(&body));
            answer.expect(422, "validation_failed");
            assert_eq!(answer.fields(), [field], "{body}");
        }
        let body = json!({"method": "GET", "path": "/orders"});
        server.call(&key, "POST", "/v1/verify?count=maybe", Some(&body)).expect(422, "validation_failed");
        server.call(&key, "GET", "/v1/verify", None).expect(405, "method_not_allowed");
        server.client.with_key(&server.admin, "POST", "/v1/verify", Some(&body)).expect(403, "wrong_credential");
        server.revoke(&key);
        server.call(&key, "POST", "/v1/verify", Some(&body)).expect(401, "key_revoked");
    }
}

on_both! {
    fn what_is_asked_about_counts_as_a_request_unless_it_is_not_to(backend) {
        let server = server_with(backend, TEAM);
        let key = server.key("orders:read");
        let (read, write) = (json!({"method": "GET", "path": "/orders"}), json!({"method": "POST", "path": "/orders"}));
        verify(&server, &key.secret, "", &read);
        verify(&server, &key.secret, "?count=true", &write);
        let usage = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
        let counted = &usage["24h"];
        assert_eq!(counted["by_resource"]["orders"], json!({"read": 1, "write": 1}));
        assert_eq!((&counted["ok"], &counted["forbidden"]), (&json!(1), &json!(1)));
        assert_eq!(server.total(&key), 2);
        // The figure leads to what was refused.
        server.db_flush();
        let errors = server.manage("GET", &format!("/v1/keys/{}/errors", key.id), None).ok();
        let last = &errors["data"][0];
        assert_eq!((&last["route"], &last["status"]), (&json!("/v1/verify"), &json!(403)), "{errors}");
        assert_eq!(last["code"], "insufficient_scope");

        let quiet = server.key("orders:read");
        let shown = |key: &str| server.manage("GET", &format!("/v1/keys/{key}"), None).ok();
        assert_eq!(shown(&quiet.id)["last_used_at"], Value::Null);
        verify(&server, &quiet.secret, "?count=false", &read);
        verify(&server, &quiet.secret, "?count=false", &write);
        // Nor what is no question at all.
        let path = "/v1/verify?count=false";
        server.call(&quiet, "POST", path, Some(&json!({}))).expect(422, "validation_failed");
        let headers = [("authorization", &*format!("Bearer {}", quiet.secret)), ("content-type", "application/json")];
        server.client.send("POST", path, &headers, Some("{")).expect(400, "malformed_json");
        for _written in 0..2 {
            assert_eq!(server.total(&quiet), 0);
            assert!(shown(&quiet.id)["last_used_at"].is_string(), "{}", shown(&quiet.id));
            let usage = server.manage("GET", &format!("/v1/keys/{}/usage", quiet.id), None).ok();
            assert_eq!(usage["24h"]["by_resource"], json!({}));
            server.db_flush();
            server.bitting.fold_journal().unwrap();
            let errors = server.manage("GET", &format!("/v1/keys/{}/errors", quiet.id), None).ok();
            assert_eq!(errors, json!({"data": []}));
        }
    }
}

on_both! {
    fn a_used_up_limit_and_a_wrong_address_are_part_of_the_verdict(backend) {
        let server = server_with(backend, TEAM);
        let limits = json!({
            "rate_limit": {"requests": 2, "per": "minute"}, "allowed_networks": ["127.0.0.0/8"],
        });
        let key = server.key_with("orders:read", limits);
        let read = json!({"method": "GET", "path": "/orders"});
        let asked = |query: &str| {
            let path = format!("/v1/verify{query}");
            let answer = server.call(&key, "POST", &path, Some(&read));
            (answer.ok(), answer.header("ratelimit").to_owned())
        };
        // What is not counted uses nothing up, and what lacks its scope does not either.
        for _more_than_twice in 0..3 {
            assert_eq!(asked("?count=false").0["allowed"], true);
            let write = json!({"method": "POST", "path": "/orders"});
            let verdict = server.call(&key, "POST", "/v1/verify", Some(&write)).ok();
            assert_eq!(verdict["code"], "insufficient_scope");
        }
        for left in [1, 0] {
            let (verdict, limit) = asked("");
            assert_eq!(verdict["allowed"], true);
            assert!(limit.starts_with(&format!("\"rate\";r={left};")), "{limit}");
        }
        let (verdict, _) = asked("");
        assert_eq!((&verdict["allowed"], &verdict["code"]), (&json!(false), &json!("rate_limited")));
        assert!((1..=60).contains(&verdict["retry_after"].as_i64().unwrap()), "{verdict}");
        for family in ["nginx", "forwarded", "envoy"] {
            let answer = ask(&server, family, &key.secret, "GET /orders");
            let status = if family == "nginx" { 403 } else { 429 };
            assert_eq!((answer.status, answer.header("x-bitting-code")), (status, "rate_limited"));
            assert_eq!(answer.header("retry-after"), verdict["retry_after"].to_string());
        }
        let usage = server.usage(&key, "24h");
        assert_eq!((&usage["ok"], &usage["forbidden"], &usage["rate_limited"]), (&json!(2), &json!(3), &json!(4)));

        let elsewhere = server.key_with("orders:read", json!({"allowed_networks": ["10.0.0.0/8"]}));
        let verdict = server.call(&elsewhere, "POST", "/v1/verify", Some(&read)).ok();
        assert_eq!((&verdict["allowed"], &verdict["code"]), (&json!(false), &json!("address_not_allowed")));
    }
}

//! The audit log, and the bounds of admin tokens: an event for each change, and none for what was
//! refused, but for the attempt to grant what one may not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Backend, TestServer, on_both};

const MEMBERS: [&str; 8] =
    ["action", "actor", "address", "at", "detail", "id", "key_id", "request_id"];

fn events(server: &TestServer, query: &str) -> Vec<Value> {
    let page = server.manage("GET", &format!("/v1/audit?limit=100&{query}"), None).ok();
    assert_eq!(page["meta"]["next_cursor"], Value::Null);
    page["data"].as_array().unwrap().clone()
}

fn actions(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["action"].as_str().unwrap()).collect()
}

on_both! {
    fn every_change_has_one_event_that_says_who_what_and_whence(backend) {
        let server = TestServer::start(backend);
        let bearer = format!("Bearer {}", server.admin);
        let send = |method, path: &str, id, body: Value| {
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
                ("x-request-id", id),
            ];
            server.client.send(method, path, &headers, Some(&body.to_string())).ok()
        };
        let made = send(
            "POST",
            "/v1/keys",
            "making",
            json!({"name": "a", "scopes": ["calls:read"], "owner": "Acme"}),
        );
        let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
        server.pass(Duration::from_secs(60));
        send("PATCH", &path, "naming", json!({"name": "b"}));
        send("POST", &format!("{path}/revoke"), "ending", json!({"reason": "leaked"}));
        let all = events(&server, "");
        assert_eq!(actions(&all), ["key.revoked", "key.updated", "key.created", "token.created"]);
        let token = &all[3]["detail"]["token_id"];
        for (event, request, at) in [
            (&all[2], "making", "2026-11-21T12:00:00.000Z"),
            (&all[1], "naming", "2026-11-21T12:01:00.000Z"),
            (&all[0], "ending", "2026-11-21T12:01:00.000Z"),
        ] {
            let mut members: Vec<&str> =
                event.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, MEMBERS);
            assert_eq!(event["request_id"], request);
            assert_eq!(event["at"], at);
            assert_eq!(event["key_id"], made["id"]);
            assert_eq!(event["address"], "127.0.0.1");
            assert_eq!(event["actor"], json!({"type": "token", "id": token, "name": "test"}));
        }
        assert_eq!(
            all[2]["detail"],
            json!({"name": "a", "owner": "Acme", "scopes": ["calls:read"], "expires_at": null})
        );
        assert_eq!(
            (&all[1]["detail"]["before"]["name"], &all[1]["detail"]["after"]["name"]),
            (&json!("a"), &json!("b"))
        );
        assert_eq!(all[0]["detail"]["reason"], "leaked");
        assert_eq!(all[3]["key_id"], Value::Null);
        let ids: Vec<i64> = all.iter().map(|event| event["id"].as_i64().unwrap()).collect();
        assert!(ids.is_sorted_by(|later, earlier| later > earlier), "{ids:?}");
    }
}

on_both! {
    fn what_is_refused_leaves_no_event(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let path = format!("/v1/keys/{}", key.id);
        let reader = server.db_token(&json!({"name": "reader", "access": "read"}));
        let before = events(&server, "");
        for (secret, method, path, body, status) in [
            (&server.admin, "POST", "/v1/keys".to_owned(), json!({"name": "", "scopes": []}), 422),
            (&server.admin, "PATCH", path.clone(), json!({"scopes": []}), 422),
            (&server.admin, "POST", format!("{path}/revoke"), json!({"reason": 1}), 422),
            (
                &server.admin,
                "POST",
                "/v1/keys/key_00000000000000000000000000/revoke".to_owned(),
                json!({}),
                404,
            ),
            (&key.secret, "POST", format!("{path}/revoke"), json!({}), 403),
            (&key.secret, "POST", "/v1/calls".to_owned(), json!({}), 403),
            (&"nonsense".to_owned(), "POST", format!("{path}/revoke"), json!({}), 401),
        ] {
            let answer = server.client.with_key(secret, method, &path, Some(&body));
            assert_eq!(answer.status, status, "{answer:?}");
        }
        for path in ["/v1/keys", "/v1/audit", &path] {
            server.client.with_key(&reader, "GET", path, None).ok();
        }
        assert_eq!(events(&server, ""), before);
        assert_eq!(server.manage("GET", &path, None).ok()["status"], "active");
    }
}

on_both! {
    fn a_reading_token_reads_everything_and_changes_nothing(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let reader = server.db_token(&json!({"name": "reader", "access": "read"}));
        let path = format!("/v1/keys/{}", key.id);
        for path in ["/v1/keys", "/v1/audit", &path, &format!("{path}/usage")] {
            server.client.with_key(&reader, "GET", path, None).ok();
            assert_eq!(server.client.with_key(&reader, "HEAD", path, None).status, 200);
        }
        let body = json!({"name": "x", "scopes": ["calls:read"]});
        for (method, path) in
            [("POST", "/v1/keys"), ("PATCH", &path), ("POST", &format!("{path}/revoke"))]
        {
            let answer = server.client.with_key(&reader, method, path, Some(&body));
            let told = answer.expect(403, "insufficient_scope").json();
            assert_eq!(
                (&told["required"], &told["granted"]),
                (&json!("keys:write"), &json!(["keys:read"]))
            );
            assert_eq!(
                answer.header("www-authenticate"),
                "Bearer realm=\"bitting\", error=\"insufficient_scope\", scope=\"keys:write\""
            );
        }
        let listed = server.manage("GET", "/v1/keys", None).ok();
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        assert_eq!(listed["data"][0]["status"], "active");
        assert_eq!(listed["data"][0]["name"], "test");
    }
}

on_both! {
    fn a_token_grants_only_what_it_may_and_the_attempt_is_noted(backend) {
        let server = TestServer::start(backend);
        let bounded = server.db_token(&json!({
            "name": "crm", "access": "write", "may_grant": ["leads:read", "leads:write"],
        }));
        let make = |scopes: Value| {
            let body = json!({"name": "x", "scopes": scopes});
            server.client.with_key(&bounded, "POST", "/v1/keys", Some(&body))
        };
        for scopes in [json!(["leads:read"]), json!(["leads:write", "leads:read"])] {
            make(scopes).expect(201, "");
        }
        let before = events(&server, "");
        let refused = [json!(["calls:read"]), json!(["leads:read", "calls:write"])];
        for scopes in &refused {
            let answer = make(scopes.clone());
            let told = answer.expect(403, "insufficient_scope").json();
            let required: Vec<&str> = told["required"].as_str().unwrap().split(' ').collect();
            let mut asked: Vec<&str> =
                scopes.as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
            asked.sort_by_key(|scope| scope.starts_with("leads"));
            assert_eq!(required, asked);
            assert_eq!(told["granted"], json!(["leads:read", "leads:write"]));
        }
        // What is no scope at all is a mistake and no attempt.
        make(json!(["keys:write"])).expect(422, "validation_failed");
        let after = events(&server, "");
        assert_eq!(after.len(), before.len() + refused.len());
        let denied = &after[0];
        assert_eq!(
            (&denied["action"], &denied["actor"]["name"]),
            (&json!("access.denied"), &json!("crm"))
        );
        assert_eq!(denied["key_id"], Value::Null);
        assert_eq!(denied["detail"]["scopes"], json!(["calls:write", "leads:read"]));
        assert_eq!(
            server.manage("GET", "/v1/keys", None).ok()["data"].as_array().unwrap().len(),
            2
        );

        // The bound is on granting alone: it may end and rename any key.
        let foreign = server.key("calls:read");
        let path = format!("/v1/keys/{}", foreign.id);
        server.client.with_key(&bounded, "PATCH", &path, Some(&json!({"name": "y"}))).ok();
        server.client.with_key(&bounded, "POST", &format!("{path}/revoke"), None).ok();
    }
}

on_both! {
    fn events_are_found_by_action_key_and_half_open_time(backend) {
        let server = TestServer::start(backend);
        let first = server.key("calls:read");
        server.pass(Duration::from_secs(60));
        let second = server.key("calls:read");
        server.revoke(&first);
        server.pass(Duration::from_secs(60));
        server.revoke(&second);
        for (query, expected) in [
            ("action=key.created".to_owned(), &["key.created", "key.created"][..]),
            ("action=token.created".to_owned(), &["token.created"]),
            ("action=token.revoked".to_owned(), &[]),
            ("action=access.denied".to_owned(), &[]),
            (format!("key_id={}", first.id), &["key.revoked", "key.created"]),
            (format!("key_id={}&action=key.revoked", second.id), &["key.revoked"]),
            ("key_id=key_00000000000000000000000000".to_owned(), &[]),
            ("from=2026-11-21T12:02:00Z".to_owned(), &["key.revoked"]),
            ("from=2026-11-21T12:02:00.001Z".to_owned(), &[]),
            ("to=2026-11-21T12:00:00Z".to_owned(), &[]),
            ("to=2026-11-21T12:00:00.001Z".to_owned(), &["key.created", "token.created"]),
            (
                "from=2026-11-21T12:01:00Z&to=2026-11-21T12:02:00Z".to_owned(),
                &["key.revoked", "key.created"],
            ),
            (
                "from=2026-11-21T13:01:00%2B01:00&to=2026-11-21T13:02:00%2B01:00".to_owned(),
                &["key.revoked", "key.created"],
            ),
        ] {
            assert_eq!(actions(&events(&server, &query)), expected, "{query}");
        }
        for query in [
            "action=key",
            "action=KEY.CREATED",
            "action=",
            "key_id=",
            "key_id=abc",
            "key_id=call_00000000000000000000000000",
            "from=yesterday",
            "from=2026-11-21",
            "from=",
            "to=2026-11-21T12:00:00",
            "to=0",
            "from=9999-12-31T23:59:59-01:00",
            "action=key.created&action=key.created",
        ] {
            let answer = server.manage("GET", &format!("/v1/audit?{query}"), None);
            let name = query.split('=').next().unwrap();
            assert_eq!(answer.expect(422, "validation_failed").fields(), [name], "{query}");
        }
    }
}

on_both! {
    fn a_walk_through_the_log_shows_each_event_once(backend) {
        let server = TestServer::start(backend);
        for _ in 0..11 {
            server.key("calls:read");
        }
        let expected: Vec<Value> = events(&server, "action=key.created");
        assert_eq!(expected.len(), 11);
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server
                .manage("GET", &format!("/v1/audit?limit=3&action=key.created{cursor}"), None)
                .ok();
            walked.extend(page["data"].as_array().unwrap().clone());
            server.key("calls:read");
            match page["meta"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(walked, expected);
    }
}

#[test]
fn a_request_id_is_kept_where_it_is_a_plain_one() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read");
    let ask = |id: &str| server.client.send("GET", "/v1/calls", &[("x-request-id", id)], None);
    for id in ["a", "A-z_0.9", &"x".repeat(64)] {
        let answer = ask(id);
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(answer.json()["request_id"], id);
    }
    for id in ["", "a b", "a/b", &"x".repeat(65), &key.secret, &server.admin, "<x>"] {
        let answer = ask(id);
        let given = answer.header("x-request-id").to_owned();
        assert!(given != id && given.len() == 32, "{id}: {given}");
        assert_eq!(answer.json()["request_id"], given);
    }
}

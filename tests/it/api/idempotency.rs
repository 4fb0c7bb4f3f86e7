//! `Idempotency-Key`: what is sent twice is done once, whatever happens between.

use std::time::Duration;

use bitting::config::Options;
use diesel::RunQueryDsl;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::{Answer, Backend, TestDatabase, TestServer, on_both};

pub fn call(summary: &str) -> Value {
    json!({"direction": "inbound", "caller": "+14155550100", "summary": summary})
}

/// A POST under these Idempotency-Keys.
pub fn post(client: &Client, secret: &str, path: &str, keys: &[&str], body: &Value) -> Answer {
    let bearer = format!("Bearer {secret}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.push(("content-type", "application/json"));
    headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
    client.send("POST", path, &headers, Some(&body.to_string()))
}

/// Everything of an answer that must be the same when it is given again.
fn essence(answer: &Answer) -> (u16, &str, &str, &str, &str) {
    let header = |name| answer.header(name);
    (answer.status, &answer.body, header("location"), header("etag"), header("content-type"))
}

#[track_caller]
fn assert_replayed(again: &Answer, first: &Answer) {
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true", "{again:#?}");
    assert_eq!(essence(again), essence(first));
}

pub fn calls(database: &TestDatabase) -> i64 {
    database.db_number("SELECT COUNT(*) FROM calls")
}

pub fn kept(database: &TestDatabase) -> i64 {
    database.db_number("SELECT COUNT(*) FROM idempotency")
}

on_both! {
    fn the_same_request_is_done_once_and_answered_alike(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let post = |key: &str, path: &str, keys: &[&str], body: &Value| {
            post(&server.client, key, path, keys, body)
        };
        let first = post(&key.secret, "/v1/calls", &["k1"], &call("one"));
        assert_eq!((first.status, first.header("etag").is_empty()), (201, false));
        // What has become of the record since does not matter.
        let path = first.header("location");
        server.call(&key, "PATCH", path, Some(&json!({"summary": "changed"}))).ok();
        assert_replayed(&post(&key.secret, "/v1/calls", &["k1"], &call("one")), &first);
        server.call(&key, "DELETE", path, None).expect(204, "");
        // The same JSON, and the same place, in another spelling.
        let spelled = json!({"summary": "one", "caller": "+14155550100", "direction": "inbound"});
        assert_replayed(&post(&key.secret, "/v1/%63alls", &["k1"], &spelled), &first);
        assert_eq!(calls(&server.database), 0);

        let other = post(&key.secret, "/v1/calls", &["k1"], &call("two"));
        other.expect(422, "idempotency_mismatch");
        assert_eq!(other.header("idempotency-replayed"), "");
        // Another key, none, and another credential are other requests.
        for keys in [&["K1"][..], &["k1.", ], &[]] {
            let fresh = post(&key.secret, "/v1/calls", keys, &call("one"));
            assert_eq!(fresh.expect(201, "").header("idempotency-replayed"), "");
            assert_ne!(fresh.body, first.body);
        }
        let writer = server.key("calls:write");
        let reduced = post(&writer.secret, "/v1/calls", &["k1"], &call("one"));
        assert_eq!(reduced.expect(201, "").ok().as_object().unwrap().len(), 3);
        assert_replayed(&post(&writer.secret, "/v1/calls", &["k1"], &call("one")), &reduced);
        assert_eq!((calls(&server.database), kept(&server.database)), (4, 4));
        // Who may not do it is told so, and not what was answered before.
        let reader = server.key("calls:read");
        let refused = post(&reader.secret, "/v1/calls", &["k1"], &call("one"));
        refused.expect(403, "insufficient_scope");
        server.revoke(&key);
        post(&key.secret, "/v1/calls", &["k1"], &call("one")).expect(401, "key_revoked");
        assert_eq!(server.usage(&key, "24h")["client_error"], 1, "the mismatch");
    }
}

on_both! {
    fn a_key_is_1_to_255_visible_characters_given_once(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let (longest, too_long) = ("x".repeat(255), "x".repeat(256));
        for wrong in [&[""][..], &[&too_long], &["a b"], &["a\tb"], &["\u{fc}"], &["a", "a"], &["a", "b"]] {
            let answer = post(&server.client, &key.secret, "/v1/calls", wrong, &call("never"));
            answer.expect(400, "invalid_idempotency_key");
            // Before the body is looked at.
            let answer = post(&server.client, &key.secret, "/v1/calls", wrong, &json!([]));
            answer.expect(400, "invalid_idempotency_key");
        }
        assert_eq!((calls(&server.database), kept(&server.database)), (0, 0));
        for (n, good) in ["~", "\"a,b\"", "8e03978e-40d5-43dd-bc93-6894a57f9324", &longest].iter().enumerate() {
            let first = post(&server.client, &key.secret, "/v1/calls", &[good], &call("once"));
            assert_eq!(first.status, 201);
            let again = post(&server.client, &key.secret, "/v1/calls", &[good], &call("once"));
            assert_replayed(&again, &first);
            assert_eq!(calls(&server.database), n as i64 + 1);
        }
        // Where nothing is made, the header says nothing.
        let get = [("authorization", format!("Bearer {}", key.secret))];
        let headers = [(get[0].0, get[0].1.as_str()), ("idempotency-key", "a b")];
        assert_eq!(server.client.send("GET", "/v1/calls", &headers, None).status, 200);
    }
}

on_both! {
    fn only_success_is_kept(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let agent = "agent_01000000000000000000000000";
        let mut bad = call("first");
        bad["agent_id"] = json!(agent);
        for wrong in [&bad, &json!({}), &json!([])] {
            let answer = post(&server.client, &key.secret, "/v1/calls", &["k"], wrong);
            answer.expect(422, "validation_failed");
        }
        assert_eq!(kept(&server.database), 0);
        // What failed may be sent again, the same or corrected.
        server.database.db_make_agent(agent);
        let first = post(&server.client, &key.secret, "/v1/calls", &["k"], &bad);
        assert_eq!(first.status, 201, "{first:#?}");
        assert_replayed(&post(&server.client, &key.secret, "/v1/calls", &["k"], &bad), &first);
        let token = server.db_token(&json!({"name": "t", "access": "write", "may_grant": ["leads:read"]}));
        let new = |scope: &str| json!({"name": "n", "scopes": [scope]});
        let refused = post(&server.client, &token, "/v1/keys", &["k"], &new("calls:read"));
        refused.expect(403, "insufficient_scope");
        let made = post(&server.client, &token, "/v1/keys", &["k"], &new("leads:read"));
        assert_eq!(made.status, 201);
        assert_eq!((calls(&server.database), kept(&server.database)), (1, 2));
    }
}

on_both! {
    fn the_secret_of_a_key_is_shown_once_and_stored_nowhere(backend) {
        let server = TestServer::start(backend);
        let expires_at = "2026-11-21T12:30:00Z";
        let body = json!({"name": "n", "scopes": ["calls:read"], "expires_at": expires_at});
        let again = || post(&server.client, &server.admin, "/v1/keys", &["make"], &body);
        let first = again();
        let mut expected = first.expect(201, "").json();
        let secret = expected.as_object_mut().unwrap().shift_remove("key").unwrap();
        let secret = secret.as_str().unwrap().to_owned();
        // Also when the body would not be accepted any more.
        for _ in 0..2 {
            let replayed = again();
            assert_eq!(replayed.expect(201, "").json(), expected);
            assert_eq!(replayed.header("idempotency-replayed"), "true");
            assert_eq!(replayed.header("location"), first.header("location"));
            server.pass(Duration::from_secs(3600));
        }
        let keys = server.manage("GET", "/v1/keys", None).ok();
        assert_eq!(keys["data"].as_array().unwrap().len(), 1);
        let made = "SELECT COUNT(*) FROM audit_events WHERE action = 'key.created'";
        assert_eq!(server.database.db_number(made), 1);
        let bodies = server.database.db_texts("SELECT body FROM idempotency");
        assert_eq!(bodies.len(), 1);
        let random = secret.split_once('_').unwrap().1;
        assert!(bodies[0].contains("\"display\"") && !bodies[0].contains(random));
        let other = json!({"name": "other", "scopes": ["calls:read"]});
        let other = post(&server.client, &server.admin, "/v1/keys", &["make"], &other);
        other.expect(422, "idempotency_mismatch");
    }
}

on_both! {
    fn a_revocation_is_answered_alike_for_each_key_that_it_ends(backend) {
        let server = TestServer::start(backend);
        let (one, two) = (server.key("calls:read"), server.key("calls:read"));
        server.call(&one, "GET", "/v1/calls", None).ok();
        let revoke = |id: &str, body: &Value| {
            post(&server.client, &server.admin, &format!("/v1/keys/{id}/revoke"), &["end"], body)
        };
        let first = revoke(&one.id, &json!({"reason": "over"}));
        assert_eq!(first.expect(200, "").json()["usage"]["24h"]["total"], 1);
        server.call(&one, "GET", "/v1/calls", None).expect(401, "key_revoked");
        server.pass(Duration::from_secs(60));
        assert_replayed(&revoke(&one.id, &json!({"reason": "over"})), &first);
        revoke(&one.id, &json!({})).expect(422, "idempotency_mismatch");
        let second = revoke(&two.id, &json!({"reason": "over"}));
        assert_eq!(second.expect(200, "").json()["id"], json!(two.id));
        assert_eq!(second.header("idempotency-replayed"), "");
        // No body is an empty one.
        let none = server.key("calls:read");
        let path = format!("/v1/keys/{}/revoke", none.id);
        let bearer = format!("Bearer {}", server.admin);
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "end")];
        let first = server.client.send("POST", &path, &headers, None);
        assert_replayed(&revoke(&none.id, &json!({})), &first);
    }
}

on_both! {
    fn an_answer_outlives_the_process_and_ends_after_a_day(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let first = post(&server.client, &key.secret, "/v1/calls", &["k"], &call("one"));
        assert_eq!(first.status, 201);
        let server = TestServer::on(server.stop(), Options::default());
        let again = || post(&server.client, &key.secret, "/v1/calls", &["k"], &call("one"));
        assert_replayed(&again(), &first);
        server.pass(Duration::from_secs(86_400) - Duration::from_millis(1));
        assert_replayed(&again(), &first);
        assert!(!server.bitting.drop_answers().unwrap());
        assert_eq!(kept(&server.database), 1);
        server.pass(Duration::from_millis(1));
        let second = again();
        assert_eq!(second.expect(201, "").header("idempotency-replayed"), "");
        assert_ne!(second.body, first.body);
        assert_replayed(&again(), &second);
        assert_eq!((calls(&server.database), kept(&server.database)), (2, 1));
    }
}

on_both! {
    fn old_answers_are_dropped_in_small_steps_by_an_index(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let post = |n: usize| {
            let name = n.to_string();
            post(&server.client, &key.secret, "/v1/calls", &[&name], &call("x")).ok();
        };
        (0..120).for_each(post);
        server.pass(Duration::from_secs(3600));
        (120..125).for_each(post);
        server.pass(Duration::from_secs(86_400 - 3600));
        let mut left = vec![kept(&server.database)];
        while server.bitting.drop_answers().unwrap() {
            left.push(kept(&server.database));
        }
        left.push(kept(&server.database));
        assert_eq!(left, [125, 75, 25, 5]);
        assert_eq!(calls(&server.database), 125);
        if backend == Backend::Sqlite {
            let plan = "EXPLAIN QUERY PLAN SELECT identity FROM idempotency
                        WHERE expires_at <= '2026-01-01' ORDER BY expires_at LIMIT 50";
            let plan = db_plan(&server.database, plan);
            assert!(plan.contains("USING INDEX idempotency_expiry"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}

/// How SQLite finds what a statement asks for.
fn db_plan(database: &TestDatabase, statement: &str) -> String {
    #[derive(diesel::QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let plan: Vec<Step> = diesel::sql_query(statement).load(&mut database.db_sqlite()).unwrap();
    plan.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; ")
}

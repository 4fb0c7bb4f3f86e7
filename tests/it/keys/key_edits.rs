//! Changing what people call a key, and ending it: once, for good, with one event.

use std::sync::Barrier;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::{Value, json};

use crate::support::binary::command;
use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, on_both};

fn path_of(key: &MadeKey) -> String {
    format!("/v1/keys/{}", key.id)
}

fn shown(server: &TestServer, key: &MadeKey) -> Value {
    server.manage("GET", &path_of(key), None).ok()
}

/// The actions of a key's events, the newest first.
fn actions(server: &TestServer, key: &MadeKey) -> Vec<String> {
    let events = server.manage("GET", &format!("/v1/audit?key_id={}", key.id), None).ok();
    let events = events["data"].as_array().unwrap();
    events.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect()
}

on_both! {
    fn a_label_is_merged_and_each_change_has_one_event(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"owner": "Acme", "description": "first"}));
        let bearer = format!("Bearer {}", server.admin);
        let mut events = 1;
        for (content_type, patch, expected, changes) in [
            (
                "application/json",
                json!({"name": " renamed "}),
                json!(["renamed", "first", "Acme"]),
                true,
            ),
            (
                "application/merge-patch+json",
                json!({"owner": null}),
                json!(["renamed", "first", null]),
                true,
            ),
            (
                "application/json",
                json!({"description": "", "owner": "Ü"}),
                json!(["renamed", null, "Ü"]),
                true,
            ),
            (
                "application/json",
                json!({"owner": "Ü", "name": "renamed"}),
                json!(["renamed", null, "Ü"]),
                false,
            ),
            ("application/json", json!({}), json!(["renamed", null, "Ü"]), false),
        ] {
            let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
            let answer =
                server.client.send("PATCH", &path_of(&key), &headers, Some(&patch.to_string()));
            let told = answer.expect(200, "").ok();
            assert_eq!(json!([told["name"], told["description"], told["owner"]]), expected);
            assert_eq!(told, shown(&server, &key));
            events += usize::from(changes);
            assert_eq!(actions(&server, &key).len(), events, "{patch}");
        }
        assert_eq!(actions(&server, &key)[0], "key.updated");
        server.call(&key, "GET", "/v1/calls", None).ok();
    }
}

on_both! {
    fn nothing_but_the_settings_can_be_changed(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"expires_at": "2027-01-31T12:00:00Z"}));
        let before = shown(&server, &key);
        for member in before
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .chain(["digest", "key", "unknown"])
        {
            // What scopes and expiry may become is told in `narrowing`, and the holder in `holder`.
            let changeable = [
                "name", "description", "owner", "rate_limit", "quota", "allowed_networks", "scopes", "expires_at",
                "holder",
            ];
            if changeable.contains(&member) {
                continue;
            }
            for value in [
                json!(["calls:write"]),
                json!("2030-01-01T00:00:00Z"),
                json!({"a": 1}),
                json!(1),
                Value::Null,
            ] {
                let patch = json!({member: value, "owner": "changed"});
                let answer = server.manage("PATCH", &path_of(&key), Some(&patch));
                let named = answer.expect(422, "validation_failed").fields();
                assert_eq!(named, [member], "{patch}");
            }
        }
        for (member, value) in [
            ("name", Value::Null),
            ("name", json!("")),
            ("name", json!("a\nb")),
            ("name", json!({"a": "b"})),
            ("owner", json!("a".repeat(201))),
            ("owner", json!({})),
            ("description", json!(1)),
            ("description", json!(server.admin)),
        ] {
            let answer = server.manage("PATCH", &path_of(&key), Some(&json!({member: value})));
            assert_eq!(answer.expect(422, "validation_failed").fields(), [member]);
        }
        assert_eq!(shown(&server, &key), before);
        assert_eq!(actions(&server, &key), ["key.created"]);
    }
}

on_both! {
    fn a_retired_key_is_never_edited(backend) {
        let server = TestServer::start(backend);
        let soon = json!({"expires_at": "2026-11-21T12:01:00Z"});
        let (expired, revoked) = (server.key_with("calls:read", soon), server.key("calls:read"));
        server.revoke(&revoked);
        server.pass(Duration::from_secs(60));
        for key in [&expired, &revoked] {
            let before = shown(&server, key);
            for patch in [
                json!({"name": "x"}),
                json!({}),
                json!({"name": "test"}),
                json!({"status": "active"}),
            ] {
                server.manage("PATCH", &path_of(key), Some(&patch)).expect(409, "key_retired");
            }
            assert_eq!(shown(&server, key), before);
            assert!(!actions(&server, key).contains(&"key.updated".to_owned()));
        }
    }
}

on_both! {
    fn revoking_is_recorded_once_and_answers_the_first_time(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let path = format!("{}/revoke", path_of(&key));
        let first =
            server.manage("POST", &path, Some(&json!({"reason": "  leaked\u{a0}in a log "}))).ok();
        assert_eq!(first["status"], "revoked");
        assert_eq!(first["revoked_at"], "2026-11-21T12:00:00.000Z");
        assert_eq!(
            (&first["revoked_by"]["type"], &first["revoked_by"]["name"]),
            (&json!("token"), &json!("test"))
        );
        assert_eq!(first["revoke_reason"], "leaked\u{a0}in a log");
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        server.pass(Duration::from_secs(3600));
        let other = server.db_token(&json!({"name": "other", "access": "write"}));
        for body in [None, Some(json!({"reason": "again"})), Some(json!({}))] {
            let again = server.client.with_key(&other, "POST", &path, body.as_ref()).ok();
            for member in ["status", "revoked_at", "revoked_by", "revoke_reason"] {
                assert_eq!(again[member], first[member], "{member}");
            }
        }
        assert_eq!(actions(&server, &key), ["key.revoked", "key.created"]);
    }
}

on_both! {
    fn revoking_takes_a_reason_or_no_body(backend) {
        let server = TestServer::start(backend);
        let bearer = format!("Bearer {}", server.admin);
        let key = server.key("calls:read");
        let path = format!("{}/revoke", path_of(&key));
        let json_type = ("content-type", "application/json");
        let send = |kind: &[(&str, &str)], body: &str| {
            let headers = [&[("authorization", bearer.as_str())], kind].concat();
            server.client.send("POST", &path, &headers, Some(body))
        };
        for (body, named) in [
            (json!({"reason": "a".repeat(501)}), "reason"),
            (json!({"reason": "a\nb"}), "reason"),
            (json!({"reason": 1}), "reason"),
            (json!({"reason": key.secret}), "reason"),
            (json!({"why": "leaked"}), "why"),
            (json!({"why": null}), "why"),
            (json!([]), "body"),
        ] {
            let answer = send(&[json_type], &body.to_string());
            assert_eq!(answer.expect(422, "validation_failed").fields(), [named]);
        }
        send(&[json_type], "{").expect(400, "malformed_json");
        send(&[], "{}").expect(415, "unsupported_media_type");
        send(&[("content-type", "text/plain")], "leaked").expect(415, "unsupported_media_type");
        assert_eq!(shown(&server, &key)["status"], "active");
        assert_eq!(actions(&server, &key), ["key.created"]);

        for (kind, body, reason) in [
            (&[][..], String::new(), Value::Null),
            (&[json_type], String::new(), Value::Null),
            (&[json_type], json!({}).to_string(), Value::Null),
            (&[json_type], json!({"reason": null}).to_string(), Value::Null),
            (&[json_type], json!({"reason": "ü".repeat(500)}).to_string(), json!("ü".repeat(500))),
        ] {
            let path = format!("{}/revoke", path_of(&server.key("calls:read")));
            let headers = [&[("authorization", bearer.as_str())], kind].concat();
            let told = server.client.send("POST", &path, &headers, Some(&body)).ok();
            assert_eq!((&told["status"], &told["revoke_reason"]), (&json!("revoked"), &reason));
        }
    }
}

on_both! {
    fn an_expired_key_can_still_be_revoked(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"expires_at": "2026-11-21T12:01:00Z"}));
        server.pass(Duration::from_secs(60));
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_expired");
        assert_eq!(shown(&server, &key)["status"], "expired");
        assert_eq!(server.revoke(&key)["status"], "revoked");
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        assert_eq!(actions(&server, &key), ["key.revoked", "key.created"]);
    }
}

on_both! {
    fn two_administrators_at_once_make_one_revocation_and_one_event(backend) {
        let server = TestServer::start(backend);
        let tokens: Vec<String> = (0..4)
            .map(|n| server.db_token(&json!({"name": format!("admin {n}"), "access": "write"})))
            .collect();
        for _ in 0..10 {
            let key = server.key("calls:read");
            let (path, barrier) = (format!("{}/revoke", path_of(&key)), Barrier::new(tokens.len()));
            let answers: Vec<Value> = std::thread::scope(|scope| {
                let revoke = |token: &String| {
                    barrier.wait();
                    server.client.with_key(token, "POST", &path, None).ok()
                };
                let threads: Vec<_> =
                    tokens.iter().map(|token| scope.spawn(move || revoke(token))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for answer in &answers {
                assert_eq!(answer["revoked_by"], answers[0]["revoked_by"]);
                assert_eq!(answer["revoked_at"], answers[0]["revoked_at"]);
            }
            assert_eq!(actions(&server, &key), ["key.revoked", "key.created"]);
            let recorded = server
                .manage("GET", &format!("/v1/audit?action=key.revoked&key_id={}", key.id), None)
                .ok();
            assert_eq!(recorded["data"][0]["actor"], answers[0]["revoked_by"]);
        }
    }
}

on_both! {
    fn the_retired_view_needs_no_job_and_never_shows_a_live_key(backend) {
        let server = TestServer::start(backend);
        let until = |time: &str| json!({"expires_at": time});
        let live = server.key("calls:read");
        let later = server.key_with("calls:read", until("2026-11-21T12:01:00.001Z"));
        let ending = server.key_with("calls:read", until("2026-11-21T12:01:00Z"));
        let revoked = server.key("calls:read");
        let both = server.key_with("calls:read", until("2026-11-21T12:00:30Z"));
        server.revoke(&revoked);
        server.revoke(&both);
        let list =
            |status: &str| server.manage("GET", &format!("/v1/keys?status={status}"), None).ok();
        assert_eq!(ids(&list("retired")), [both.id.as_str(), &revoked.id]);
        assert_eq!(ids(&list("expired")), [""; 0]);
        server.pass(Duration::from_secs(60));
        for (status, expected) in [
            ("retired", vec![&both, &revoked, &ending]),
            ("revoked", vec![&both, &revoked]),
            ("expired", vec![&ending]),
            ("active", vec![&later, &live]),
            ("all", vec![&both, &revoked, &ending, &later, &live]),
        ] {
            let expected: Vec<&str> = expected.iter().map(|key| key.id.as_str()).collect();
            let listed = list(status);
            assert_eq!(ids(&listed), expected, "{status}");
            for key in listed["data"].as_array().unwrap() {
                let own = key["status"].as_str().unwrap();
                assert!(status == "all" || own == status || status == "retired" && own != "active");
            }
        }
    }
}

#[test]
fn a_retired_key_keeps_its_record() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read leads:write");
    server.call(&key, "GET", "/v1/calls", None).ok();
    server.pass(Duration::from_secs(60));
    server.revoke(&key);
    server.pass(Duration::from_secs(60));
    server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
    let kept = shown(&server, &key);
    assert_eq!(kept["scopes"], json!(["calls:read", "leads:write"]));
    assert_eq!(kept["lifetime_total"], 2);
    // An attempt is no use.
    assert_eq!(kept["last_used_at"], "2026-11-21T12:00:00.000Z");
    assert_eq!(kept["usage"]["24h"]["retired"], 1);
    assert_eq!(kept["revoked_at"], "2026-11-21T12:01:00.000Z");
}

/// A change is answered as one though the statistics behind it cannot be read.
#[test]
fn a_change_that_is_committed_is_told_so_without_its_figures() {
    let server = TestServer::start(Backend::Postgres);
    let keys = ["edited", "revoked", "set", "ended"]
        .map(|name| server.key_with("calls:read calls:write", json!({"name": name})));
    let mut lock = PgConnection::establish(&server.database.url).unwrap();
    lock.batch_execute("BEGIN; LOCK TABLE usage_hours IN ACCESS EXCLUSIVE MODE").unwrap();
    let narrow = json!({"scopes": ["calls:read"]});
    let edited = server.manage("PATCH", &format!("/v1/keys/{}", keys[0].id), Some(&narrow)).ok();
    assert_eq!(edited["scopes"], json!(["calls:read"]));
    let revoked = server.revoke(&keys[1]);
    assert_eq!(revoked["status"], "revoked");
    for figures in ["usage", "last_used_at", "lifetime_total", "addresses"] {
        assert!(edited.get(figures).is_none() && revoked.get(figures).is_none(), "{figures}");
    }
    let folder = server.database.folder();
    let run = |arguments: &[&str]| {
        let database = ["--database-url", &server.database.url];
        let output = command(&folder, &[arguments, &database].concat()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("cannot be read"), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["key", "set", &keys[2].id, "--scope", "calls:read"]).contains("calls:read"));
    let ended = run(&["key", "revoke", &keys[3].id, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&ended).unwrap()["status"], "revoked");
    // The document says so of these two answers, and of no other.
    let document = server.client.send("GET", "/openapi.json", &[], None).ok();
    let required = |schema: &str| {
        document["components"]["schemas"][schema]["required"].as_array().unwrap().clone()
    };
    let without: Vec<_> = required("KeyDetail")
        .into_iter()
        .filter(|name| !required("ChangedKey").contains(name))
        .collect();
    assert_eq!(without, ["last_used_at", "lifetime_total", "usage", "addresses"]);
    lock.batch_execute("ROLLBACK").unwrap();
    let shown = server.manage("GET", &format!("/v1/keys/{}", keys[0].id), None).ok();
    assert_eq!(shown["lifetime_total"], 0);
}

//! Rotating a key: another one takes its place, both are good for a time, and each names the other.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use bitting::config::Options;
use serde_json::{Value, json};

use crate::doors::{TEAM, server_on, server_with};
use crate::support::server::MadeKey;
use crate::support::{Answer, TestDatabase, TestServer, eventually, on_both, rounds};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn path_of(key: &MadeKey) -> String {
    format!("/v1/keys/{}", key.id)
}

fn rotate_with(server: &TestServer, token: &str, key: &MadeKey, body: &Value) -> Answer {
    server.client.with_key(token, "POST", &format!("{}/rotate", path_of(key)), Some(body))
}

pub(super) fn rotate(server: &TestServer, key: &MadeKey, body: &Value) -> Answer {
    rotate_with(server, &server.admin, key, body)
}

#[track_caller]
pub(super) fn rotated(server: &TestServer, key: &MadeKey, body: &Value) -> MadeKey {
    made(&rotate(server, key, body))
}

#[track_caller]
fn made(answer: &Answer) -> MadeKey {
    assert_eq!(answer.status, 201, "{answer:#?}");
    let new = answer.json();
    let text = |member: &str| new[member].as_str().unwrap().to_owned();
    MadeKey { id: text("id"), secret: text("key") }
}

pub(super) fn shown(server: &TestServer, key: &MadeKey) -> Value {
    server.manage("GET", &path_of(key), None).ok()
}

pub(super) fn ping(server: &TestServer, key: &MadeKey) -> Answer {
    server.call(key, "GET", "/v1/ping", None)
}

/// The events of a key with this action.
pub(super) fn events(server: &TestServer, key: &MadeKey, action: &str) -> Vec<Value> {
    let path = format!("/v1/audit?action={action}&key_id={}", key.id);
    server.manage("GET", &path, None).ok()["data"].as_array().unwrap().clone()
}

on_both! {
    fn another_key_takes_the_place_of_one_and_both_are_good_for_the_overlap(backend) {
        let server = TestServer::start(backend);
        let old = server.key_with("calls:read leads:write", json!({
            "name": "n8n", "owner": "acme", "description": "flows", "expires_at": "2026-12-21T12:00:00Z",
            "rate_limit": "600/minute", "quota": "5000/day", "allowed_networks": ["127.0.0.0/8"],
        }));
        let before = shown(&server, &old);
        server.pass(DAY);
        let answer = rotate(&server, &old, &json!({"overlap": "2d"}));
        let new = made(&answer);
        assert_eq!(answer.header("location"), path_of(&new));
        let (after, told) = (shown(&server, &old), answer.json());
        for member in ["name", "owner", "description", "scopes", "rate_limit", "quota", "allowed_networks"] {
            assert_eq!(told[member], before[member], "{member}");
            assert_eq!(after[member], before[member], "{member}");
        }
        // As long as the old one was to live: 30 days.
        assert_eq!(told["created_at"], "2026-11-22T12:00:00.000Z");
        assert_eq!(told["expires_at"], "2026-12-22T12:00:00.000Z");
        assert_eq!(after["expires_at"], "2026-11-24T12:00:00.000Z");
        assert_eq!((&told["replaces"], &told["replaced_by"]), (&json!(old.id), &Value::Null));
        assert_eq!((&after["replaces"], &after["replaced_by"]), (&Value::Null, &json!(new.id)));
        assert_ne!(old.secret, new.secret);
        let whoami = server.call(&old, "GET", "/v1/whoami", None).ok();
        assert_eq!(whoami["replaced_by"], json!(new.id));
        let listed = server.manage("GET", "/v1/keys", None).ok();
        assert_eq!(listed["data"][0]["replaces"], json!(old.id));
        assert_eq!(listed["data"][1]["replaced_by"], json!(new.id));

        let created = &events(&server, &new, "key.created")[0];
        assert_eq!(created["detail"]["replaces"], json!(old.id));
        let ended = events(&server, &old, "key.rotated");
        assert_eq!((ended.len(), &ended[0]["actor"]), (1, &created["actor"]));
        assert_eq!(ended[0]["detail"]["replaced_by"], json!(new.id));
        assert_eq!(ended[0]["detail"]["before"]["expires_at"], "2026-12-21T12:00:00.000Z");
        assert_eq!(ended[0]["detail"]["after"]["expires_at"], "2026-11-24T12:00:00.000Z");

        server.pass(2 * DAY - Duration::from_millis(1));
        for key in [&old, &new] {
            ping(&server, key).expect(200, "");
        }
        server.pass(Duration::from_millis(1));
        ping(&server, &old).expect(401, "key_expired");
        ping(&server, &new).expect(200, "");
        // The end of the old one is not put off, and the new one is rotated in its turn.
        let later = json!({"expires_at": "2026-12-21T12:00:00Z"});
        server.manage("PATCH", &path_of(&old), Some(&later)).expect(409, "key_retired");
        let third = rotated(&server, &new, &json!({}));
        assert_eq!(shown(&server, &new)["expires_at"], "2026-12-01T12:00:00.000Z", "7 days");
        assert_eq!(shown(&server, &third)["replaces"], json!(new.id));
        let place = ["--database-url", server.database.url.as_str()];
        let output = crate::support::binary::run(&server.database.folder(), &[&["check"], &place[..]].concat());
        assert!(output.status.success(), "{output:?}");
    }
}

on_both! {
    fn both_keys_live_as_long_as_was_asked(backend) {
        let server = TestServer::start(backend);
        let until = |end: Value| server.key_with("calls:read", json!({"expires_at": end}));
        let day = |day: u32| json!(format!("2026-12-{day:02}T12:00:00.000Z"));
        for (own, body, old_ends, new_ends) in [
            (Value::Null, json!({}), json!("2026-11-28T12:00:00.000Z"), Value::Null),
            (Value::Null, json!({"expires_at": day(5), "overlap": "90d"}), json!("2027-02-19T12:00:00.000Z"), day(5)),
            (Value::Null, json!({"expires_at": null, "overlap": null}), json!("2026-11-28T12:00:00.000Z"), Value::Null),
            (day(1), json!({"overlap": "10d"}), day(1), day(1)),
            (day(1), json!({"overlap": "30d"}), day(1), day(1)),
            (day(1), json!({"overlap": "1d", "expires_at": day(30)}), json!("2026-11-22T12:00:00.000Z"), day(30)),
            (day(1), json!({"overlap": "1ms"}), json!("2026-11-21T12:00:00.001Z"), day(1)),
            (day(1), json!({"overlap": "0"}), json!("2026-11-21T12:00:00.000Z"), day(1)),
        ] {
            let old = until(own);
            let new = rotated(&server, &old, &body);
            assert_eq!(shown(&server, &old)["expires_at"], old_ends, "{body}");
            assert_eq!(shown(&server, &new)["expires_at"], new_ends, "{body}");
            ping(&server, &new).expect(200, "");
            match body["overlap"] == "0" {
                true => ping(&server, &old).expect(401, "key_expired"),
                false => ping(&server, &old).expect(200, ""),
            };
        }
        // The longest life there is stays the longest one.
        let longest = until(json!("2036-11-21T12:00:00Z"));
        server.pass(200 * DAY);
        let admin = server.db_token(&json!({"name": "later", "access": "write"}));
        let new = made(&rotate_with(&server, &admin, &longest, &json!({})));
        let end = server.client.with_key(&admin, "GET", &path_of(&new), None).ok()["expires_at"].clone();
        assert!(end.as_str().unwrap() > "2037-06-08" && end.as_str().unwrap() <= "2037-06-09T12:00:00.000Z", "{end}");
    }
}

on_both! {
    fn what_is_asked_for_wrongly_is_named_and_changes_nothing(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        for (body, field) in [
            (json!({"overlap": "91d"}), "overlap"),
            (json!({"overlap": "90d 1ms"}), "overlap"),
            (json!({"overlap": "-1d"}), "overlap"),
            (json!({"overlap": ""}), "overlap"),
            (json!({"overlap": "soon"}), "overlap"),
            (json!({"overlap": "1M"}), "overlap"),
            (json!({"overlap": 7}), "overlap"),
            (json!({"overlap": {"days": 7}}), "overlap"),
            (json!({"expires_at": "2026-11-21T12:00:00Z"}), "expires_at"),
            (json!({"expires_at": "2037-01-01T00:00:00Z"}), "expires_at"),
            (json!({"expires_at": "90d"}), "expires_at"),
            (json!({"expires_at": 1}), "expires_at"),
            (json!({"scopes": ["calls:write"]}), "scopes"),
            (json!({"name": "other"}), "name"),
            (json!({"key": null}), "key"),
        ] {
            let answer = rotate(&server, &key, &body);
            assert_eq!(answer.expect(422, "validation_failed").fields(), [field], "{body}");
        }
        rotate(&server, &key, &json!([])).expect(422, "validation_failed");
        let query = format!("{}/rotate?overlap=7d", path_of(&key));
        server.manage("POST", &query, Some(&json!({}))).expect(422, "validation_failed");
        let nobody = MadeKey { id: "key_00000000000000000000000000".to_owned(), ..key.clone() };
        rotate(&server, &nobody, &json!({})).expect(404, "not_found");

        let ending = server.key_with("calls:read", json!({"expires_at": "2026-11-21T12:01:00Z"}));
        let revoked = server.key("calls:read");
        server.revoke(&revoked);
        server.pass(Duration::from_secs(60));
        for retired in [&ending, &revoked] {
            rotate(&server, retired, &json!({})).expect(409, "key_retired");
        }
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 3);
        assert!(events(&server, &key, "key.rotated").is_empty());

        let new = rotated(&server, &key, &json!({"overlap": "0"}));
        for _ in 0..2 {
            let again = rotate(&server, &key, &json!({}));
            again.expect(409, "already_rotated");
            assert_eq!(again.json()["replaced_by"], json!(new.id));
        }
        server.revoke(&new);
        rotate(&server, &key, &json!({})).expect(409, "already_rotated");
    }
}

on_both! {
    fn who_may_not_grant_every_scope_is_told_which(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read leads:write contacts:read");
        let limited = json!({"name": "t", "access": "write", "may_grant": ["calls:read", "leads:read"]});
        let token = server.db_token(&limited);
        let refused = rotate_with(&server, &token, &key, &json!({}));
        refused.expect(403, "insufficient_scope");
        assert!(refused.json()["detail"].as_str().unwrap().starts_with("You may not grant leads:write, contacts:read"), "{refused:?}");
        let reader = server.db_token(&json!({"name": "r", "access": "read"}));
        rotate_with(&server, &reader, &key, &json!({})).expect(403, "insufficient_scope");
        server.call(&key, "POST", &format!("{}/rotate", path_of(&key)), None).expect(403, "wrong_credential");
        let denied = server.manage("GET", "/v1/audit?action=access.denied", None).ok();
        let details: Vec<_> = denied["data"].as_array().unwrap().iter().map(|event| &event["detail"]).collect();
        let refused = json!({"attempt": "key.rotated", "not_granted": ["leads:write", "contacts:read"]});
        assert!(details.contains(&&refused), "{denied}");
        eventually("it is recorded", || {
            let denied = server.manage("GET", "/v1/audit?action=access.denied", None).body;
            denied.contains("\"attempt\":\"POST /v1/keys/{id}/rotate\"")
        });
        assert_eq!(shown(&server, &key)["replaced_by"], Value::Null);
        // Less of it is within what they may grant.
        server.manage("PATCH", &path_of(&key), Some(&json!({"scopes": ["calls:read"]}))).ok();
        made(&rotate_with(&server, &token, &key, &json!({})));
    }
}

on_both! {
    fn the_scope_of_a_resource_that_is_gone_goes_along_with_who_could_grant_it(backend) {
        let server = server_with(backend, TEAM);
        let key = server.key("orders:read calls:read");
        let everything = server.db_token(&json!({"name": "t", "access": "write"}));
        let server = server_on(server.stop(), "");
        // All there is now is not what there was.
        let all_that_is_left = server.db_token(&json!({"name": "t", "access": "write"}));
        let limited = json!({"name": "t", "access": "write", "may_grant": ["calls:read"]});
        for token in [&all_that_is_left, &server.db_token(&limited)] {
            rotate_with(&server, token, &key, &json!({})).expect(403, "insufficient_scope");
        }
        let new = made(&rotate_with(&server, &everything, &key, &json!({})));
        assert_eq!(shown(&server, &new)["scopes"], json!(["calls:read", "orders:read"]));
    }
}

on_both! {
    fn a_rotation_that_is_sent_again_is_answered_again_without_the_key(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let bearer = format!("Bearer {}", server.admin);
        let send = |name: &str, body: &str| {
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", name)];
            server.client.send("POST", &format!("{}/rotate", path_of(&key)), &headers, Some(body))
        };
        let first = send("a", r#"{"overlap":"1d"}"#);
        let new = made(&first);
        let again = send("a", r#"{"overlap": "1d"}"#);
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.header("location"), first.header("location"));
        let mut expected = first.json();
        expected.as_object_mut().unwrap().remove("key");
        assert_eq!(again.json(), expected);
        send("a", r#"{"overlap":"2d"}"#).expect(422, "idempotency_mismatch");
        send("b", r#"{"overlap":"1d"}"#).expect(409, "already_rotated");
        // What failed is not kept.
        send("b", r#"{"overlap":"x"}"#).expect(422, "validation_failed");
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 2);
        assert!(!again.body.contains(&new.secret));
    }
}

on_both! {
    fn of_rotations_at_once_one_is_carried_out_whatever_the_server(backend) {
        let database = Arc::new(TestDatabase::migrated(backend));
        let servers = [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
        for _ in 0..rounds(20, 6) {
            let key = servers[0].key("calls:read");
            ping(&servers[1], &key).expect(200, "");
            let barrier = Barrier::new(4);
            let answers: Vec<Answer> = std::thread::scope(|scope| {
                let one = |n: usize| {
                    let (server, key, barrier) = (&servers[n % 2], &key, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        rotate(server, key, &json!({"overlap": "0"}))
                    })
                };
                let all: Vec<_> = (0..4).map(one).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
            assert_eq!((won.len(), lost.len()), (1, 3), "{answers:#?}");
            let new = made(won[0]);
            for answer in lost {
                assert_eq!(answer.expect(409, "already_rotated").json()["replaced_by"], json!(new.id));
            }
            for server in &servers {
                ping(server, &new).expect(200, "");
                eventually("the old one has ended there", || ping(server, &key).status == 401);
            }
        }
        let broken = "SELECT COUNT(*) FROM api_keys AS k JOIN api_keys AS o ON o.id = k.replaces WHERE o.replaced_by <> k.id";
        assert_eq!(database.db_number(broken), 0);
    }
}

on_both! {
    fn other_servers_take_the_new_key_at_once_and_the_old_one_until_its_end(backend) {
        let database = Arc::new(TestDatabase::migrated(backend));
        let servers = [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
        let old = servers[0].key("calls:read");
        ping(&servers[1], &old).expect(200, "");
        let new = rotated(&servers[0], &old, &json!({"overlap": "1h"}));
        ping(&servers[1], &new).expect(200, "");
        ping(&servers[1], &old).expect(200, "");
        servers.iter().for_each(|server| server.pass(Duration::from_millis(3_600_000 - 1)));
        servers.iter().for_each(|server| drop(ping(server, &old).expect(200, "").clone()));
        servers.iter().for_each(|server| server.pass(Duration::from_millis(1)));
        servers.iter().for_each(|server| drop(ping(server, &old).expect(401, "key_expired").clone()));
    }
}

//! What a key may do, and for how long, only ever shrinks: over HTTP, on the command line and on the
//! pages, with the same words, at once here and with the next read of changes elsewhere.

use std::sync::Arc;
use std::time::Duration;

use bitting::config::Options;
use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::doors::{TEAM, server_on, server_with};
use crate::support::html::{attributes, text, texts};
use crate::support::server::MadeKey;
use crate::support::{Answer, TestDatabase, TestServer, eventually, on_both, rounds};

const END: &str = "2026-12-21T12:00:00.000Z";
const SHRINKS: &str = "the scopes of a key only ever shrink";
const LIVES: &str = "the life of a key only ever shrinks";

fn path_of(key: &MadeKey) -> String {
    format!("/v1/keys/{}", key.id)
}

fn patch(server: &TestServer, key: &MadeKey, patch: Value) -> Answer {
    server.manage("PATCH", &path_of(key), Some(&patch))
}

/// A key as it is shown, without the addresses, which are noted a moment later.
fn shown(server: &TestServer, key: &MadeKey) -> Value {
    let mut shown = server.manage("GET", &path_of(key), None).ok();
    shown.as_object_mut().unwrap().remove("addresses");
    shown
}

/// The changes of a key, the newest first.
fn changes(server: &TestServer, key: &MadeKey) -> Vec<Value> {
    let path = format!("/v1/audit?action=key.updated&key_id={}", key.id);
    let events = server.manage("GET", &path, None).ok()["data"].as_array().unwrap().clone();
    events.into_iter().map(|event| event["detail"].clone()).collect()
}

on_both! {
    fn what_a_key_loses_it_has_lost_at_once_and_for_good(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write leads:read");
        server.call(&key, "GET", "/v1/leads", None).ok();
        let told = patch(&server, &key, json!({"scopes": ["calls:write", "calls:read"]})).ok();
        assert_eq!(told["scopes"], json!(["calls:read", "calls:write"]));
        assert_eq!(told["expires_at"], Value::Null);
        server.call(&key, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
        server.call(&key, "GET", "/v1/calls", None).ok();
        let whoami = server.call(&key, "GET", "/v1/whoami", None).ok();
        assert_eq!(whoami["scopes"], json!(["calls:read", "calls:write"]));

        patch(&server, &key, json!({"expires_at": END})).ok();
        patch(&server, &key, json!({"scopes": ["calls:read"], "expires_at": "2026-11-21T12:01:00Z", "name": "less"})).ok();
        server.call(&key, "POST", "/v1/calls", Some(&json!({}))).expect(403, "insufficient_scope");
        let before = shown(&server, &key);
        for (back, field) in [
            (json!({"scopes": ["calls:read", "calls:write"]}), "scopes"),
            (json!({"scopes": ["leads:read"]}), "scopes"),
            (json!({"scopes": []}), "scopes"),
            (json!({"scopes": null}), "scopes"),
            (json!({"scopes": "calls:read"}), "scopes"),
            (json!({"scopes": {"a": 1}}), "scopes"),
            (json!({"scopes": ["calls:*"]}), "scopes"),
            (json!({"expires_at": END}), "expires_at"),
            (json!({"expires_at": "2026-11-21T12:01:00.001Z"}), "expires_at"),
            (json!({"expires_at": null}), "expires_at"),
            (json!({"expires_at": "2026-11-21T12:00:00Z"}), "expires_at"),
            (json!({"expires_at": "1d"}), "expires_at"),
            (json!({"expires_at": 1}), "expires_at"),
        ] {
            let mut patched = back.clone();
            patched["owner"] = json!("changed");
            let answer = patch(&server, &key, patched);
            assert_eq!(answer.expect(422, "validation_failed").fields(), [field], "{back}");
        }
        let both = patch(&server, &key, json!({"scopes": ["calls:write"], "expires_at": null}));
        assert_eq!(both.fields(), ["scopes", "expires_at"]);
        assert!(both.body.contains("must not add calls:write") && both.body.contains(SHRINKS), "{both:?}");
        assert!(both.body.contains("must not be removed") && both.body.contains(LIVES), "{both:?}");
        assert_eq!(shown(&server, &key), before);

        let changes = changes(&server, &key);
        assert_eq!(changes.len(), 3, "{changes:?}");
        let told = |at: usize, when: &str| {
            let told = &changes[at][when];
            json!([told["name"], told["scopes"], told["expires_at"]])
        };
        assert_eq!(told(2, "before"), json!(["test", ["calls:read", "calls:write", "leads:read"], null]));
        assert_eq!(told(2, "after"), json!(["test", ["calls:read", "calls:write"], null]));
        assert_eq!(told(0, "before"), json!(["test", ["calls:read", "calls:write"], END]));
        assert_eq!(told(0, "after"), json!(["less", ["calls:read"], "2026-11-21T12:01:00.000Z"]));

        server.pass(Duration::from_millis(59_999));
        server.call(&key, "GET", "/v1/calls", None).ok();
        server.pass(Duration::from_millis(1));
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_expired");
        patch(&server, &key, json!({"scopes": ["calls:read"]})).expect(409, "key_retired");
    }
}

on_both! {
    fn the_request_after_the_answer_is_judged_by_what_is_left(backend) {
        let server = TestServer::start(backend);
        let each = rounds(100, 20);
        std::thread::scope(|scope| for _ in 0..4 {
            scope.spawn(|| for _ in 0..each {
                let key = server.key("calls:read leads:read");
                server.call(&key, "GET", "/v1/leads", None).ok();
                patch(&server, &key, json!({"scopes": ["calls:read"]})).ok();
                server.call(&key, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
            });
        });
    }
}

on_both! {
    fn every_server_of_a_database_learns_of_it(backend) {
        let database = Arc::new(TestDatabase::migrated(backend));
        let servers = [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
        let key = servers[0].key("calls:read leads:read");
        let there = |path| servers[1].call(&key, "GET", path, None);
        there("/v1/leads").ok();
        patch(&servers[0], &key, json!({"scopes": ["calls:read"]})).ok();
        eventually("the other server has read it", || there("/v1/leads").status == 403);
        there("/v1/calls").ok();
        // What one server has narrowed, the other does not widen, whatever it knows.
        patch(&servers[0], &key, json!({"expires_at": "2026-11-21T12:01:00Z"})).ok();
        let late = patch(&servers[1], &key, json!({"expires_at": END, "scopes": ["calls:read"]}));
        assert_eq!(late.expect(422, "validation_failed").fields(), ["expires_at"]);
        servers[1].pass(Duration::from_secs(60));
        there("/v1/calls").expect(401, "key_expired");
    }
}

on_both! {
    fn the_command_line_takes_away_with_the_same_words(backend) {
        let shell = Shell::new(backend);
        let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--scope", "leads:read", "--expires", "30d"];
        let made = &shell.json(&create)[0];
        let id = made["id"].as_str().unwrap();
        let set = |more: &[&'static str]| [&["key", "set", id], more].concat();
        let less = &shell.json(&set(&["--scope", "leads:read"]))[0];
        assert_eq!((&less["scopes"], &less["expires_at"]), (&json!(["leads:read"]), &made["expires_at"]));
        let sooner = &shell.json(&set(&["--expires", "1d", "--quota", "5/day"]))[0];
        assert!(sooner["expires_at"].as_str().unwrap() < made["expires_at"].as_str().unwrap());
        assert_eq!(sooner["scopes"], json!(["leads:read"]));
        for (more, words) in [
            (&["--scope", "leads:read", "--scope", "calls:read"][..], ["--scope must not add calls:read", SHRINKS]),
            (&["--expires", "2d"], ["--expires must not be later than ", LIVES]),
            (&["--expires", "never"], ["--expires must not be removed", LIVES]),
            (&["--expires", "2026-11-21"], ["--expires must be in the future", "revoke it"]),
            (&["--expires", "soon"], ["--expires: \"soon\" is not an expiry", "90d"]),
            (&["--scope", "nothing:read"], ["--scope \"nothing:read\" is not a scope", "choose from"]),
            (&[], ["nothing is to be changed", "--expires"]),
        ] {
            shell.refused(&set(more), 2, &words);
        }
    }
}

on_both! {
    fn the_scope_of_a_resource_that_is_gone_is_kept_or_dropped_and_never_added(backend) {
        let server = server_with(backend, TEAM);
        let [kept, dropped] = [(); 2].map(|()| server.key("orders:read calls:read leads:read"));
        let server = server_on(server.stop(), "");
        patch(&server, &kept, json!({"scopes": ["orders:read", "calls:read"]})).ok();
        patch(&server, &dropped, json!({"scopes": ["calls:read"]})).ok();
        assert_eq!(shown(&server, &kept)["scopes"], json!(["calls:read", "orders:read"]));
        patch(&server, &kept, json!({"name": "other"})).ok();
        let back = patch(&server, &dropped, json!({"scopes": ["calls:read", "orders:read"]}));
        assert_eq!(back.expect(422, "validation_failed").fields(), ["scopes"]);
        let more = patch(&server, &kept, json!({"scopes": ["calls:read", "orders:write"]}));
        assert_eq!(more.expect(422, "validation_failed").fields(), ["scopes"]);
    }
}

on_both! {
    fn the_page_shows_what_is_used_and_narrows(backend) {
        let server = TestServer::start(backend);
        for (email, role) in [("ada@example.com", "admin"), ("bo@example.com", "member"), ("cy@example.com", "auditor")] {
            server.db_user(email, json!({"role": role}));
        }
        let browser = server.db_browser("ada@example.com");
        let key = server.key_with("calls:read leads:read", json!({"expires_at": END, "name": "n8n"}));
        server.call(&key, "GET", "/v1/calls", None).ok();
        let path = format!("/keys/{}/narrow", key.id);
        let links = attributes(&browser.get(&format!("/keys/{}", key.id)), ".actions a", "href");
        assert!(links.contains(&path), "{links:?}");

        let form = browser.get(&path);
        assert_eq!(attributes(&form, "input[name=scope][checked]", "value"), ["calls:read", "leads:read"]);
        assert_eq!(texts(&form, "#scope .under"), ["1 request in 30 days", "not used in 30 days"]);
        assert_eq!(attributes(&form, "input[name=expires]", "value"), ["keep", "7d", "date"]);
        assert_eq!(attributes(&form, "input[name=expires][checked]", "value"), ["keep"]);

        for (fields, id, words) in [
            (&[("expires", "keep")][..], "scope", "leave at least one box ticked"),
            (&[("scope", "calls:write"), ("expires", "keep")], "scope", SHRINKS),
            (&[("scope", "calls:read"), ("expires", "90d")], "expires", LIVES),
            (&[("scope", "calls:read"), ("expires", "never")], "expires", LIVES),
            (&[("scope", "calls:read")], "expires", "must be chosen"),
            (&[("scope", "calls:read"), ("expires", "date"), ("expires_on", "2026-12-31")], "expires_on", LIVES),
            (&[("scope", "calls:read"), ("expires", "date"), ("expires_on", "2026-11-01")], "expires_on", "revoke it"),
            (&[("scope", "calls:read"), ("expires", "date"), ("expires_on", "x")], "expires_on", "must be a date"),
        ] {
            let refused = browser.submit(&path, &path, fields);
            assert_eq!(refused.status, 422, "{fields:?}");
            let told = text(&refused, &format!("#{id}-error"));
            assert!(told.contains(words), "{fields:?}: {told}");
            // Nothing that was typed is lost.
            let ticked: Vec<&str> = fields.iter().filter(|field| field.1 == "calls:read").map(|field| field.1).collect();
            assert_eq!(attributes(&refused, "input[name=scope][checked]", "value"), ticked);
        }
        assert_eq!(changes(&server, &key), [json!(null); 0]);

        let fields = [("scope", "calls:read"), ("expires", "date"), ("expires_on", "2026-11-30")];
        assert_eq!(browser.submit(&path, &path, &fields).status, 303);
        server.call(&key, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
        assert_eq!(shown(&server, &key)["expires_at"], "2026-12-01T00:00:00.000Z");
        let history = browser.get(&format!("/keys/{}", key.id)).body;
        for words in ["scopes from calls:read, leads:read to calls:read", "expiry from 21 Dec 2026, 12:00:00 UTC to 1 Dec 2026, 00:00:00 UTC"] {
            assert!(history.contains(words), "{words} in {history}");
        }
        let same = browser.submit(&path, &path, &[("scope", "calls:read"), ("expires", "keep")]);
        assert_eq!((same.status, changes(&server, &key).len()), (303, 1));

        for (email, status) in [("bo@example.com", 404), ("cy@example.com", 403)] {
            assert_eq!(server.db_browser(email).get(&path).status, status, "{email}");
        }
        server.revoke(&key);
        assert_eq!(browser.get(&path).status, 409);
        assert_eq!(browser.submit("/keys", &path, &fields).status, 409);
    }
}

on_both! {
    fn a_key_is_narrowed_to_what_it_used_after_saying_what_that_would_refuse(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let browser = server.db_browser("ada@example.com");
        let key = server.key("calls:read leads:read leads:write knowledge_base:read");
        let (page, path) = (format!("/keys/{}", key.id), format!("/keys/{}/narrow", key.id));
        for _ in 0..3 {
            server.call(&key, "GET", "/v1/calls", None).ok();
        }
        server.call(&key, "POST", "/v1/leads", Some(&json!({}))).expect(422, "validation_failed");
        server.call(&key, "GET", "/v1/contacts", None).expect(403, "insufficient_scope");
        let way = format!("{path}?in_use=true");
        assert!(attributes(&browser.get(&page), "main a", "href").contains(&way));
        let form = browser.get(&way);
        assert_eq!(attributes(&form, "input[name=scope][checked]", "value"), ["calls:read", "leads:write"]);
        assert_eq!(text(&form, "#trial"), "No request of the last 30 days would have been refused with these scopes.");
        assert!(texts(&browser.get(&path), "#trial").is_empty());
        // Less than that is tried first, and nothing is changed by it.
        let fields = [("scope", "knowledge_base:read"), ("expires", "keep"), ("try", "true")];
        let tried = browser.submit(&path, &path, &fields);
        assert_eq!(tried.status, 200);
        let told = "With this, 4 requests of the last 30 days would have been refused: \
                    3 requests that needed calls:read 1 request that needed leads:write";
        assert_eq!(text(&tried, "#trial"), told);
        assert_eq!(attributes(&tried, "input[name=scope][checked]", "value"), ["knowledge_base:read"]);
        assert_eq!(changes(&server, &key), [json!(null); 0]);
        // What it names is what is then refused.
        let fields = [("scope", "calls:read"), ("scope", "leads:write"), ("expires", "keep")];
        assert_eq!(browser.submit(&path, &path, &fields).status, 303);
        assert_eq!(shown(&server, &key)["scopes"], json!(["calls:read", "leads:write"]));
        assert!(!attributes(&browser.get(&page), "main a", "href").contains(&way));
        // Days later nothing of it is in use, and that is said.
        server.pass(Duration::from_secs(31 * 24 * 3600));
        let browser = server.db_browser("ada@example.com");
        assert!(attributes(&browser.get(&way), "input[name=scope][checked]", "value").is_empty());
        for wrong in ["in_use=yes", "in_use=true&in_use=true", "x=1"] {
            assert_eq!(browser.get(&format!("{path}?{wrong}")).status, 422, "{wrong}");
        }
    }
}

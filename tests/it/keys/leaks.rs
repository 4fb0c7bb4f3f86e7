//! Reports of leaked keys by anybody: what becomes of the key, what is recorded, and what is not told.

use std::sync::Arc;
use std::time::Duration;

use bitting::config::{Options, Settings};
use bitting::model::policy::{LeakPolicy, Policy};
use bitting::model::secret::SecretKind;
use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::gate::feed::db_out_of_reach;
use crate::support::html::{text, texts};
use crate::support::{Answer, Backend, TestDatabase, TestServer, eventually, on_both};

const ADMIN: &str = "ada@example.com";

fn report(server: &TestServer, key: &str, source: &str) -> Answer {
    let body = json!({"key": key, "source": source});
    send(server, &body)
}

fn send(server: &TestServer, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    server.client.send("POST", "/v1/leaks", &headers, Some(&body.to_string()))
}

fn flagging(backend: Backend) -> TestServer {
    let flag = |settings: &mut Settings| {
        settings.policy = Policy { leaks: LeakPolicy::Flag, ..Policy::default() };
    };
    TestServer::with_settings(Arc::new(TestDatabase::migrated(backend)), Options::default(), flag)
}

on_both! {
    fn whoever_holds_a_key_can_have_it_revoked_everywhere(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let other = TestServer::with_clock(server.database.clone(), Options::default(), server.clock.clone());
        let (key, kept) = (server.key("calls:read"), server.key("calls:read"));
        other.call(&key, "GET", "/v1/ping", None).ok();
        let source = format!("https://example.com/?key={}", key.secret);
        let answer = report(&server, &key.secret, &source);
        assert_eq!((answer.status, answer.json()), (202, json!({"status": "received"})));
        server.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
        eventually("the other server refuses it", || other.call(&key, "GET", "/v1/ping", None).status == 401);
        server.call(&kept, "GET", "/v1/ping", None).ok();
        // The event says from whom and where, without the key.
        let event = server.events("key.leaked").remove(0);
        assert_eq!((&event["key_id"], &event["address"]), (&json!(key.id), &json!("127.0.0.1")));
        assert!(event["detail"]["source"].as_str().unwrap().starts_with("https://example.com/?key="));
        assert!(!event.to_string().contains(&key.secret), "{event}");
        assert_eq!(server.events("key.revoked")[0]["detail"]["reason"], "leaked");
        let now = server.shown(&key);
        assert_eq!((&now["leaked_at"], &now["revoke_reason"]), (&now["revoked_at"], &json!("leaked")));
        let browser = server.db_browser(ADMIN);
        let page = browser.get(&format!("/keys/{}", key.id));
        assert!(text(&page, "#leaked").starts_with("Reported as leaked"), "{page:#?}");
        assert!(page.body.contains("Found at: https://example.com/?key="), "{page:#?}");
        assert!(!page.body.contains(&key.secret));
        assert!(browser.get("/audit").body.contains("Was told of a leaked key"));
        // Another report of a key that has ended is recorded, and changes nothing.
        assert_eq!(report(&server, &format!(" {} ", key.secret), "").status, 202);
        assert_eq!((server.events("key.leaked").len(), server.events("key.revoked").len()), (2, 1));
        assert_eq!(server.shown(&key)["leaked_at"], now["leaked_at"]);
    }
}

on_both! {
    fn a_key_is_known_to_every_server_from_the_moment_it_is_made(backend) {
        let server = TestServer::start(backend);
        let other = TestServer::with_clock(server.database.clone(), Options::default(), server.clock.clone());
        for _ in 0..5 {
            let key = other.key("calls:read");
            assert_eq!(report(&server, &key.secret, "a chat").status, 202);
            assert_eq!(server.shown(&key)["revoke_reason"], "leaked");
        }
    }
}

on_both! {
    fn what_is_no_key_gets_the_same_answer_and_leaves_nothing(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let count = || server.database.db_number("SELECT COUNT(*) FROM audit_events");
        let before = count();
        let headers = |answer: &Answer| {
            let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        let stranger = server.made_up(SecretKind::ApiKey);
        let unknown = ["nonsense", stranger.as_str()].map(|key| report(&server, key, "somewhere"));
        assert_eq!(count(), before);
        let known = report(&server, &key.secret, "somewhere");
        for answer in unknown {
            assert_eq!((answer.status, &answer.body), (known.status, &known.body));
            assert_eq!(headers(&answer), headers(&known));
        }
        assert!(count() > before);
    }
}

on_both! {
    /// Nobody may believe that a leak was taken care of by a server that cannot know.
    fn without_the_database_no_report_is_received_of_whatever_key(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        db_out_of_reach(&server.database, true);
        eventually("reads of the feed fail", || server.bitting.read_feed().is_err());
        server.clock.pass(Duration::from_secs(3600));
        for secret in [&key.secret, &server.made_up(SecretKind::ApiKey)] {
            report(&server, secret, "a chat").expect(503, "unavailable");
        }
        db_out_of_reach(&server.database, false);
        eventually("the report is received", || report(&server, &key.secret, "a chat").status == 202);
        server.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
    }
}

on_both! {
    fn a_key_that_is_only_flagged_goes_on_working_and_is_shown_plainly(backend) {
        let server = flagging(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let key = server.key("calls:read");
        server.key("calls:read");
        assert_eq!(report(&server, &key.secret, "a chat").status, 202);
        server.call(&key, "GET", "/v1/ping", None).ok();
        assert!(server.events("key.revoked").is_empty());
        let first = server.shown(&key)["leaked_at"].clone();
        assert!(first.is_string());
        server.pass(Duration::from_secs(3600));
        assert_eq!(report(&server, &key.secret, "another chat").status, 202);
        assert_eq!(server.shown(&key)["leaked_at"], first);
        assert_eq!(server.events("key.leaked").len(), 2);
        let browser = server.db_browser(ADMIN);
        assert_eq!(texts(&browser.get("/keys"), "tbody .pill"), ["Leaked"]);
        let page = browser.get(&format!("/keys/{}", key.id));
        assert!(text(&page, "#leaked").contains("It still works."), "{page:#?}");
        assert!(page.body.contains("Found at: another chat"));
    }
}

on_both! {
    fn an_admin_token_is_revoked_whatever_the_policy_says(backend) {
        let server = flagging(backend);
        let token = server.admin.clone();
        assert_eq!(report(&server, &token, "a log").status, 202);
        server.manage("GET", "/v1/keys", None).expect(401, "key_revoked");
        let of = |action: &str| format!("SELECT COUNT(*) FROM audit_events WHERE action = '{action}'");
        assert_eq!(server.database.db_number(&of("key.leaked")), 1);
        assert_eq!(server.database.db_number(&of("token.revoked")), 1);
    }
}

#[test]
fn twenty_reports_a_minute_are_taken_from_an_address() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read");
    for _ in 0..20 {
        assert_eq!(report(&server, "nonsense", "").status, 202);
    }
    let refused = report(&server, &key.secret, "");
    refused.expect(429, "too_many_attempts");
    assert_eq!(refused.header("retry-after"), "60");
    server.call(&key, "GET", "/v1/ping", None).ok();
    server.pass(Duration::from_secs(60));
    assert_eq!(report(&server, &key.secret, "").status, 202);
    server.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
}

#[test]
fn a_report_that_is_wrong_is_refused_with_every_fault_named() {
    let server = TestServer::start(Backend::Sqlite);
    let long = "x".repeat(501);
    for (body, fields) in [
        (json!({}), &["key"][..]),
        (json!({"key": " "}), &["key"]),
        (json!({"key": "Authorization: Bearer a"}), &["key"]),
        (json!({"key": "clé"}), &["key"]),
        (json!({"key": "a", "source": long}), &["source"]),
        (json!({"key": 1, "source": 1}), &["key", "source"]),
        (json!({"key": "a", "where": "b"}), &["where"]),
    ] {
        let refused = send(&server, &body);
        refused.expect(422, "validation_failed");
        assert_eq!(refused.fields(), fields, "{body}");
    }
    server.client.send("GET", "/v1/leaks", &[], None).expect(405, "method_not_allowed");
}

on_both! {
    fn commands_and_files_say_that_a_key_has_leaked(backend) {
        let server = flagging(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let (key, kept) = (server.key("calls:read"), server.key("calls:read"));
        assert_eq!(report(&server, &key.secret, "").status, 202);
        let at = server.shown(&key)["leaked_at"].as_str().unwrap().to_owned();
        let shell = Shell(TestDatabase::at(backend, server.database.url.clone()));
        let told = shell.ok(&["key", "show", &key.id]);
        assert!(told.contains(&format!("reported {at}")), "{told}");
        assert!(!shell.ok(&["key", "show", &kept.id]).contains("leaked"));
        let listed = shell.ok(&["key", "list"]);
        let marked = |id: &str| listed.lines().any(|line| line.contains(id) && line.contains("active,leaked"));
        assert!(marked(&key.id) && !marked(&kept.id), "{listed}");
        let browser = server.db_browser(ADMIN);
        for file in [browser.get("/keys/export").body, shell.ok(&["key", "export"])] {
            assert!(file.contains(",\"leaked_at\"") && file.contains(&at), "{file}");
        }
    }
}

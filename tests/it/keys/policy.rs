//! Rules for new keys: on every way to make one, and nothing for those that are there.

use std::sync::Arc;

use bitting::config::{Options, Settings};
use bitting::domain::Error;
use bitting::domain::principal::Principal;
use bitting::model::policy::Policy;
use serde_json::{Value, json};

use crate::support::html::{attributes, text};
use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, Browser, TestDatabase, TestServer, binary, on_both};

const ADMIN: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";
const LIFE: &str = "must be at most 90 days away (policy: max_key_lifetime)";

fn strict(settings: &mut Settings) {
    settings.policy = Policy {
        max_key_lifetime: "90d".parse().ok(),
        require_expiry: true,
        require_owner: true,
        max_keys_per_member: Some(2),
        ..Policy::default()
    };
}

fn make(server: &TestServer, more: &Value) -> Answer {
    let mut body = json!({"name": "a", "scopes": ["calls:read"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.manage("POST", "/v1/keys", Some(&body))
}

/// Fills in the form of a new key.
fn fill_in(browser: &Browser, name: &str, owner: &str, expires: &str) -> Answer {
    let nonce = attributes(&browser.get("/keys/new"), "input[name=nonce]", "value").concat();
    let fields = [
        ("name", name),
        ("owner", owner),
        ("expires", expires),
        ("nonce", &nonce),
        ("scope", "calls:read"),
    ];
    browser.submit("/keys/new", "/keys/new", &fields)
}

#[test]
fn the_api_names_every_rule_that_is_broken() {
    let server = TestServer::with_settings(
        Arc::new(TestDatabase::migrated(Backend::Sqlite)),
        Options::default(),
        strict,
    );
    let ends = "2027-02-19T12:00:00Z";
    make(&server, &json!({"owner": "acme", "expires_at": ends})).expect(201, "");
    for (more, fields, words) in [
        (json!({}), &["expires_at", "owner"][..], "max_key_lifetime"),
        (
            json!({"owner": "acme"}),
            &["expires_at"],
            "is required, at most 90 days away (policy: max_key_lifetime)",
        ),
        (json!({"owner": "acme", "expires_at": "2027-02-19T12:00:00.001Z"}), &["expires_at"], LIFE),
        (
            json!({"expires_at": ends}),
            &["owner"],
            "is required: a key must have one (policy: require_owner)",
        ),
        (json!({"owner": " ", "expires_at": ends}), &["owner"], "require_owner"),
    ] {
        let refused = make(&server, &more);
        refused.expect(422, "validation_failed");
        assert_eq!(refused.fields(), fields, "{more}");
        assert!(refused.body.contains(words), "{}", refused.body);
    }
    // Tokens have no limit of their number.
    for _ in 0..3 {
        make(&server, &json!({"owner": "acme", "expires_at": ends})).expect(201, "");
    }
}

on_both! {
    fn what_exists_stays_and_is_edited_but_loses_nothing_that_is_required(backend) {
        let server = TestServer::start(backend);
        let old = server.key_with("calls:read", json!({"name": "old"}));
        let owned = server.key_with("calls:read", json!({"name": "owned", "owner": "acme"}));
        let server = TestServer::with_settings(server.stop(), Options::default(), strict);
        server.call(&old, "GET", "/v1/calls", None).ok();
        let patch = |key: &MadeKey, body: Value| server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&body));
        patch(&old, json!({"description": "kept"})).ok();
        patch(&owned, json!({"owner": "other"})).ok();
        let refused = patch(&owned, json!({"owner": null}));
        refused.expect(422, "validation_failed");
        assert!(refused.body.contains("require_owner"), "{}", refused.body);
        // A key is rotated only to one that keeps the rules, and lives no longer than they say.
        let rotate = |key: &MadeKey, body: Value| server.manage("POST", &format!("/v1/keys/{}/rotate", key.id), Some(&body));
        rotate(&old, json!({})).expect(422, "validation_failed");
        let long = rotate(&owned, json!({"expires_at": "2027-06-01T00:00:00Z"}));
        assert!(long.expect(422, "validation_failed").body.contains(LIFE), "{}", long.body);
        assert_eq!(rotate(&owned, json!({})).json()["expires_at"], "2027-02-19T12:00:00.000Z");
    }
}

on_both! {
    fn the_form_says_the_rules_before_they_are_broken(backend) {
        let server = TestServer::start(backend);
        for (email, role) in [(ADMIN, "admin"), (MEMBER, "member")] {
            server.db_user(email, json!({"role": role, "may_grant": if role == "member" { json!(["calls:read"]) } else { json!([]) }}));
        }
        let free = server.db_browser(ADMIN).get("/keys/new");
        assert_eq!(attributes(&free, "input[name=expires]", "value").last().unwrap(), "never");
        let server = TestServer::with_settings(server.stop(), Options::default(), strict);
        let admin = server.db_browser(ADMIN);
        let form = admin.get("/keys/new");
        assert_eq!(attributes(&form, "input[name=expires]", "value"), ["7d", "30d", "60d", "90d", "date"]);
        assert_eq!(attributes(&form, "input[name=expires][checked]", "value"), ["90d"]);
        assert_eq!(text(&form, "#expiry-rule"), "A key lives 90 days at most.");
        assert!(text(&form, "#owner-hint").starts_with("Every key must have one."));
        let refused = fill_in(&admin, "a", "", "365d");
        assert_eq!(refused.status, 422);
        assert!(text(&refused, "#expires-error").contains("max_key_lifetime"), "{refused:#?}");
        assert!(text(&refused, "#owner-error").contains("require_owner"));
        for n in 0..3 {
            assert_eq!(fill_in(&admin, &format!("of admin {n}"), "acme", "90d").status, 200);
        }
        // A member may have two.
        let member = server.db_browser(MEMBER);
        for n in 0..2 {
            assert_eq!(fill_in(&member, &format!("of member {n}"), "acme", "30d").status, 200);
        }
        let third = fill_in(&member, "third", "acme", "30d");
        assert_eq!(third.status, 422);
        assert!(third.body.contains("You would have 3 active keys, and a member may have 2 (policy: max_keys_per_member)"), "{}", third.body);
        let own = attributes(&member.get("/keys"), "a.name", "href")[0].clone();
        member.submit(&own, &format!("{own}/revoke"), &[("reason", "")]);
        assert_eq!(fill_in(&member, "third", "acme", "30d").status, 200);
    }
}

on_both! {
    fn a_member_gets_no_more_keys_than_the_policy_says_from_anybody(backend) {
        let server = TestServer::with_settings(Arc::new(TestDatabase::migrated(backend)), Options::default(), strict);
        let user = |email: &str, more| server.db_user(email, more);
        user(ADMIN, json!({"role": "admin"}));
        let member = user(MEMBER, json!({"may_grant": ["calls:read"]}));
        let other = user("cy@example.com", json!({}));
        let keys: Vec<MadeKey> = (0..4)
            .map(|_| server.key_with("calls:read", json!({"owner": "acme", "expires_at": "2027-02-19T12:00:00Z"})))
            .collect();
        let assign = |key: &MadeKey, to: &str| {
            server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&json!({"holder": to})))
        };
        let assert_full = |refused: Answer| {
            refused.expect(422, "validation_failed");
            assert_eq!(refused.fields(), ["holder"]);
            let why = "would have 3 active keys, and a member may have 2 (policy: max_keys_per_member)";
            assert!(refused.body.contains(why), "{}", refused.body);
        };
        assign(&keys[0], MEMBER).ok();
        assign(&keys[1], MEMBER).ok();
        assert_full(assign(&keys[2], MEMBER));
        // An administrator has no limit.
        for key in &keys[..3] {
            assign(key, ADMIN).ok();
            assign(key, if key.id == keys[2].id { "cy@example.com" } else { MEMBER }).ok();
        }
        // Nor do keys come along with those of somebody who leaves.
        let operator = Principal::command_line("test");
        let refused = server.bitting.disable_user(&operator, other.id, Some(member.id)).unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{refused:?}");
        // What was rotated counts as the key that it became.
        let rotate = format!("/v1/keys/{}/rotate", keys[0].id);
        let made = server.manage("POST", &rotate, None).json();
        let next = MadeKey { id: made["id"].as_str().unwrap().to_owned(), secret: String::new() };
        for half in [&keys[0], &next] {
            assign(half, ADMIN).ok();
            assign(half, MEMBER).ok();
        }
        assert_full(assign(&keys[3], MEMBER));
        server.revoke(&keys[1]);
        assign(&keys[3], MEMBER).ok();
        // Also where one half was the heir's already: cy holds keys[2], and gets a half of the other.
        assign(&keys[3], ADMIN).ok();
        assign(&next, "cy@example.com").ok();
        server.bitting.disable_user(&operator, other.id, Some(member.id)).unwrap();
    }
}

on_both! {
    fn the_form_to_rotate_says_the_end_that_the_policy_imposes(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let long = server.key_with("calls:read", json!({"owner": "acme", "expires_at": "2027-11-21T12:00:00Z"}));
        let endless = server.key_with("calls:read", json!({"owner": "acme"}));
        let form = |server: &TestServer, key: &MadeKey| {
            server.db_browser(ADMIN).get(&format!("/keys/{}/rotate", key.id))
        };
        let values = |form: &Answer| attributes(form, "input[name=expires]", "value");
        assert_eq!(values(&form(&server, &long)), ["keep", "7d", "30d", "60d", "90d", "date"]);
        let server = TestServer::with_settings(server.stop(), Options::default(), strict);
        for key in [&long, &endless] {
            let form = form(&server, key);
            assert_eq!(values(&form), ["keep", "7d", "30d", "60d", "90d", "date"]);
            assert!(form.body.contains("As long as the rules allow"), "{form:#?}");
            assert_eq!(text(&form, "[data-expires='keep']"), "19 Feb 2027, 12:00:00 UTC The new key expires.");
            assert_eq!(text(&form, "#expiry-rule"), "A key lives 90 days at most.");
        }
        let ends = |settings: &mut Settings| settings.policy = Policy { require_expiry: true, ..Policy::default() };
        let server = TestServer::with_settings(server.stop(), Options::default(), ends);
        let form = form(&server, &endless);
        assert_eq!(values(&form), ["7d", "30d", "60d", "90d", "365d", "date"]);
        assert_eq!(attributes(&form, "input[name=expires][checked]", "value"), ["90d"]);
    }
}

#[test]
fn the_command_line_and_imports_keep_to_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[policy]\nmax_key_lifetime = \"30d\"\nrequire_owner = true\n";
    std::fs::write(folder.path().join("bitting.toml"), file).unwrap();
    let run = |arguments: &[&str]| binary::run(folder.path(), arguments);
    let create = ["key", "create", "--name", "a", "--scope", "calls:read"];
    let refused = run(&create);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(
        told.contains("--expires must be at most 30 days away (policy: max_key_lifetime)")
            && told.contains("--owner is required"),
        "{told}"
    );
    binary::run_ok(
        folder.path(),
        &[&create[..], &["--expires", "30d", "--owner", "acme"]].concat(),
    );
    let keys = format!(
        "name,owner,scopes,sha256\nno end,acme,calls:read,{}\nno owner,,calls:read,{}\n",
        "a".repeat(64),
        "b".repeat(64)
    );
    std::fs::write(folder.path().join("keys.csv"), keys).unwrap();
    for more in [&["--dry-run"][..], &[]] {
        let import = run(&[&["key", "import", "keys.csv"][..], more].concat());
        let told = String::from_utf8_lossy(&import.stderr).into_owned();
        assert_eq!(import.status.code(), Some(1), "{told}");
        assert!(
            told.contains("line 2: ")
                && told.contains("max_key_lifetime")
                && told.contains("line 3: ")
                && told.contains("require_owner"),
            "{told}"
        );
    }
    assert_eq!(binary::run_ok(folder.path(), &["key", "list", "--json"]).lines().count(), 1);
}

on_both! {
    fn a_rotated_key_counts_where_the_one_that_it_became_is_gone(backend) {
        let server = TestServer::with_settings(Arc::new(TestDatabase::migrated(backend)), Options::default(), strict);
        server.db_user(ADMIN, json!({"role": "admin"}));
        server.db_user(MEMBER, json!({"may_grant": ["calls:read"]}));
        let ends = json!({"owner": "acme", "expires_at": "2027-02-19T12:00:00Z"});
        let keys = [(); 3].map(|()| server.key_with("calls:read", ends.clone()));
        let assign = |id: &str| {
            server.manage("PATCH", &format!("/v1/keys/{id}"), Some(&json!({"holder": MEMBER})))
        };
        assign(&keys[0].id).ok();
        assign(&keys[1].id).ok();
        let rotate = format!("/v1/keys/{}/rotate", keys[0].id);
        let next = server.manage("POST", &rotate, Some(&json!({"overlap": "30d"}))).ok();
        let next = next["id"].as_str().unwrap();
        assign(&keys[2].id).expect(422, "validation_failed");
        server.manage("POST", &format!("/v1/keys/{next}/revoke"), None).ok();
        // The first one is still good.
        server.call(&keys[0], "GET", "/v1/ping", None).ok();
        assign(&keys[2].id).expect(422, "validation_failed");
        server.revoke(&keys[0]);
        assign(&keys[2].id).ok();
    }
}

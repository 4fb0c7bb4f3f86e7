//! Connections of kind `http`: any API, opened by the connection's own rules.

use bitting::config::ConnectionOptions;
use bitting::model::merge_patch::Edit;
use serde_json::json;

use super::{Operator, admin_of, key_now, operator};
use crate::support::html::{attributes, texts};
use crate::support::vendors::{Reply, Vendor, header, path};
use crate::support::{Backend, on_both};

pub(super) const KEY: &str = "crm-0123456789abcdef";

/// An API that takes its key in `X-Api-Key`, and has `/v1/me` and things.
pub(super) fn crm() -> Vendor {
    Vendor::start(|seen, origin| {
        if header(seen, "x-api-key") != Some(KEY) {
            return Reply::json(401, &json!({"error": "no"}));
        }
        match (seen.method(), path(seen)) {
            ("GET", "/v1/me") => Reply::json(200, &json!({"name": "me"})),
            ("GET", "/v1/things/stale") => Reply::json(401, &json!({"error": "not yours"})),
            _ => Reply::json(200, &json!({"next": format!("{origin}/v1/things/2"), "key": KEY})),
        }
    })
}

/// Adds it, with these options besides.
pub(super) fn add(ours: &Operator, vendor: &Vendor, more: &[&str]) -> Result<String, String> {
    let base = ["add", "crm", "--kind", "http", "--base-url", vendor.origin()];
    ours.connection(&[&base[..], more].concat(), KEY)
}

pub(super) const READ: &str = "GET /v1/things/{id} things:read";

on_both! {
    fn an_api_without_a_table_is_opened_by_the_rules_of_its_connection(backend) {
        let vendor = crm();
        let ours = Operator::new(backend, &[&vendor]);
        let auth = ["--auth", "header:X-Api-Key", "--test-path", "/v1/me"];
        let rules = ["--rule", READ, "--rule", "POST /v1/things/search things:read", "--rule", "GET /v1 any"];
        assert_eq!(add(&ours, &vendor, &[&auth[..], &rules].concat()), Ok("crm ok".to_owned()));
        let shown = ours.shown("crm");
        assert_eq!(shown["auth"], "X-Api-Key: {api_key}");
        assert_eq!((&shown["rules"][0], &shown["test_path"]), (&READ.into(), &"/v1/me".into()));

        let server = ours.serve(ConnectionOptions::default());
        let key = server.key("things:read@crm");
        vendor.take();
        let answer = server.call(&key, "GET", "/via/crm/v1/things/7", None);
        let body = answer.json();
        assert_eq!(body["next"], format!("{}/via/crm/v1/things/2", server.client.base));
        assert_eq!(body["key"], "*".repeat(KEY.len()));
        server.call(&key, "POST", "/via/crm/v1/things/search", Some(&json!({}))).expect(200, "");
        let seen = vendor.take();
        assert!(seen.len() == 2 && seen.iter().all(|seen| header(seen, "x-api-key") == Some(KEY)));
        assert!(!seen[0].head.contains(&key.secret), "{}", seen[0].head);
        for (method, path, status, code) in [
            ("GET", "/via/crm/v1/me", 403, "not_offered"),
            ("GET", "/via/crm/v1/things/7/parts", 403, "not_offered"),
            ("GET", "/via/crm/v1/things/..", 403, "not_offered"),
            ("PUT", "/via/crm/v1/things/7", 405, "method_not_allowed"),
            ("GET", "/via/crm/v1", 200, ""),
        ] {
            server.call(&key, method, path, None).expect(status, code);
        }
        server.db_flush();
        let usage = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
        let by_resource = &usage["24h"]["by_resource"];
        assert_eq!(by_resource["things@crm"], json!({"read": 2, "write": 0}));
        // One that each scope at the connection opens, and three that it does not offer.
        assert_eq!(by_resource["other@crm"], json!({"read": 4, "write": 0}));
        let admin = admin_of(&server);
        for page in ["/connections/crm", "/usage?connection=crm"] {
            let sums = texts(&admin.get(page), ".sums dd:not(.small)");
            assert_eq!(sums, ["6", "6", "6"], "{page}");
        }

        // Rules come and go while servers run, with scopes of their own.
        let file = ours.database.folder().join("rules");
        let exported = ours.connection(&["rules", "crm"], "").unwrap();
        std::fs::write(&file, format!("# ours\n\n{exported}\nPUT /v1/things/* parts:write\n")).unwrap();
        ours.connection(&["set", "crm", "--rules", file.to_str().unwrap()], "").unwrap();
        assert_eq!(ours.connection(&["rules", "crm"], "").unwrap().lines().count(), 4);
        server.pass(std::time::Duration::from_secs(1));
        let writer = key_now(&server, "parts:write@crm");
        server.call(&key, "PUT", "/via/crm/v1/things/7", None).expect(403, "insufficient_scope");
        server.call(&writer, "PUT", "/via/crm/v1/things/7", None).expect(200, "");
        server.db_flush();
        let usage = server.manage("GET", &format!("/v1/keys/{}/usage", writer.id), None).ok();
        assert_eq!(usage["24h"]["by_resource"]["parts@crm"], json!({"read": 0, "write": 1}));
        for (option, value, why) in [
            ("--rule", "CONNECT /v1/me any", "CONNECT is never forwarded"),
            ("--rule", "TRACE /v1/me any", "TRACE is never forwarded"),
            ("--recordings", "false", "--recordings has no effect"),
            ("--standing", "true", "--standing has no effect"),
        ] {
            let said = ours.connection(&["set", "crm", option, value], "").unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        // Where such a rule was written before, it offers nothing, and keeps its path from wider ones.
        let rules = format!("{READ}\nTRACE /v1/things/me things:read");
        ours.database.db_execute(&format!("UPDATE connections SET rules = '{rules}', revision = revision WHERE handle = 'crm'"));
        assert_eq!(ours.connection(&["rules", "crm"], ""), Ok(rules));
        ours.connection(&["set", "crm", "--rule", "none"], "").unwrap();
        server.pass(std::time::Duration::from_secs(1));
        server.call(&writer, "PUT", "/via/crm/v1/things/7", None).expect(403, "not_offered");
    }
}

on_both! {
    fn a_connection_that_was_there_before_is_counted_too(backend) {
        let vendor = crm();
        let ours = Operator::new(backend, &[&vendor]);
        add(&ours, &vendor, &["--untested", "--rule", "GET /v1 any", "--rule", READ]).unwrap();
        let others = || ours.database.db_number("SELECT COUNT(*) FROM resources WHERE name = 'other@crm'");
        assert_eq!(others(), 1);
        ours.database.db_execute("DELETE FROM resources WHERE name = 'other@crm'");
        ours.database.db_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261130000029'");
        let migrated = ours.run_with(&["migrate"], "");
        assert!(migrated.status.success(), "{migrated:?}");
        assert_eq!(others(), 1);
        let highest = "SELECT MAX(number) - 99 - COUNT(*) FROM resources WHERE number > 99";
        assert_eq!(ours.database.db_number(highest), 0, "each has the next number");
    }
}

on_both! {
    fn no_text_of_a_connection_may_hold_a_key(backend) {
        let vendor = crm();
        let ours = Operator::new(backend, &[&vendor]);
        let pasted = {
            let server = ours.serve(ConnectionOptions::default());
            server.key("calls:read").secret
        };
        let (header, rule, path) = (format!("header:{pasted}"), format!("GET /{pasted} things:read"), format!("/{pasted}"));
        let texts = [["--name", &pasted], ["--description", &pasted], ["--rule", &rule], ["--test-path", &path]];
        let auth = ["--auth", "header:X-Api-Key", "--untested"];
        let is_refused = |said: Result<String, String>| {
            let said = said.unwrap_err();
            assert!(said.contains("must not contain a key") && !said.contains(&pasted), "{said}");
        };
        for text in &texts {
            is_refused(add(&ours, &vendor, &[&auth[..], text].concat()));
        }
        is_refused(add(&ours, &vendor, &["--untested", "--auth", &header]));
        add(&ours, &vendor, &auth).unwrap();
        for text in &texts {
            is_refused(ours.connection(&[&["set", "crm"], &text[..]].concat(), ""));
        }
        let server = ours.serve(ConnectionOptions::default());
        let admin = admin_of(&server);
        for (field, value) in [("name", &pasted), ("description", &pasted), ("rules", &rule), ("test_path", &path)] {
            let typed = [("name", "CRM"), ("description", ""), ("rules", ""), ("test_path", ""), ("recordings", "yes")];
            let typed = typed.map(|(name, text)| (name, if name == field { value } else { text }));
            let refused = admin.submit("/connections/crm/edit", "/connections/crm/edit", &typed);
            assert_eq!((refused.status, attributes(&refused, "#faults a", "href")), (422, vec![format!("#{field}")]));
            assert!(!refused.body.contains(&pasted), "{field}");
        }
        assert!(!ours.shown("crm").to_string().contains(&pasted));
    }
}

on_both! {
    fn two_who_edit_a_connection_at_once_both_count(backend) {
        let vendor = crm();
        let ours = Operator::new(backend, &[&vendor]);
        let [first, second, third] = ["a", "b", "c"].map(|name| format!("GET /v1/{name} things:read"));
        add(&ours, &vendor, &["--auth", "header:X-Api-Key", "--untested", "--rule", &first, "--rule", &second]).unwrap();
        let server = ours.serve(ConnectionOptions::default());
        let edit = |rules: &[&String]| {
            let fields = |value| serde_json::Value::as_object(&value).cloned().unwrap();
            let edit = Edit::of_seen(fields(json!({"rules": [&first, &second]})), fields(json!({"rules": rules})));
            server.bitting.edit_connection(&operator(), &"crm".parse().unwrap(), edit).unwrap();
        };
        // What each has seen was read before the other's was written.
        edit(&[&second]);
        edit(&[&first, &second, &third]);
        assert_eq!(ours.shown("crm")["rules"], json!([second, third]));
    }
}

#[test]
fn another_api_is_only_reached_where_the_operator_allows() {
    let vendor = crm();
    let ours = Operator::new(Backend::Sqlite, &[]);
    let said = add(&ours, &vendor, &["--untested"]).unwrap_err();
    assert!(said.contains("--base-url") && said.contains("--connections-hosts"), "{said}");
    let said = ours.connection(&["add", "crm", "--kind", "http", "--untested"], KEY).unwrap_err();
    assert!(said.contains("--base-url is required"), "{said}");

    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    let said = add(&ours, &vendor, &["--auth", "header:X-Api-Key"]).unwrap_err();
    assert!(said.contains("--test-path"), "{said}");
    let said = add(&ours, &vendor, &["--test-path", "/v1/me"]).unwrap_err();
    assert!(said.contains("rejected") && said.contains("nothing was saved"), "{said}");
    let said = add(&ours, &vendor, &["--rule", "GET /v1/things"]).unwrap_err();
    assert!(said.contains("--rule: rule 1: must be a method"), "{said}");
    let said = add(&ours, &vendor, &["--auth", "header:Host", "--untested"]).unwrap_err();
    assert!(said.contains("--auth") && said.contains("Host"), "{said}");
    assert_eq!(vendor.take().len(), 1, "one test reached it: Basic does not fit the credential");
}

#[test]
fn a_credential_of_several_fields_is_sent_in_several_headers() {
    let vendor = Vendor::start(|seen, _| {
        let right =
            header(seen, "x-id") == Some("me") && header(seen, "x-secret") == Some("key=s3cret");
        Reply::json(if right { 200 } else { 401 }, &json!({}))
    });
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    let auth = "X-Id: {id}, X-Secret: key={secret}";
    let arguments = [
        "add",
        "pair",
        "--kind",
        "http",
        "--base-url",
        vendor.origin(),
        "--auth",
        auth,
        "--test-path",
        "/me",
    ];
    let said = ours.connection(&arguments, "only-one").unwrap_err();
    assert!(said.contains("must be id and secret"), "{said}");
    assert_eq!(ours.connection(&arguments, "me\ns3cret"), Ok("pair ok".to_owned()));
    let object = json!({"secret": "s3cret", "id": "me"}).to_string();
    assert_eq!(ours.connection(&["set-credential", "pair"], &object), Ok("pair ok".to_owned()));
    assert_eq!(ours.shown("pair")["auth"], auth);
}

#[test]
fn what_has_no_test_is_used_without_one() {
    let vendor = crm();
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    let more = ["--auth", "header:X-Api-Key", "--rule", READ, "--untested"];
    assert_eq!(add(&ours, &vendor, &more), Ok("crm untested".to_owned()));
    let said = ours.connection(&["test", "crm"], "").unwrap_err();
    assert!(said.contains("--test-path"), "{said}");
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("things:read@crm");
    let answer = server.call(&key, "GET", "/via/crm/v1/things/stale", None);
    assert_eq!((answer.status, answer.header("x-vendor-status")), (403, "401"), "{answer:?}");
    assert_eq!(ours.shown("crm")["state"], "untested");
    ours.connection(&["set", "crm", "--test-path", "/v1/me"], "").unwrap();
    assert_eq!(ours.connection(&["test", "crm"], ""), Ok("crm ok".to_owned()));
}

on_both! {
    fn a_write_that_any_scope_opens_is_recorded_and_commands_to_proxies_are_kept(backend) {
        let vendor = Vendor::start(|_, _| {
            Reply::json(200, &json!({}))
                .with("X-Accel-Redirect", "/internal")
                .with("RateLimit", "\"theirs\";r=3;t=1")
                .with("Content-Digest", "sha-256=:AA==:")
        });
        let ours = Operator::new(backend, &[&vendor]);
        let rules = ["--untested", "--rule", "DELETE /v1/gone/{id} any", "--rule", READ];
        add(&ours, &vendor, &rules).unwrap();
        let server = ours.serve(ConnectionOptions::default());
        let key = server.key("things:read@crm");
        let answer = server.call(&key, "DELETE", "/via/crm/v1/gone/7", None);
        answer.expect(200, "");
        for name in ["x-accel-redirect", "ratelimit", "content-digest"] {
            assert_eq!(answer.header(name), "", "{answer:#?}");
        }
        let events = || server.manage("GET", "/v1/audit?action=via.write", None).ok()["data"].clone();
        crate::support::eventually("it is recorded", || !events().as_array().unwrap().is_empty());
        let detail = &events()[0]["detail"];
        assert_eq!((&detail["scope"], &detail["status"]), (&json!(null), &json!(200)));
    }
}

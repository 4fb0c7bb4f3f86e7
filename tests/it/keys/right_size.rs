//! Finding keys that are not used, may do more than they do, or end soon: alike in the API, on the
//! page and in its file.

use std::time::Duration;

use bitting::config::Options;
use bitting::domain::principal::Principal;
use bitting::model::key::KeyNumber;
use bitting::model::key_filter::{KeyFilter, KeyOrder, KeySort};
use bitting::model::scope::Access;
use bitting::model::usage::{Cell, Outcome};
use bitting::records::model::resources;
use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::support::html::{attributes, text, texts};
use crate::support::plans::{db_plans, note_statements, noted};
use crate::support::{Backend, TestDatabase, TestServer, on_both};

const DAY: Duration = Duration::from_secs(24 * 3600);
const ADMIN: &str = "ada@example.com";

/// Names in the API's list.
fn listed(server: &TestServer, query: &str) -> Vec<String> {
    let page = server.manage("GET", &format!("/v1/keys?{query}"), None).ok();
    let name = |key: &Value| key["name"].as_str().unwrap().to_owned();
    page["data"].as_array().unwrap().iter().map(name).collect()
}

/// Brings what was counted to where the lists look, an hour and more later.
fn db_settle(server: &TestServer) {
    server.db_flush();
    server.bitting.fold_journal().unwrap();
    server.pass(Duration::from_secs(2 * 3600));
    while server.bitting.roll_up().unwrap() {}
    while server.bitting.summarize_keys().unwrap() {}
}

/// Forty days in which keys were used in all kinds of ways.
fn db_forty_days(backend: Backend) -> TestServer {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let make = |name: &str, scopes: &str| server.key_with(scopes, json!({"name": name}));
    let (exact, wide) = (make("exact", "calls:read"), make("wide", "calls:read leads:write"));
    let (once, refused) = (make("once", "calls:read"), make("refused", "knowledge_base:read"));
    make("never", "calls:read");
    let with = json!({"name": "ends", "expires_at": "2027-01-05T00:00:00Z"});
    let ends = server.key_with("calls:read knowledge_base:write", with);
    let gone = make("gone", "calls:read");
    let get = |key, path: &str, status: u16| {
        assert_eq!(server.call(key, "GET", path, None).status, status);
    };
    get(&once, "/v1/calls", 200);
    db_settle(&server);
    server.pass(35 * DAY);
    make("young", "calls:read leads:write");
    for key in [&exact, &wide, &ends] {
        get(key, "/v1/calls", 200);
    }
    // Neither a refusal nor a path of no resource makes use of a scope.
    get(&refused, "/v1/leads", 403);
    get(&refused, "/v1/whoami", 200);
    // A use that fails is one.
    server
        .call(&ends, "POST", "/v1/knowledge_base", Some(&json!({})))
        .expect(422, "validation_failed");
    server.revoke(&gone);
    db_settle(&server);
    server.pass(5 * DAY);
    server
}

on_both! {
    fn keys_are_found_by_their_use_their_scopes_and_their_end(backend) {
        let server = db_forty_days(backend);
        let admin = server.db_browser(ADMIN);
        server.database.db_execute("UPDATE api_keys SET user_id = (SELECT id FROM users) WHERE name IN ('exact', 'wide')");
        for (query, expected) in [
            // The newest first.
            ("over_scoped=true", &["never", "refused", "once", "wide"][..]),
            ("over_scoped=false", &["young", "ends", "exact"]),
            ("unused_for=30d", &["never", "once"]),
            ("unused_for=40d", &["never", "once"]),
            ("unused_for=41d", &[]),
            ("unused_for=5d", &["young", "ends", "never", "refused", "once", "wide", "exact"]),
            ("unused_for=6d", &["never", "once"]),
            ("unused_for=1y", &[]),
            ("expires_within=14d", &["ends"]),
            ("expires_within=1w", &["ends"]),
            ("expires_within=72h", &[]),
            ("scope=knowledge_base%3Aread", &["refused"]),
            ("scope=leads%3Awrite", &["young", "wide"]),
            ("scope=leads%3Awrite&over_scoped=true", &["wide"]),
            ("unused_for=30d&over_scoped=true&expires_within=14d", &[]),
            ("status=revoked&unused_for=30d", &["gone"]),
            ("status=all&unused_for=30d", &["gone", "never", "once"]),
            ("expiry=dated", &["ends"]),
            ("holder=ada%40example.com", &["wide", "exact"]),
            ("holder=Ada@Example.com", &["wide", "exact"]),
            ("holder=none&expires_within=14d", &["ends"]),
            ("holder=none", &["young", "gone", "ends", "never", "refused", "once"]),
            ("holder=ada%40example.com&over_scoped=true", &["wide"]),
            ("holder=nobody%40example.com", &[]),
        ] {
            let mut named = listed(&server, query);
            assert_eq!(named, expected, "{query}");
            let file = admin.get(&format!("/keys/export?{query}&sort=newest"));
            let column = |line: &str| line.split(',').nth(1).unwrap().replace('"', "");
            let rows: Vec<String> = file.body.lines().skip(1).map(column).collect();
            assert_eq!(rows, named, "{query}");
            if !query.contains("status") {
                let page = admin.get(&format!("/keys?{query}"));
                assert_eq!(page.status, 200, "{page:#?}");
                named.retain(|name| name != "gone");
                assert_eq!(texts(&page, "a.name"), named, "{query}");
            }
        }
    }
}

on_both! {
    /// As where a server stands still, or its database is out of its reach.
    fn a_use_whose_count_comes_late_is_a_use(backend) {
        let options = Options { usage_flush: Some("10s".to_owned()), ..Options::default() };
        let server = TestServer::on(TestDatabase::migrated(backend).into(), options);
        let make = |name: &str| server.key_with("calls:read", json!({"name": name}));
        let (late, others) = (make("late"), make("others"));
        server.pass(100 * DAY);
        let bitting = &server.bitting;
        let used_at = bitting.time.now();
        server.pass(Duration::from_secs(150));
        server.call(&others, "GET", "/v1/calls", None).ok();
        let fold = || {
            server.db_flush();
            bitting.fold_journal().unwrap();
        };
        fold();
        server.pass(Duration::from_secs(60));
        while bitting.summarize_keys().unwrap() {}
        assert_eq!(listed(&server, "unused_for=90d"), ["late"]);
        let number = format!("SELECT number FROM api_keys WHERE id = '{}'", late.id);
        let number = KeyNumber(server.database.db_number(&number).try_into().unwrap());
        let cell = Cell::new(None, Access::Read, Outcome::Ok);
        bitting.meter.worker().count(number, cell, used_at, None, || None);
        fold();
        assert_eq!(listed(&server, "unused_for=90d"), [""; 0]);
    }
}

on_both! {
    fn a_scope_that_is_used_again_is_in_use_and_one_that_no_longer_is_is_not(backend) {
        let server = db_forty_days(backend);
        let key = server.key_with("calls:read leads:write", json!({"name": "late"}));
        server.pass(31 * DAY);
        assert!(listed(&server, "over_scoped=true").contains(&"late".to_owned()));
        server.call(&key, "GET", "/v1/calls", None).ok();
        db_settle(&server);
        assert!(listed(&server, "over_scoped=true").contains(&"late".to_owned()));
        server.call(&key, "POST", "/v1/leads", Some(&json!({}))).expect(422, "validation_failed");
        db_settle(&server);
        assert!(!listed(&server, "over_scoped=true").contains(&"late".to_owned()));
        server.pass(31 * DAY);
        assert!(listed(&server, "over_scoped=true").contains(&"late".to_owned()));
    }
}

on_both! {
    fn the_page_says_what_it_is_filtered_by_and_what_to_do_when_nothing_is_found(backend) {
        let server = db_forty_days(backend);
        let admin = server.db_browser(ADMIN);
        let page = admin.get("/keys?unused_for=40d&over_scoped=true");
        assert_eq!(text(&page, "#filtered"), "Only active keys unused for 40 days, with a scope unused for 30 days .");
        assert_eq!(texts(&page, "#unused_for option[selected]"), ["40 days"]);
        assert_eq!(texts(&page, "#over_scoped option[selected]"), ["Some unused for 30 days"]);
        assert_eq!(attributes(&page, "#expires_within option", "value"), ["", "7d", "14d", "30d", "90d"]);
        assert!(attributes(&page, ".actions a", "href").iter().any(|href| href.ends_with("unused_for=40d&over_scoped=true")));
        let none = admin.get("/keys?unused_for=1y&owner=acme");
        assert!(text(&none, "#empty").contains("no active keys of acme, unused for 1 year , and no revoked or expired ones either. Change a filter above"), "{}", text(&none, "#empty"));
        assert_eq!(text(&none, "#empty .button"), "Clear the filters");
        // On the other list there is nothing to be unused.
        assert_eq!(texts(&admin.get("/keys/retired"), "#unused_for"), [""; 0]);
    }
}

on_both! {
    fn a_column_turns_round_when_it_is_clicked_again(backend) {
        let server = db_forty_days(backend);
        let admin = server.db_browser(ADMIN);
        for (sort, column, direction) in [
            ("name", "Key", "ascending"), ("last_used", "Last used", "descending"),
            ("expiry", "Expires", "ascending"), ("most_used", "30 d", "descending"),
        ] {
            let page = admin.get(&format!("/keys?q=e&sort={sort}"));
            let names = texts(&page, "a.name");
            assert_eq!(text(&page, "th[aria-sort]"), column);
            assert_eq!(attributes(&page, "th[aria-sort]", "aria-sort"), [direction]);
            let turn = attributes(&page, "th[aria-sort] a", "href").concat();
            assert_eq!(turn, format!("/keys?q=e&sort=-{sort}"));
            let turned = admin.get(&turn);
            let mut reversed = texts(&turned, "a.name");
            assert_ne!(attributes(&turned, "th[aria-sort]", "aria-sort"), [direction]);
            assert!(text(&turned, "#sort option[selected]").ends_with(", reversed"));
            let back = attributes(&turned, "th[aria-sort] a", "href").concat();
            assert_eq!(back, format!("/keys?q=e&sort={sort}"));
            reversed.reverse();
            assert_eq!(reversed, names, "{sort}");
        }
        for wrong in ["sort=--name", "sort=-", "sort=-digest"] {
            assert_eq!(admin.get(&format!("/keys?{wrong}")).status, 422, "{wrong}");
        }
    }
}

#[test]
fn a_filter_that_is_mistyped_is_refused_and_named() {
    let server = TestServer::start(Backend::Sqlite);
    for (query, field) in [
        ("unused_for=90", "unused_for"),
        ("unused_for=", "unused_for"),
        ("unused_for=0d", "unused_for"),
        ("unused_for=-1d", "unused_for"),
        ("unused_for=10000d", "unused_for"),
        ("unused_for=90d&unused_for=30d", "unused_for"),
        ("unused_for=2026-01-01", "unused_for"),
        ("expires_within=soon", "expires_within"),
        ("expires_within=100y", "expires_within"),
        ("over_scoped=yes", "over_scoped"),
        ("over_scoped=1", "over_scoped"),
        ("scope=calls", "scope"),
        ("scope=*", "scope"),
        ("scope=nothing:read", "scope"),
        ("expiry=today", "expiry"),
        ("holder=ada", "holder"),
        ("holder=", "holder"),
        ("holder=user_01", "holder"),
        ("unusedfor=90d", "unusedfor"),
    ] {
        let refused = server.manage("GET", &format!("/v1/keys?{query}"), None);
        refused.expect(422, "validation_failed");
        assert_eq!(refused.json()["errors"][0]["field"], field, "{query}");
    }
}

on_both! {
    fn the_command_line_finds_the_same_keys(backend) {
        let shell = Shell::new(backend);
        shell.ok(&["key", "create", "--name", "old", "--scope", "calls:read", "--expires", "never"]);
        shell.ok(&["key", "create", "--name", "new", "--scope", "leads:read", "--expires", "10d", "--owner", "acme"]);
        shell.0.db_execute("INSERT INTO users (id, email, role, may_grant, created_at) VALUES ('user_01k462ttvyfgx8yqhb3966v3mg', 'ada@example.com', 'admin', '', '2026-01-01 00:00:00')");
        shell.0.db_execute("UPDATE api_keys SET user_id = (SELECT id FROM users) WHERE name = 'old'");
        shell.0.db_execute("UPDATE api_keys SET created_at = '2026-01-01 00:00:00' WHERE name = 'old'");
        for (options, expected) in [
            (&["--unused-for", "90d"][..], "old"), (&["--over-scoped"], "old"), (&["--expires-within", "14d"], "new"),
            (&["--holder", "none", "--owner", "acme"], "new"), (&["--holder", "ada@example.com"], "old"),
            (&["--scope", "leads:read"], "new"), (&["--owner", "acme"], "new"), (&["--status", "active", "--unused-for", "30d"], "old"),
        ] {
            let listed = shell.json(&[&["key", "list"], options].concat());
            let names: Vec<&str> = listed.iter().map(|key| key["name"].as_str().unwrap()).collect();
            assert_eq!(names, [expected], "{options:?}");
            let file = shell.ok(&[&["key", "export"], options].concat());
            assert_eq!(file.lines().skip(1).count(), 1, "{file}");
            assert!(file.lines().nth(1).unwrap().contains(&format!(",\"{expected}\",")), "{file}");
        }
        shell.refused(&["key", "list", "--unused-for", "90"], 2, &["--unused-for", "such as 90d"]);
        shell.refused(&["key", "list", "--holder", "ada"], 2, &["--holder must be an e-mail address, or none"]);
        shell.refused(&["key", "export", "--scope", "calls:admin"], 2, &["--scope", "calls:read"]);
    }
}

on_both! {
    fn use_is_looked_up_in_summaries_and_never_among_the_counts(backend) {
        note_statements();
        let server = TestServer::start(backend);
        let operator = Principal::command_line("test");
        let days = |text: &str| text.parse().ok();
        for filter in [
            KeyFilter { unused_for: days("90d"), ..KeyFilter::default() },
            KeyFilter { over_scoped: Some(true), ..KeyFilter::default() },
            KeyFilter { over_scoped: Some(false), ..KeyFilter::default() },
            KeyFilter { holder: "ada@example.com".parse().ok(), ..KeyFilter::default() },
            KeyFilter { expires_within: days("14d"), scope: resources::catalog().scopes().iter().next().cloned(), ..KeyFilter::default() },
        ] {
            let by_name = KeyOrder::by(KeySort::Name);
            let statements = noted(|| server.bitting.numbers_of_keys(&operator, &filter, by_name).unwrap());
            assert_eq!(statements.len(), 1, "{statements:#?}");
            assert!(!statements[0].contains("usage_"), "{}", statements[0]);
            for plan in db_plans(&server.database, &statements[0]) {
                let by_key = match backend {
                    Backend::Sqlite => "SEARCH u USING PRIMARY KEY (key_number=?)",
                    Backend::Postgres => "scope_uses_pkey",
                };
                assert_eq!(plan.contains(by_key), filter.over_scoped.is_some(), "{plan}");
            }
        }
    }
}

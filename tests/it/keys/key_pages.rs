//! The lists of keys as pages: what they show, to whom, filtered, sorted, in pages and as a file.

use bitting::records::model::resources;
use std::time::Duration;

use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";
const AUDITOR: &str = "eve@example.com";

/// A server with somebody in every role.
fn start(backend: Backend) -> TestServer {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    server.db_user(MEMBER, json!({"role": "member", "may_grant": ["calls:read", "leads:read"]}));
    server.db_user(AUDITOR, json!({"role": "auditor"}));
    server
}

#[track_caller]
fn page(answer: &Answer) -> Html {
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert!(answer.body.len() < 100_000, "{} bytes: {:.900}", answer.body.len(), answer.body);
    Html::parse_document(&answer.body)
}

/// The texts of all elements that a selector finds, blanks in them made single.
fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let text = |element: scraper::ElementRef<'_>| element.text().collect::<Vec<_>>().join(" ");
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    page.select(&selector).map(|element| one_line(text(element))).collect()
}

fn names(page: &Html) -> Vec<String> {
    texts(page, "a.name")
}

fn cell(page: &Html, label: &str) -> Vec<String> {
    texts(page, &format!("td[data-label=\"{label}\"]"))
}

/// Makes a key by the form; returns its id.
fn make(browser: &Browser, name: &str, scopes: &[&str]) -> String {
    let nonce = browser.get("/keys/new").body;
    let nonce = nonce.split("name=\"nonce\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut fields = vec![("name", name), ("expires", "never"), ("nonce", nonce)];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let made = browser.submit("/keys/new", "/keys/new", &fields);
    assert_eq!(made.status, 200, "{made:#?}");
    let link = made.body.split("Go to the key").next().unwrap().rsplit("/keys/").next().unwrap();
    link.split('"').next().unwrap().to_owned()
}

on_both! {
    fn a_list_says_the_same_as_the_api(backend) {
        let server = start(backend);
        let key = server.key_with("calls:read calls:write", json!({"name": "n8n", "owner": "acme"}));
        server.key_with("leads:read", json!({"name": "idle"}));
        for _ in 0..3 {
            server.call(&key, "GET", "/v1/calls", None).ok();
        }
        server.pass(Duration::from_secs(2 * 24 * 3600));
        server.call(&key, "GET", "/v1/calls", None).ok();
        server.call(&key, "GET", "/v1/whoami", None).ok();
        let shown = page(&server.db_browser(ADMIN).get("/keys"));
        assert_eq!(names(&shown), ["idle", "n8n"]);
        let usage = &server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok()["usage"];
        for (label, window) in [("24 h", "24h"), ("7 d", "7d"), ("30 d", "30d")] {
            assert_eq!(cell(&shown, label), ["0", &usage[window]["total"].to_string()], "{window}");
        }
        assert_eq!(cell(&shown, "30 d")[1], "5");
        assert_eq!(cell(&shown, "Last used"), ["never used", "just now"]);
        let sparks = texts(&shown, "svg.spark title");
        let sparks: Vec<_> = sparks.iter().map(String::as_str).collect();
        assert_eq!(
            sparks,
            ["No requests in 30 days", "5 requests in 30 days, at most 3 in a day, 2 in the last"]
        );
        assert_eq!(texts(&shown, ".tabs .count"), ["2", "0"]);
    }
}

on_both! {
    fn what_needs_a_second_look_is_remarked(backend) {
        let server = start(backend);
        let soon = json!({"name": "soon", "expires_at": "2026-12-03T12:00:00Z"});
        server.key_with("calls:read", soon);
        let idle = server.key_with("calls:read", json!({"name": "idle"}));
        server.call(&idle, "GET", "/v1/ping", None).ok();
        let admin = server.db_browser(ADMIN);
        let shown = page(&admin.get("/keys"));
        assert_eq!(cell(&shown, "Expires"), ["never", "in 12 days"]);
        assert_eq!(texts(&shown, "td .remark"), ["in 12 days"]);
        assert_eq!(names(&page(&admin.get("/keys?expiry=soon"))), ["soon"]);
        server.pass(Duration::from_secs(91 * 24 * 3600));
        let admin = server.db_browser(ADMIN);
        let shown = page(&admin.get("/keys"));
        assert_eq!(names(&shown), ["idle"]);
        assert_eq!(texts(&shown, "td .remark"), ["unused for 91 days"]);
        // It has expired without any job having run.
        let ended = page(&admin.get("/keys/retired"));
        assert_eq!((names(&ended), texts(&ended, ".tabs .count")), (vec!["soon".to_owned()], vec!["1".to_owned(), "1".to_owned()]));
    }
}

on_both! {
    fn retired_keys_say_who_ended_them_and_what_happened_since(backend) {
        let server = start(backend);
        let key = server.key_with("calls:read", json!({"name": "leaked"}));
        server.call(&key, "GET", "/v1/calls", None).ok();
        let admin = server.db_browser(ADMIN);
        let path = format!("/keys/{}/revoke", key.id);
        let asked = page(&admin.get(&path));
        assert!(texts(&asked, "main p").join(" ").contains("It is in use: 1 request"));
        let done = admin.submit(&path, &path, &[("reason", "it is in a log")]);
        assert_eq!((done.status, done.header("location")), (303, &*format!("/keys/{}", key.id)));
        for _ in 0..2 {
            server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        }
        let ended = page(&admin.get("/keys/retired"));
        assert_eq!(cell(&ended, "How it ended"), ["Revoked by ada@example.com it is in a log"]);
        assert_eq!((cell(&ended, "Total"), cell(&ended, "Attempts since")), (vec!["3".to_owned()], vec!["2".to_owned()]));
        assert_eq!(names(&page(&admin.get("/keys"))), [""; 0]);
        let shown = page(&admin.get(&format!("/keys/{}", key.id)));
        let ended = texts(&shown, "#ended").concat();
        assert!(ended.contains("Reason: it is in a log") && ended.contains("2 attempts were made"), "{ended}");
        assert_eq!(texts(&shown, ".actions a"), [""; 0]);
        // Once more changes nothing, and a retired key is not edited.
        let again = admin.submit(&format!("/keys/{}/edit", key.id).replace("/edit", ""), &path, &[("reason", "other")]);
        assert_eq!(again.status, 303);
        assert_eq!(server.revoke(&key)["revoke_reason"], "it is in a log");
        assert_eq!(admin.get(&format!("/keys/{}/edit", key.id)).status, 409);
    }
}

on_both! {
    fn a_member_meets_only_keys_of_their_own(backend) {
        let server = start(backend);
        let foreign = server.key_with("calls:read", json!({"name": "secret plan", "owner": "acme"}));
        server.call(&foreign, "GET", "/v1/calls", None).ok();
        let (member, admin) = (server.db_browser(MEMBER), server.db_browser(ADMIN));
        let own = make(&member, "mine", &["calls:read"]);
        assert_eq!(names(&page(&admin.get("/keys"))), ["mine", "secret plan"]);
        for path in ["/keys", "/keys?q=a&sort=most_used", "/keys?sort=name", "/keys?owner=acme", "/keys?q=secret"] {
            let answer = member.get(path);
            assert!(!answer.body.contains("secret plan") && !answer.body.contains(&foreign.id), "{path}");
            assert_eq!(texts(&page(&answer), ".tabs .count"), ["1", "0"], "{path}");
        }
        assert_eq!(names(&page(&member.get("/keys"))), ["mine"]);
        let file = member.get("/keys/export");
        assert!(file.body.contains(&own) && !file.body.contains(&foreign.id));
        assert_eq!(member.get(&format!("/keys/{own}")).status, 200);
        for path in ["", "/edit", "/revoke"] {
            assert_eq!(member.get(&format!("/keys/{}{path}", foreign.id)).status, 404, "{path}");
        }
        for path in ["edit", "revoke"] {
            let path = format!("/keys/{}/{path}", foreign.id);
            let answer = member.submit("/keys", &path, &[("name", "taken over"), ("reason", "x")]);
            assert_eq!(answer.status, 404, "{answer:#?}");
        }
        let seen = server.manage("GET", &format!("/v1/keys/{}", foreign.id), None).ok();
        assert_eq!((&seen["name"], &seen["status"]), (&json!("secret plan"), &json!("active")));
        let denied = server.manage("GET", "/v1/audit?action=access.denied", None).ok();
        assert!(denied["data"].as_array().unwrap().iter().any(|event| event["detail"]["attempt"] == "key.revoked"));
    }
}

on_both! {
    fn an_auditor_reads_everything_and_is_offered_nothing_to_change(backend) {
        let server = start(backend);
        let key = server.key_with("calls:read", json!({"name": "n8n"}));
        let auditor = server.db_browser(AUDITOR);
        let list = page(&auditor.get("/keys"));
        assert_eq!((names(&list), texts(&list, ".actions a")), (vec!["n8n".to_owned()], vec!["Export CSV".to_owned()]));
        let shown = page(&auditor.get(&format!("/keys/{}", key.id)));
        assert_eq!((texts(&shown, ".actions").len(), texts(&shown, "dialog").len()), (0, 0));
        for path in ["/keys/new".to_owned(), format!("/keys/{}/edit", key.id), format!("/keys/{}/revoke", key.id)] {
            assert_eq!(auditor.get(&path).status, 403, "{path}");
            assert_eq!(auditor.submit("/keys", &path, &[("name", "x")]).status, 403, "{path}");
        }
        assert_eq!(server.manage("GET", "/v1/keys", None).ok()["data"].as_array().unwrap().len(), 1);
    }
}

on_both! {
    fn a_list_is_filtered_sorted_and_paged(backend) {
        let server = start(backend);
        for (name, scopes, other) in [
            ("b", "calls:read", json!({"owner": "acme", "expires_at": "2027-01-01T00:00:00Z"})),
            ("C", "calls:write leads:read", json!({"description": "for the Ünïcode team"})),
            ("a", "knowledge_base:read", json!({"expires_at": "2026-12-01T00:00:00Z"})),
        ] {
            let mut other: Value = other;
            other["name"] = json!(name);
            let key = server.key_with(scopes, other);
            for _ in 0..u8::from(name == "b") {
                server.call(&key, "GET", "/v1/ping", None).ok();
            }
        }
        server.bitting.flush_usage().unwrap();
        server.bitting.fold_journal().unwrap();
        server.pass(Duration::from_secs(61));
        while server.bitting.summarize_keys().unwrap() {}
        let admin = server.db_browser(ADMIN);
        for (query, expected) in [
            ("", &["a", "C", "b"][..]),
            ("?q=&owner=&scope=&expiry=&sort=", &["a", "C", "b"]),
            ("?sort=name", &["a", "b", "C"]),
            ("?sort=expiry", &["a", "b", "C"]),
            ("?sort=last_used", &["b", "a", "C"]),
            ("?sort=most_used", &["b", "a", "C"]),
            ("?q=%C3%9CN%C3%8FCODE", &["C"]),
            ("?owner=acme", &["b"]),
            ("?scope=calls%3Aread", &["b"]),
            ("?scope=leads%3Aread", &["C"]),
            ("?scope=knowledge_base%3Aread", &["a"]),
            ("?expiry=soon", &["a"]),
            ("?expiry=never", &["C"]),
            ("?expiry=dated&sort=name", &["a", "b"]),
            ("?page=99", &["a", "C", "b"]),
        ] {
            assert_eq!(names(&page(&admin.get(&format!("/keys{query}")))), expected, "{query}");
        }
        for wrong in ["sort=digest", "sort=name&sort=name", "page=0", "page=-1", "scope=%2A", "expiry=x", "limit=5"] {
            assert_eq!(admin.get(&format!("/keys?{wrong}")).status, 422, "{wrong}");
        }
        // What does not end comes last, wherever it is asked for among the others.
        let all = admin.get("/keys/export?status=all&sort=retired").body;
        let exported: Vec<&str> = all.lines().skip(1).map(|line| line.split('"').nth(3).unwrap()).collect();
        assert_eq!(exported, ["b", "a", "C"]);
        let sorted = page(&admin.get("/keys?sort=expiry"));
        assert_eq!(texts(&sorted, "th[aria-sort=ascending]"), ["Expires"]);
        let none = page(&admin.get("/keys/retired?q=%C3%BCn%C3%AFcode"));
        assert!(texts(&none, "#empty").concat().contains("1 key that matches is active"));
    }
}

on_both! {
    /// What lists are sorted by counts each request once, also where keys are recounted meanwhile.
    fn the_most_used_keys_come_first_whenever_they_were_recounted(backend) {
        let server = start(backend);
        let key = |name: &str| server.key_with("calls:read", json!({"name": name}));
        let summarize = || while server.bitting.summarize_keys().unwrap() {};
        let (recounted, more) = (key("recounted"), key("used more"));
        let ping = |key: &MadeKey, times: usize| {
            for _ in 0..times {
                server.call(key, "GET", "/v1/ping", None).ok();
            }
            server.db_flush();
            server.bitting.fold_journal().unwrap();
        };
        ping(&recounted, 3);
        // Both ends of a round.
        for _ in 0..4 {
            summarize();
        }
        ping(&more, 4);
        server.pass(Duration::from_secs(61));
        // The first only adds the minute.
        assert!(server.bitting.summarize_keys().unwrap());
        let admin = server.db_browser(ADMIN);
        assert_eq!(names(&page(&admin.get("/keys?sort=most_used"))), ["used more", "recounted"]);
    }
}

#[test]
fn a_long_list_has_pages_of_fifty() {
    let server = start(Backend::Sqlite);
    for n in 0..103 {
        server.key_with("calls:read", json!({"name": format!("key {n:03}")}));
    }
    let admin = server.db_browser(ADMIN);
    let mut path = "/keys?sort=name".to_owned();
    let mut walked = Vec::new();
    for summary in ["1 to 50 of 103", "51 to 100 of 103", "101 to 103 of 103"] {
        let shown = page(&admin.get(&path));
        assert_eq!(texts(&shown, ".pages span"), [summary]);
        walked.extend(names(&shown));
        let next = Selector::parse("a[rel=next]").unwrap();
        let next = shown.select(&next).next();
        path = next.and_then(|link| link.attr("href")).unwrap_or_default().to_owned();
    }
    assert_eq!(path, "");
    assert_eq!(walked, (0..103).map(|n| format!("key {n:03}")).collect::<Vec<_>>());
    let file = admin.get("/keys/export?sort=name");
    assert_eq!(file.body.lines().count(), 104);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
}

#[test]
fn fifty_of_the_longest_make_no_page_too_large() {
    let server = start(Backend::Sqlite);
    let scopes: Vec<String> =
        resources::catalog().scopes().iter().map(|scope| scope.to_string()).collect();
    for n in 0..100 {
        let (name, owner) =
            (format!("{n:03}{}", "<".repeat(97)), format!("{n:03}{}", "Ω".repeat(197)));
        let more = json!({"name": name, "owner": owner, "description": "\"".repeat(500)});
        let key = server.key_with(&scopes.join(" "), more);
        let path = format!("/v1/keys/{}", key.id);
        server.manage("PATCH", &path, Some(&json!({"description": "<".repeat(500)}))).ok();
        if n % 2 == 0 {
            let reason = json!({"reason": "because ".repeat(62)});
            server.manage("POST", &format!("{path}/revoke"), Some(&reason)).ok();
        }
        let token = json!({"name": "&".repeat(100), "access": "write", "may_grant": scopes[1..]});
        server.db_token(&token);
    }
    // Requests on every one of thirty days, for the longest little charts.
    let hour = server.bitting.time.now().timestamp() / 3600;
    server.database.db_execute(&format!(
        "UPDATE usage_rollup SET hour = {hour}, key_number = 0, minutes_from = ({hour} - 26) * 60;
         WITH RECURSIVE days(day) AS (VALUES (0) UNION ALL SELECT day + 1 FROM days WHERE day < 29)
         INSERT INTO usage_hours SELECT number, {hour} - 1 - 24 * day, 16, 1000000 + number * 7919 * day % 999983, 0
         FROM api_keys CROSS JOIN days;
         INSERT INTO usage_sums SELECT hour, cell, SUM(n) FROM usage_hours GROUP BY hour, cell;"
    ));
    let cli = bitting::domain::principal::Principal::command_line(&*"o".repeat(60));
    for token in server.bitting.list_tokens(&cli).unwrap().iter().step_by(2) {
        server.bitting.revoke_token(token.id, Some(&"because ".repeat(62)), &cli).unwrap();
    }
    let admin = server.db_browser(ADMIN);
    for path in [
        "/keys",
        "/keys?sort=name&page=2",
        "/keys/retired",
        "/usage",
        "/audit",
        "/audit?action=key.updated",
        "/tokens",
        "/tokens/retired",
    ] {
        let shown = page(&admin.get(path));
        assert!(texts(&shown, ".rows tbody tr").len() >= 10, "{path}");
    }
}

on_both! {
    fn names_that_are_meant_as_code_are_shown_as_text(backend) {
        let server = start(backend);
        let admin = server.db_browser(ADMIN);
        for name in ["<script>alert(1)</script>", "\"><img onerror=alert(1) src=x>", "\u{202e}desrever", "🗝️", "{{7*7}}", "=1+1"] {
            let id = make(&admin, name, &["calls:read"]);
            admin.submit("/keys", &format!("/keys/{id}/edit"), &[("name", name), ("owner", name), ("description", name)]);
            for path in ["/keys".to_owned(), format!("/keys/{id}"), format!("/keys/{id}/edit"), format!("/keys/{id}/revoke"), format!("/keys/{id}/narrow"), format!("/keys/{id}/rotate")] {
                let answer = admin.get(&path);
                let shown = page(&answer);
                assert!(texts(&shown, "bdi").iter().any(|text| text == name), "{path}: {name}");
                let scripts = Selector::parse("script:not([src]), img[onerror], [style]").unwrap();
                assert_eq!(shown.select(&scripts).count(), 0, "{path}: {name}");
            }
            admin.submit("/keys", &format!("/keys/{id}/revoke"), &[("reason", name)]);
            let ended = page(&admin.get("/keys/retired"));
            assert!(texts(&ended, "td bdi").iter().any(|text| text == name), "{name}");
        }
        let file = admin.get("/keys/export").body;
        assert!(file.contains("\"'=1+1\""), "{file}");
        assert!(!file.contains("\"=1+1"), "{file}");
    }
}

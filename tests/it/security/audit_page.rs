//! The audit log as a page: in plain words, filtered, in pages, as a file, and to each their own.

use std::time::Duration;

use bitting::domain::principal::Principal;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::support::{Backend, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";
const AUDITOR: &str = "eve@example.com";

fn start(backend: Backend) -> TestServer {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    server.db_user(MEMBER, json!({"role": "member", "may_grant": ["calls:read"]}));
    server.db_user(AUDITOR, json!({"role": "auditor"}));
    server
}

fn texts(page: &str, selector: &str) -> Vec<String> {
    let page = Html::parse_document(page);
    let text = |element: scraper::ElementRef<'_>| element.text().collect::<Vec<_>>().join(" ");
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| one_line(text(element))).collect()
}

fn what(page: &str) -> Vec<String> {
    texts(page, ".what")
}

on_both! {
    fn events_are_told_in_words_and_exactly(backend) {
        let server = start(backend);
        let admin = Browser::signed_in(&server.client.base, ADMIN);
        let key = server.key_with("calls:read", json!({"name": "<script>n8n</script>"}));
        server.pass(Duration::from_secs(120));
        let path = format!("/keys/{}/revoke", key.id);
        admin.submit(&path, &path, &[("reason", "=1+1")]);
        server.pass(Duration::from_secs(3600));
        let auditor = Browser::signed_in(&server.client.base, AUDITOR);
        let page = auditor.get("/audit").body;
        let shown = what(&page);
        assert_eq!(shown[..4], ["Signed in", "Revoked a key", "Made a key", "Signed in"]);
        assert!(shown[4..].iter().all(|what| ["Added a user", "Made an admin token"].contains(&what.as_str())), "{shown:?}");
        let revoked = &texts(&page, "tbody tr")[1];
        assert!(revoked.contains("<script>n8n</script>") && revoked.contains("Reason: =1+1"), "{revoked}");
        assert!(revoked.contains(ADMIN) && revoked.contains("from 127.0.0.1"), "{revoked}");
        assert_eq!(texts(&page, "td time")[1..3], ["1 hour ago", "1 hour ago"]);
        assert!(page.contains("title=\"21 Nov 2026, 12:02:00 UTC\""));
        assert!(page.contains(&format!("<a class=\"name\" href=\"/keys/{}\">", key.id)));
        // The exact record is what a program gets.
        let exact: Value = serde_json::from_str(&texts(&page, "details pre")[1]).unwrap();
        let api = server.manage("GET", "/v1/audit?action=key.revoked", None).ok();
        assert_eq!(exact, api["data"][0]);
        let file = auditor.get("/audit/export?action=key.revoked").body;
        let line = file.lines().nth(1).unwrap();
        assert!(line.contains(",\"2026-11-21T12:02:00.000Z\",\"key.revoked\",\"user\","), "{line}");
        assert_eq!(file.lines().count(), 2);
    }
}

on_both! {
    fn the_log_is_filtered_and_its_file_alike(backend) {
        let server = start(backend);
        let keys = ["a", "b"].map(|name| server.key_with("calls:read", json!({"name": name})));
        server.pass(Duration::from_secs(24 * 3600));
        server.revoke(&keys[0]);
        let admin = Browser::signed_in(&server.client.base, ADMIN);
        let id = &keys[0].id;
        for (query, expected) in [
            ("action=key.created".to_owned(), &["Made a key", "Made a key"][..]),
            (format!("key_id={id}"), &["Revoked a key", "Made a key"]),
            (format!("key_id={id}&from=2026-11-22"), &["Revoked a key"]),
            (format!("key_id={id}&to=2026-11-21&action="), &["Made a key"]),
            (format!("key_id={id}&from=2026-11-21&to=2026-11-22"), &["Revoked a key", "Made a key"]),
            ("from=2026-11-23".to_owned(), &[]),
            ("action=but_signing_in&from=2026-11-22".to_owned(), &["Revoked a key"]),
            ("action=login.succeeded".to_owned(), &["Signed in"]),
            ("to=2026-11-20".to_owned(), &[]),
        ] {
            assert_eq!(what(&admin.get(&format!("/audit?{query}")).body), expected, "{query}");
            let file = admin.get(&format!("/audit/export?{query}")).body;
            assert_eq!(file.lines().count(), expected.len() + 1, "{query}");
        }
        let page = admin.get(&format!("/audit?key_id={id}&to=2026-11-21")).body;
        assert!(page.contains(&format!("/audit/export?key_id={id}&amp;to=2026-11-21"))
            || page.contains(&format!("/audit/export?key_id={id}&#38;to=2026-11-21")), "{page}");
        for wrong in ["action=x", "key_id=x", "from=today", "from=2026-11-1", "to=2026-02-30", "cursor=x", "limit=5", "actor_type=x", "actor_id=a"] {
            assert_eq!(admin.get(&format!("/audit?{wrong}")).status, 422, "{wrong}");
        }
    }
}

on_both! {
    fn events_are_filtered_by_who_did_it(backend) {
        let server = start(backend);
        let first = server.key_with("calls:read", json!({"name": "by the token"}));
        let admin = Browser::signed_in(&server.client.base, ADMIN);
        let path = format!("/keys/{}/revoke", first.id);
        admin.submit(&path, &path, &[]);
        Browser::new(&server.client.base).log_in(MEMBER, "not the right password");
        let ada = server.database.db_texts("SELECT id FROM users WHERE email = 'ada@example.com'").remove(0);
        let token = server.database.db_texts("SELECT id FROM admin_tokens").remove(0);
        let by_ada = ["Revoked a key", "Signed in"];
        for (query, expected) in [
            ("actor_type=token".to_owned(), &["Made a key"][..]),
            ("actor_type=cli".to_owned(), &["Added a user", "Added a user", "Added a user", "Made an admin token"]),
            ("actor_type=user".to_owned(), &["Failed to sign in", "Revoked a key", "Signed in"]),
            ("actor=ada@example.com".to_owned(), &by_ada),
            ("actor=%20ADA@Example.com".to_owned(), &by_ada),
            (format!("actor={ada}"), &by_ada),
            (format!("actor={token}&actor_type="), &["Made a key"]),
            // A failed login has an address and no user.
            (format!("actor={MEMBER}"), &["Failed to sign in"]),
            ("actor=ada".to_owned(), &[]),
            ("actor=ada@example.com&actor_type=cli".to_owned(), &[]),
            (format!("actor=ada@example.com&action=key.revoked&key_id={}", first.id), &["Revoked a key"]),
        ] {
            let page = admin.get(&format!("/audit?{query}")).body;
            assert_eq!(what(&page), expected, "{query}");
            let file = admin.get(&format!("/audit/export?{query}")).body;
            assert_eq!(file.lines().count(), expected.len() + 1, "{query}");
        }
        let page = admin.get("/audit?actor_type=user&actor=ada@example.com").body;
        assert!(page.contains("/audit/export?actor_type=user&#38;actor=ada%40example.com"), "{page}");
        assert!(page.contains("<option value=\"user\" selected>") && page.contains("value=\"ada@example.com\""));
        // The API has the parameters it had.
        server.manage("GET", "/v1/audit?actor=ada@example.com", None).expect(422, "validation_failed");
        let member = Browser::signed_in(&server.client.base, MEMBER);
        assert_eq!(what(&member.get("/audit?actor_type=token").body), [""; 0], "what is not theirs stays so");
    }
}

on_both! {
    fn a_member_is_told_of_their_own_doings_alone(backend) {
        let server = start(backend);
        let foreign = server.key_with("calls:read", json!({"name": "secret plan"}));
        let member = Browser::signed_in(&server.client.base, MEMBER);
        assert_eq!(member.get(&format!("/keys/{}", foreign.id)).status, 404);
        let page = member.get("/audit").body;
        assert_eq!(what(&page), ["Was refused", "Signed in"]);
        // No link leads to what is another's, and neither does a filter.
        assert!(!page.contains("secret plan") && !page.contains(&format!("href=\"/keys/{}", foreign.id)));
        assert_eq!(what(&member.get(&format!("/audit?key_id={}", foreign.id)).body), ["Was refused"]);
        let file = member.get("/audit/export").body;
        assert!(file.lines().count() == 3 && !file.contains("secret plan"), "{file}");
        assert_eq!(Browser::new(&server.client.base).get("/audit").status, 303);
    }
}

on_both! {
    fn what_was_refused_says_which_scope_and_names_stand_for_ids(backend) {
        let server = start(backend);
        let token = server.db_token(&json!({"name": "ci", "access": "write", "may_grant": ["calls:read"]}));
        let new = json!({"name": "x", "scopes": ["calls:read", "leads:write"]});
        server.client.with_key(&token, "POST", "/v1/keys", Some(&new)).expect(403, "insufficient_scope");
        let member = Browser::signed_in(&server.client.base, MEMBER);
        let made = member.submit("/keys/new", "/keys/new", &[("name", "Bob's"), ("expires", "7d"), ("scope", "calls:read")]);
        assert_eq!(made.status, 200);
        let cli = Principal::command_line("test");
        let id_of = |email: &str| server.bitting.find_user_by_email(&cli, &email.parse().unwrap()).unwrap().id;
        let (bob, ada) = (id_of(MEMBER), id_of(ADMIN));
        server.bitting.disable_user(&cli, bob, Some(ada)).unwrap();
        let auditor = Browser::signed_in(&server.client.base, AUDITOR);
        let rows = texts(&auditor.get("/audit?action=but_signing_in").body, "tbody tr");
        let row = |what: &str| rows.iter().find(|row| row.starts_with(what)).unwrap_or_else(|| panic!("{rows:#?}"));
        let refused = row("Was refused");
        assert!(refused.contains("Tried to make a key with calls:read, leads:write"), "{refused}");
        assert!(refused.contains("May not grant leads:write "), "{refused}");
        let handed = row("Changed a key Bob's");
        assert!(handed.contains(&format!("holder from “{MEMBER}” to “{ADMIN}”")), "{handed}");
    }
}

on_both! {
    fn a_member_is_told_no_name_of_what_is_anothers(backend) {
        let server = start(backend);
        let foreign = server.key_with("calls:read", json!({"name": "secret plan"}));
        let member = Browser::signed_in(&server.client.base, MEMBER);
        let path = format!("/keys/{}/revoke", foreign.id);
        assert_eq!(member.submit("/keys", &path, &[]).status, 404);
        let page = member.get("/audit?action=access.denied").body;
        assert!(!what(&page).is_empty() && !page.contains("secret plan"), "{page}");
        let auditor = Browser::signed_in(&server.client.base, AUDITOR);
        let row = texts(&auditor.get("/audit?action=access.denied").body, "tbody tr").remove(0);
        assert!(row.contains("secret plan") && row.contains("Tried to revoke a key"), "{row}");
    }
}

#[test]
fn a_long_log_is_walked_page_by_page_and_exported_whole() {
    let server = start(Backend::Sqlite);
    for n in 0..103 {
        server.key_with("calls:read", json!({"name": format!("key {n:03}")}));
    }
    let admin = Browser::signed_in(&server.client.base, ADMIN);
    let (mut path, mut walked) = ("/audit?action=key.created".to_owned(), Vec::new());
    let (mut sizes, mut said, mut ways) = (Vec::new(), Vec::new(), Vec::new());
    while !path.is_empty() {
        let page = admin.get(&path).body;
        sizes.push(what(&page).len());
        said.extend(texts(&page, "nav.pages span"));
        ways.push(texts(&page, "nav.pages a"));
        walked.extend(texts(&page, "a.name"));
        let page = Html::parse_document(&page);
        let next = Selector::parse("a[rel=next]").unwrap();
        path = page
            .select(&next)
            .next()
            .and_then(|link| link.attr("href"))
            .unwrap_or_default()
            .to_owned();
    }
    assert_eq!(sizes, [50, 50, 3]);
    assert_eq!(said, ["the newest 50 events", "50 events from before", "3 events from before"]);
    assert_eq!(ways, [vec!["Next"], vec!["Newest", "Next"], vec!["Newest"]]);
    assert_eq!(walked, (0..103).rev().map(|n| format!("key {n:03}")).collect::<Vec<_>>());
    assert_eq!(admin.get("/audit/export?action=key.created").body.lines().count(), 104);
}

on_both! {
    fn what_the_log_cannot_be_asked_for_is_refused_before_an_answer_begins(backend) {
        let server = start(backend);
        let member = Browser::signed_in(&server.client.base, MEMBER);
        let days = ["-9999-01-1", "-4800-1-01", "+2027-1-01", "0000-01-01", "2027-1-031", "2027-02-30"];
        let days = days.iter().flat_map(|day| ["from", "to"].map(|name| (name, day.replace('+', "%2B"))));
        for (name, value) in days.chain([("cursor", "NSRBwmFiYw".to_owned())]) {
            for path in ["/audit", "/audit/export"] {
                let refused = member.get(&format!("{path}?{name}={value}"));
                assert_eq!(refused.status, 422, "{path} {name} {value}");
                assert!(refused.body.contains(&format!("{name} ")), "{path} {name}: {}", refused.body);
            }
        }
        for (day, is_shown) in [("0001-01-01", false), ("9999-12-31", true)] {
            assert_eq!(!what(&member.get(&format!("/audit?to={day}")).body).is_empty(), is_shown, "{day}");
            assert_eq!(!what(&member.get(&format!("/audit?from={day}")).body).is_empty(), !is_shown, "{day}");
        }
    }
}

//! `/keys/{id}/rotate` without scripts, and what the pages of both keys say afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::html::{attributes, text, texts};
use crate::support::server::MadeKey;
use crate::support::{Browser, TestServer, eventually, on_both};

const ADMIN: &str = "ada@example.com";

fn start(backend: crate::support::Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let browser = server.db_browser(ADMIN);
    (server, browser)
}

fn shown(server: &TestServer, id: &str) -> Value {
    server.manage("GET", &format!("/v1/keys/{id}"), None).ok()
}

on_both! {
    fn a_key_is_rotated_and_both_pages_tell_of_it(backend) {
        let (server, browser) = start(backend);
        let old = server.key_with("calls:read", json!({"name": "n8n", "owner": "acme", "expires_at": "2026-12-21T12:00:00Z"}));
        for _ in 0..3 {
            server.call(&old, "GET", "/v1/calls", None).ok();
        }
        let page = format!("/keys/{}", old.id);
        let path = format!("{page}/rotate");
        assert!(attributes(&browser.get(&page), ".actions a", "href").contains(&path));
        let form = browser.get(&path);
        assert_eq!(attributes(&form, "input[name=overlap][checked]", "value"), ["7d"]);
        assert_eq!(attributes(&form, "input[name=expires][checked]", "value"), ["keep"]);
        assert_eq!(attributes(&form, "input[name=expires]", "value"), ["keep", "7d", "60d", "90d", "365d", "date"]);
        assert!(text(&form, "#in-use").starts_with("It was used in the last 24 hours: 3 requests"));
        // What will happen, for every choice there is.
        let then = |selector: &str| text(&form, selector);
        assert!(then("[data-overlap='7d']").starts_with("28 Nov 2026, 12:00:00 UTC The old key stops working."));
        assert!(then("[data-overlap='90d']").starts_with("21 Dec 2026, 12:00:00 UTC The old key expires, as it would anyway."));
        assert!(then("[data-overlap='0']").starts_with("At once The old key stops working as soon as"));
        assert_eq!(then("[data-expires='keep']"), "21 Dec 2026, 12:00:00 UTC The new key expires.");
        assert_eq!(then("[data-expires='365d']"), "21 Nov 2027, 12:00:00 UTC The new key expires.");
        for choice in ["overlap", "expires"] {
            let values = attributes(&form, &format!("input[name={choice}]"), "value");
            assert_eq!(attributes(&form, &format!("[data-{choice}]"), &format!("data-{choice}")), values);
        }

        let nonce = attributes(&form, "input[name=nonce]", "value")[0].clone();
        let fields = [("nonce", nonce.as_str()), ("overlap", "1d"), ("expires", "365d")];
        let made = browser.submit(&path, &path, &fields);
        assert_eq!(made.status, 200, "{made:#?}");
        let secret = text(&made, "#new-key");
        server.client.with_key(&secret, "GET", "/v1/calls", None).ok();
        assert!(text(&made, "#replaced").contains("works until 22 Nov 2026, 12:00:00 UTC (in 24 hours)"), "{made:#?}");
        let id = shown(&server, &old.id)["replaced_by"].as_str().unwrap().to_owned();
        assert_eq!(shown(&server, &id)["expires_at"], "2027-11-21T12:00:00.000Z");
        // The same form again makes no other key, and shows nothing.
        let again = browser.submit(&page, &path, &fields);
        assert_eq!((again.status, again.header("location")), (303, &*format!("/keys/{id}")));
        let other = browser.submit(&page, &path, &[("overlap", "1d"), ("expires", "keep")]);
        assert_eq!(other.status, 409);
        assert!(other.body.contains(&id));
        assert_eq!(browser.get(&path).status, 409);

        // Addresses are written with the counts, which may be a moment later.
        eventually("the address of the old key is known", || {
            shown(&server, &old.id)["addresses"] != json!([])
        });
        let old_page = browser.get(&page);
        let told = text(&old_page, "#replaced-by");
        assert!(told.starts_with("Rotated:") && told.contains("works until 22 Nov 2026, 12:00:00 UTC"), "{told}");
        assert!(told.contains("3 requests; of late from 127.0.0.1"), "{told}");
        assert_eq!(attributes(&old_page, "#replaced-by a", "href"), [format!("/keys/{id}")]);
        assert!(!attributes(&old_page, ".actions a", "href").contains(&path));
        let new_page = browser.get(&format!("/keys/{id}"));
        let told = text(&new_page, "#replaces");
        assert!(told.contains("which works until 22 Nov 2026") && told.contains("3 requests; of late from 127.0.0.1"), "{told}");
        assert_eq!(texts(&new_page, ".timeline li").len(), 2);
        assert!(new_page.body.contains("2 keys in this line"));

        server.pass(Duration::from_secs(24 * 3600));
        let browser = server.db_browser(ADMIN);
        server.call(&old, "GET", "/v1/calls", None).expect(401, "key_expired");
        let told = text(&browser.get(&format!("/keys/{id}")), "#replaces");
        assert!(told.contains("which ended just now") && told.contains("tried 1 time since it ended"), "{told}");
        let history = browser.get(&page).body;
        assert!(history.contains("expiry from 21 Dec 2026, 12:00:00 UTC to 22 Nov 2026, 12:00:00 UTC"), "{history}");
        let exported = browser.get("/keys/export").body;
        assert!(exported.lines().next().unwrap().contains("\"replaces\",\"replaced_by\""), "{exported}");
        assert!(exported.contains(&format!("\"{}\",\"\"", old.id)), "{exported}");
    }
}

on_both! {
    fn what_is_wrong_is_said_beside_its_field(backend) {
        let (server, browser) = start(backend);
        let key = server.key("calls:read");
        let path = format!("/keys/{}/rotate", key.id);
        for (fields, id, words) in [
            (&[("expires", "keep")][..], "overlap", "must be a time from 0 to 90d"),
            (&[("overlap", "91d"), ("expires", "keep")], "overlap", "must be a time from 0 to 90d"),
            (&[("overlap", "7d")], "expires", "must be chosen"),
            (&[("overlap", "7d"), ("expires", "date"), ("expires_on", "2026-11-01")], "expires_on", "must be in the future"),
            (&[("overlap", "7d"), ("expires", "date"), ("expires_on", "x")], "expires_on", "must be a date"),
            (&[("overlap", "7d"), ("expires", "date"), ("expires_on", "2040-01-01")], "expires_on", "10 years"),
        ] {
            let refused = browser.submit(&path, &path, fields);
            assert_eq!(refused.status, 422, "{fields:?}");
            let told = text(&refused, &format!("#{id}-error"));
            assert!(told.contains(words), "{fields:?}: {told}");
            for (name, value) in fields.iter().filter(|(name, value)| *name == "overlap" && *value == "7d") {
                assert_eq!(attributes(&refused, &format!("input[name={name}][checked]"), "value"), [*value]);
            }
        }
        let both = browser.submit(&path, &path, &[("overlap", "x"), ("expires", "x")]);
        assert_eq!(texts(&both, "#faults li").len(), 2);
        assert_eq!(shown(&server, &key.id)["replaced_by"], Value::Null);
        server.revoke(&key);
        assert_eq!(browser.get(&path).status, 409);
    }
}

on_both! {
    fn a_member_rotates_what_is_theirs_and_what_they_may_grant(backend) {
        let (server, _) = start(backend);
        let member = server.db_user("bo@example.com", json!({"role": "member", "may_grant": ["calls:read"]}));
        server.db_user("cy@example.com", json!({"role": "auditor"}));
        let [own, more, foreign] = ["calls:read", "calls:read leads:write", "calls:read"].map(|scopes| server.key(scopes));
        let ids = format!("'{}', '{}'", own.id, more.id);
        server.database.db_execute(&format!("UPDATE api_keys SET user_id = '{}' WHERE id IN ({ids})", member.id));
        let browser = server.db_browser("bo@example.com");
        let path = |key: &MadeKey| format!("/keys/{}/rotate", key.id);
        let fields = [("overlap", "7d"), ("expires", "keep")];
        let lacking = browser.get(&path(&more));
        assert!(text(&lacking, "#no-grants").starts_with("You may not grant leads:write"), "{lacking:#?}");
        assert_eq!(browser.submit("/keys", &path(&more), &fields).status, 403);
        assert_eq!(browser.get(&path(&foreign)).status, 404);
        assert_eq!(browser.submit("/keys", &path(&foreign), &fields).status, 404);
        let auditor = server.db_browser("cy@example.com");
        assert_eq!(auditor.get(&path(&own)).status, 403);
        let made = browser.submit(&path(&own), &path(&own), &fields);
        assert_eq!(made.status, 200);
        let id = shown(&server, &own.id)["replaced_by"].as_str().unwrap().to_owned();
        assert_eq!(browser.get(&format!("/keys/{id}")).status, 200, "the new key is theirs");
    }
}

on_both! {
    fn a_line_is_revoked_by_a_box(backend) {
        let (server, browser) = start(backend);
        let old = server.key("calls:read");
        let alone = browser.get(&format!("/keys/{}/revoke", old.id));
        assert!(attributes(&alone, "input[name=lineage]", "value").is_empty());
        let rotate = format!("/keys/{}/rotate", old.id);
        let made = browser.submit(&rotate, &rotate, &[("overlap", "7d"), ("expires", "keep")]);
        let secret = text(&made, "#new-key");
        let path = format!("/keys/{}/revoke", old.id);
        assert!(browser.get(&path).body.contains("all 2 keys"));
        assert_eq!(browser.submit(&path, &path, &[("lineage", "true"), ("reason", "leaked")]).status, 303);
        for key in [&old.secret, &secret] {
            server.client.with_key(key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        }
    }
}

on_both! {
    fn a_life_is_said_in_whole_days(backend) {
        let (server, browser) = start(backend);
        // Made some seconds after the request that said the end was thought of.
        let key = server.key_with("calls:read", json!({"expires_at": "2027-02-19T11:59:30Z"}));
        let form = browser.get(&format!("/keys/{}/rotate", key.id));
        assert!(text(&form, "main").contains("90 days, as before"), "{form:#?}");
        assert!(!attributes(&form, "input[name=expires]", "value").contains(&"90d".to_owned()));
    }
}

on_both! {
    fn the_page_of_a_rotated_key_says_so_where_its_successor_is_somebody_elses(backend) {
        let (server, _admin) = start(backend);
        server.db_user("bob@example.com", json!({"may_grant": ["calls:read"]}));
        server.db_user("cy@example.com", json!({"may_grant": ["calls:read"]}));
        let key = server.key("calls:read");
        let here = format!("/v1/keys/{}", key.id);
        server.manage("PATCH", &here, Some(&json!({"holder": "bob@example.com"}))).ok();
        let new = server.manage("POST", &format!("{here}/rotate"), None).json();
        let there = format!("/v1/keys/{}", new["id"].as_str().unwrap());
        server.manage("PATCH", &there, Some(&json!({"holder": "cy@example.com"}))).ok();
        let page = server.db_browser("bob@example.com").get(&format!("/keys/{}", key.id));
        assert_eq!(text(&page, "#replaced-by"), "Rotated: a key of somebody else's takes its place.");
        assert!(!page.body.contains("/rotate\"") && !page.body.contains(new["id"].as_str().unwrap()));
    }
}

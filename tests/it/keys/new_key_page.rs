//! The form of a new key, and the one answer that shows it.

use scraper::{Html, Selector};
use serde_json::json;

use crate::support::browser::form_token;
use crate::support::{Answer, Backend, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";

fn start(backend: Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let browser = server.db_browser(ADMIN);
    (server, browser)
}

fn text(answer: &Answer, selector: &str) -> String {
    let page = Html::parse_document(&answer.body);
    let found = page.select(&Selector::parse(selector).unwrap()).next();
    found.map(|element| element.text().collect::<String>()).unwrap_or_default()
}

fn attributes(answer: &Answer, selector: &str, name: &str) -> Vec<String> {
    let page = Html::parse_document(&answer.body);
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).filter_map(|element| element.attr(name)).map(str::to_owned).collect()
}

/// Opens the form and sends it filled in like this.
fn send(browser: &Browser, fields: &[(&str, &str)]) -> Answer {
    let form = browser.get("/keys/new");
    let nonce = attributes(&form, "input[name=nonce]", "value").remove(0);
    let mut all = vec![("nonce", nonce.as_str())];
    all.extend(fields);
    browser.submit("/keys/new", "/keys/new", &all)
}

const GOOD: [(&str, &str); 6] = [
    ("name", "n8n"),
    ("owner", "acme"),
    ("description", "two\r\nlines"),
    ("expires", "90d"),
    ("scope", "calls:read"),
    ("scope", "leads:write"),
];

on_both! {
    fn a_key_is_made_shown_once_and_works(backend) {
        let (server, browser) = start(backend);
        let made = send(&browser, &GOOD);
        assert_eq!((made.status, made.header("cache-control")), (200, "no-store"), "{made:#?}");
        let secret = text(&made, "#new-key");
        assert!(secret.starts_with("btk_") && secret.len() == 42, "{secret}");
        assert_eq!(made.body.matches(&secret).count(), 1);
        assert_eq!(text(&made, ".sentence"), "This key can read calls and write leads until 19 February 2027.");
        assert!(text(&made, "#sample").contains("/v1/calls"));
        let me = server.client.with_key(&secret, "GET", "/v1/whoami", None).ok();
        assert_eq!((&me["name"], &me["scopes"]), (&json!("n8n"), &json!(["calls:read", "leads:write"])));
        assert_eq!(me["expires_at"], "2027-02-19T12:00:00.000Z");
        let id = me["id"].as_str().unwrap();
        let key = server.manage("GET", &format!("/v1/keys/{id}"), None).ok();
        assert_eq!(key["created_by"]["name"], ADMIN);
        assert_eq!(key["description"], "two\nlines");
        for path in [format!("/keys/{id}"), "/keys".to_owned(), format!("/keys/{id}/edit"), "/keys/export".to_owned()] {
            assert!(!browser.get(&path).body.contains(&secret), "{path}");
        }
    }
}

on_both! {
    fn a_form_that_is_sent_again_makes_no_second_key(backend) {
        let (server, browser) = start(backend);
        let form = browser.get("/keys/new");
        let nonce = attributes(&form, "input[name=nonce]", "value").remove(0);
        let token = form_token(&form);
        let mut fields = GOOD.to_vec();
        fields.extend([("nonce", nonce.as_str()), ("form_token", token.as_str())]);
        let origin = [("origin", server.client.base.as_str())];
        let made = browser.post_with("/keys/new", &fields, &origin);
        assert_eq!(made.status, 200);
        let me = server.client.with_key(&text(&made, "#new-key"), "GET", "/v1/whoami", None).ok();
        let page = format!("/keys/{}", me["id"].as_str().unwrap());
        for _ in 0..2 {
            let again = browser.post_with("/keys/new", &fields, &origin);
            assert_eq!((again.status, again.header("location")), (303, page.as_str()), "{again:#?}");
        }
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 1);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM audit_events WHERE action = 'key.created'"), 1);
        // Even at the same moment.
        let form = browser.get("/keys/new");
        let nonce = attributes(&form, "input[name=nonce]", "value").remove(0);
        let mut fields = GOOD.to_vec();
        fields[0].1 = "another";
        fields.extend([("nonce", nonce.as_str()), ("form_token", token.as_str())]);
        std::thread::scope(|scope| {
            let sent: Vec<_> = (0..4).map(|_| scope.spawn(|| browser.post_with("/keys/new", &fields, &origin).status)).collect();
            let mut sent: Vec<u16> = sent.into_iter().map(|sent| sent.join().unwrap()).collect();
            sent.sort_unstable();
            assert_eq!(sent, [200, 303, 303, 303]);
        });
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 2);
    }
}

on_both! {
    fn what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(backend) {
        let (server, browser) = start(backend);
        let long = "x".repeat(501);
        let sent = send(&browser, &[("name", " "), ("owner", "a\u{7}b"), ("description", &long), ("expires", "date"), ("expires_on", "2020-01-01")]);
        assert_eq!(sent.status, 422);
        let links = attributes(&sent, "#faults a", "href");
        assert_eq!(links, ["#name", "#owner", "#description", "#expires_on", "#scope"]);
        for id in ["name", "owner", "description", "expires_on", "scope"] {
            assert_ne!(text(&sent, &format!("#{id}-error")), "", "{id}");
            let described = attributes(&sent, &format!("#{id}"), "aria-describedby");
            assert!(described.concat().contains(&format!("{id}-error")), "{id}");
        }
        assert_eq!(attributes(&sent, "#name", "aria-invalid"), ["true"]);
        assert_eq!(text(&sent, "#description"), long);
        assert_eq!(attributes(&sent, "input[name=expires][checked]", "value"), ["date"]);
        assert_eq!(attributes(&sent, "#expires_on", "value"), ["2020-01-01"]);
        for (field, wrong) in [
            ("scope", "*"), ("scope", "analytics:write"), ("scope", "calls:read "), ("scope", "keys:write"),
            ("expires", ""), ("expires", "0"), ("expires", "12h"), ("name", "btk_00000000000000000000000000000000000000"),
        ] {
            let mut fields = GOOD.to_vec();
            fields.retain(|(name, _)| *name != field || field == "scope");
            fields.push((field, wrong));
            let sent = send(&browser, &fields);
            assert_eq!(sent.status, 422, "{field}={wrong}: {sent:#?}");
            assert_eq!(attributes(&sent, "input[value='calls:read'][checked]", "name"), ["scope"]);
        }
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 0);
    }
}

on_both! {
    fn a_name_that_is_taken_is_said_before_the_key_is_made(backend) {
        let (server, browser) = start(backend);
        assert_eq!(send(&browser, &GOOD).status, 200);
        let warned = send(&browser, &GOOD);
        assert_eq!((warned.status, text(&warned, "#same-name").contains("n8n")), (409, true));
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 1);
        let same_name = attributes(&warned, "input[name=same_name]", "value").remove(0);
        let nonce = attributes(&warned, "input[name=nonce]", "value").remove(0);
        let mut again = GOOD.to_vec();
        again.extend([("same_name", same_name.as_str()), ("nonce", nonce.as_str())]);
        assert_eq!(browser.submit("/keys/new", "/keys/new", &again).status, 200);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 2);
    }
}

on_both! {
    fn a_member_is_offered_and_gives_only_what_they_may(backend) {
        let (server, _) = start(backend);
        server.db_user(MEMBER, json!({"role": "member", "may_grant": ["calls:read"]}));
        server.db_user("new@example.com", json!({"role": "member"}));
        let member = server.db_browser(MEMBER);
        let form = member.get("/keys/new");
        assert_eq!(attributes(&form, "input[name=scope]", "value"), ["calls:read"]);
        assert_ne!(text(&form, "#limited"), "");
        let sent = send(&member, &GOOD);
        assert_eq!((sent.status, sent.header("content-type")), (403, "text/html; charset=utf-8"));
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 0);
        let denied = server.manage("GET", "/v1/audit?action=access.denied", None).ok();
        assert_eq!(denied["data"][0]["actor"]["name"], MEMBER);
        let none = server.db_browser("new@example.com").get("/keys/new");
        assert_ne!(text(&none, "#no-grants"), "");
        assert_eq!(attributes(&none, "input[name=scope]", "value"), [""; 0]);
    }
}

on_both! {
    fn limits_are_typed_shown_and_changed(backend) {
        let (server, browser) = start(backend);
        let limits = [("rate_limit", "600/minute"), ("quota", " 50000/day "), ("allowed_networks", "10.0.0.0/8, ::1")];
        let made = send(&browser, &[&GOOD[..], &limits].concat());
        assert_eq!(made.status, 200, "{made:#?}");
        let key = server.manage("GET", "/v1/keys", None).ok()["data"][0].clone();
        assert_eq!(key["quota"], json!({"requests": 50_000, "per": "day"}));
        let id = key["id"].as_str().unwrap();
        let facts = text(&browser.get(&format!("/keys/{id}")), "dl.facts");
        for words in ["600 requests a minute", "50,000 requests a day (UTC)", "10.0.0.0/8 ::1/128"] {
            assert!(facts.contains(words), "{facts}");
        }
        let edit = format!("/keys/{id}/edit");
        let form = browser.get(&edit);
        assert_eq!(attributes(&form, "#rate_limit", "value"), ["600/minute"]);
        assert_eq!(attributes(&form, "#allowed_networks", "value"), ["10.0.0.0/8 ::1/128"]);
        let bad = [("name", "n8n"), ("rate_limit", "600"), ("quota", "0/day"), ("allowed_networks", "10.0.0.1/8")];
        let refused = browser.submit(&edit, &edit, &bad);
        assert_eq!(refused.status, 422);
        for (id, words) in [("rate_limit", "such as 600/second"), ("quota", "must be 1 to 1000000000 requests"), ("allowed_networks", "write 10.0.0.0/8")] {
            assert!(text(&refused, &format!("#{id}-error")).contains(words), "{id}");
        }
        let saved = browser.submit(&edit, &edit, &[("name", "n8n"), ("rate_limit", ""), ("quota", "9/month")]);
        assert_eq!(saved.status, 303);
        let key = server.manage("GET", &format!("/v1/keys/{id}"), None).ok();
        assert_eq!((&key["rate_limit"], &key["quota"]), (&json!(null), &json!({"requests": 9, "per": "month"})));
        let history = browser.get(&format!("/keys/{id}"));
        assert!(history.body.contains("quota from 50000/day to 9/month"), "{history:#?}");
    }
}

on_both! {
    fn a_grant_that_is_taken_away_meanwhile_loses_nothing_of_the_form(backend) {
        let (server, admin) = start(backend);
        let bob = server.db_user(MEMBER, json!({"may_grant": ["calls:read", "leads:read"]}));
        let browser = server.db_browser(MEMBER);
        let typed = [("name", "n8n"), ("expires", "7d"), ("scope", "calls:read"), ("scope", "leads:read")];
        assert_eq!(send(&browser, &typed).status, 200);
        let rotate = {
            let keys = server.manage("GET", "/v1/keys", None).ok();
            format!("/keys/{}/rotate", keys["data"][0]["id"].as_str().unwrap())
        };
        let form_of_rotation = browser.get(&rotate);
        for (may_grant, lacking) in [(vec!["calls:read"], "leads:read"), (vec![], "calls:read, leads:read")] {
            let user = format!("/users/{}", bob.id);
            let rights: Vec<_> = may_grant.iter().map(|scope| ("may_grant", *scope)).chain([("role", "member")]).collect();
            assert_eq!(admin.submit(&user, &user, &rights).status, 303);
            let mut other = typed;
            other[0].1 = "another";
            let refused = send_to_member(&browser, &other);
            assert_eq!((refused.status, attributes(&refused, "#name", "value")), (403, vec!["another".to_owned()]));
            assert!(text(&refused, "#scope-error").contains(&format!("must not name {lacking}, ")), "{}", refused.body);
            let token = form_token(&form_of_rotation);
            let fields = [("form_token", &*token), ("overlap", "7d"), ("expires", "keep")];
            let refused = browser.post_with(&rotate, &fields, &[]);
            assert_eq!(refused.status, 403);
            assert!(text(&refused, "#no-grants").contains(&format!("may not grant {lacking}")), "{}", refused.body);
        }
    }
}

/// Sends the form of somebody who opened it when they still might grant something.
fn send_to_member(browser: &Browser, fields: &[(&str, &str)]) -> Answer {
    let token = form_token(&browser.get("/account"));
    let mut all = vec![("form_token", token.as_str())];
    all.extend(fields);
    browser.post_with("/keys/new", &all, &[])
}

on_both! {
    fn a_day_too_far_away_is_said_to_be_so(backend) {
        let (server, browser) = start(backend);
        let key = server.key("calls:read");
        let page = |name: &str| format!("/keys/{}/{name}", key.id);
        let kept = [("scope", "calls:read"), ("overlap", "7d"), ("name", "x"), ("access", "read"), ("bounds", "all")];
        for (path, far) in [
            ("/keys/new".to_owned(), "at most 10 years away"), (page("narrow"), "at most 10 years away"),
            (page("rotate"), "at most 10 years away"), ("/tokens/new".to_owned(), "at most a year away"),
        ] {
            for (day, why) in [
                ("9999-12-30", far), ("9999-12-31", far), ("0001-01-01", "in the future"),
                ("10000-01-01", "must be a date"), ("-0001-01-1", "must be a date"),
            ] {
                let fields = [&kept[..], &[("expires", "date"), ("expires_on", day)]].concat();
                let refused = browser.submit(&path, &path, &fields);
                let said = text(&refused, "#expires_on-error");
                assert!(refused.status == 422 && said.contains(why), "{path} {day}: {said}");
            }
        }
    }
}

//! The page of all usage: its figures are those of the API, and to each the keys they may see.

use scraper::{Html, Selector};
use serde_json::json;

use crate::support::{Answer, Backend, Browser, TestServer, on_both};

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

const MOST: &str = "section[aria-labelledby=most-used] tbody tr";

/// Makes a key by the form, as a member does, and returns its id and secret.
fn make(browser: &Browser, name: &str) -> (String, String) {
    let nonce = browser.get("/keys/new").body;
    let nonce = nonce.split("name=\"nonce\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("name", name), ("expires", "never"), ("nonce", nonce), ("scope", "calls:read")];
    let made = browser.submit("/keys/new", "/keys/new", &fields).body;
    let link = made.split("Go to the key").next().unwrap().rsplit("/keys/").next().unwrap();
    (link.split('"').next().unwrap().to_owned(), texts(&made, "#new-key").concat())
}

on_both! {
    fn the_figures_of_all_keys_are_those_of_the_api(backend) {
        let server = start(backend);
        let busy = server.key_with("calls:read analytics:read", json!({"name": "busy"}));
        let idle = server.key_with("leads:write", json!({"name": "less busy", "owner": "acme"}));
        server.key_with("leads:write", json!({"name": "unused"}));
        for _ in 0..4 {
            server.call(&busy, "GET", "/v1/calls", None).ok();
        }
        server.call(&idle, "POST", "/v1/leads", Some(&json!({}))).expect(422, "validation_failed");
        server.call(&idle, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
        server.revoke(&idle);
        server.call(&idle, "GET", "/v1/leads", None).expect(401, "key_revoked");
        let all = server.call(&busy, "GET", "/v1/analytics/usage", None).ok();
        // That request itself is counted by now, and no longer when it answered.
        let browser = server.db_browser(AUDITOR);
        for (window, unit, points) in [("24h", "hour", 25), ("7d", "day", 8), ("30d", "day", 31)] {
            let page = browser.get(&format!("/usage?window={window}")).body;
            assert_eq!(all[window]["total"], 7);
            assert_eq!(texts(&page, ".sums dd:not(.small)"), ["8", "8", "8"]);
            let parts = "5 ok · 1 client error · 1 forbidden · 1 after its end";
            assert_eq!(texts(&page, ".sums .small")[0], parts);
            assert!(page.contains(&format!("8 requests, by {unit}; at most 8 in one")), "{window}");
            assert_eq!(texts(&page, ".chart svg g").len(), points);
            assert_eq!(all[window]["series"].as_array().unwrap().len(), points);
            let lines = texts(&page, "section[aria-labelledby=resources] tbody tr");
            assert_eq!(lines, [
                "calls read 4 4 4", "leads read 2 2 2", "leads write 1 1 1", "analytics read 1 1 1",
            ]);
            assert_eq!(all[window]["by_resource"]["leads"], json!({"read": 2, "write": 1}));
        }
        let page = browser.get("/usage").body;
        let lines = texts(&page, MOST);
        assert!(lines[0].starts_with("busy 5 5 5"), "{lines:?}");
        assert!(lines[1].starts_with("less busy Revoked acme 3 3 3"), "{lines:?}");
        assert_eq!(lines.len(), 2);
        assert!(page.contains(&format!("<a class=\"name\" href=\"/keys/{}\">", busy.id)));
        let who = server.call(&busy, "GET", "/v1/whoami", None).ok();
        assert_eq!((&who["usage"]["30d"]["total"], &server.usage(&idle, "30d")["total"]), (&json!(5), &json!(3)));
        for wrong in ["window=1y", "by=x", "window=7d&window=7d", "x=1"] {
            assert_eq!(browser.get(&format!("/usage/export?{wrong}")).status, 422, "{wrong}");
        }
    }
}

on_both! {
    fn a_member_is_shown_the_usage_of_their_own_keys(backend) {
        let server = start(backend);
        let foreign = server.key_with("calls:read", json!({"name": "secret plan"}));
        let member = server.db_browser(MEMBER);
        let page = member.get("/usage").body;
        assert_eq!((texts(&page, "#empty h2").len(), texts(&page, MOST).len()), (1, 0));
        let (id, secret) = make(&member, "<b>mine</b>");
        server.call(&foreign, "GET", "/v1/calls", None).ok();
        for _ in 0..2 {
            server.client.with_key(&secret, "GET", "/v1/calls", None).ok();
        }
        let page = member.get("/usage").body;
        assert_eq!(texts(&page, ".sums dd:not(.small)"), ["2", "2", "2"]);
        assert!(texts(&page, MOST)[0].starts_with("<b>mine</b> 2 2 2"), "{page}");
        assert!(!page.contains("secret plan") && !page.contains(&foreign.id) && page.contains(&id));
        assert!(member.get("/usage/export").body.lines().last().unwrap().ends_with(r#","2","2","0","0","0","0","0""#));
        let admin = server.db_browser(ADMIN).get("/usage").body;
        assert_eq!(texts(&admin, ".sums dd:not(.small)"), ["3", "3", "3"]);
        assert_eq!(Browser::new(&server.client.base).get("/usage").status, 303);
    }
}

on_both! {
    fn usage_is_exported_by_time_and_by_resource(backend) {
        let server = start(backend);
        let key = server.key("calls:read");
        server.call(&key, "GET", "/v1/calls", None).ok();
        server.call(&key, "POST", "/v1/calls", Some(&json!({}))).expect(403, "insufficient_scope");
        let browser = server.db_browser(ADMIN);
        let file = browser.get("/usage/export?window=24h");
        assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
        // Every cell stands in quotation marks.
        let plain = |file: &Answer| file.body.replace('"', "");
        let text = plain(&file);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 26);
        let columns = "total,ok,client_error,server_error,forbidden,rate_limited,retired";
        assert_eq!(lines[0], format!("\u{feff}start,{columns}"));
        assert_eq!(lines[25], "2026-11-21T12:00:00.000Z,2,1,0,0,1,0,0");
        assert_eq!(file.body.lines().last().unwrap(), r#""2026-11-21T12:00:00.000Z","2","1","0","0","1","0","0""#);
        let file = browser.get("/usage/export?window=7d&by=resource");
        assert_eq!(file.header("content-disposition"), "attachment; filename=\"usage-7d-by-resource.csv\"");
        let expected = format!(
            "\u{feff}resource,access,{columns}\r\ncalls,read,1,1,0,0,0,0,0\r\ncalls,write,1,0,0,0,1,0,0\r\n"
        );
        assert_eq!(plain(&file), expected);
    }
}

//! The page of one key: its figures, its chart, what it used of its scopes, and changing it.

use std::time::Duration;

use scraper::{Html, Selector};
use serde_json::json;

use crate::support::{Backend, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";

fn start(backend: Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let browser = server.db_browser(ADMIN);
    (server, browser)
}

fn texts(page: &str, selector: &str) -> Vec<String> {
    let page = Html::parse_document(page);
    let text = |element: scraper::ElementRef<'_>| element.text().collect::<Vec<_>>().join(" ");
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| one_line(text(element))).collect()
}

on_both! {
    fn the_figures_are_those_of_the_api(backend) {
        let (server, browser) = start(backend);
        let key = server.key("calls:read leads:read leads:write");
        for _ in 0..4 {
            server.call(&key, "GET", "/v1/calls", None).ok();
        }
        server.call(&key, "GET", "/v1/calls/x", None).expect(404, "not_found");
        server.call(&key, "POST", "/v1/calls", Some(&json!({}))).expect(403, "insufficient_scope");
        server.call(&key, "GET", "/v1/ping", None).ok();
        for (window, unit) in [("24h", "hour"), ("7d", "day"), ("30d", "day")] {
            let page = browser.get(&format!("/keys/{}?window={window}", key.id)).body;
            let usage = server.usage(&key, window);
            assert_eq!(texts(&page, ".sums dd:not(.small)"), ["7", "7", "7"]);
            assert_eq!(usage["total"], 7);
            assert_eq!(texts(&page, ".sums .small")[0], "5 ok · 1 client error · 1 forbidden");
            assert_eq!(texts(&page, ".legend li"), ["ok", "client error", "forbidden"]);
            assert!(page.contains(&format!("7 requests, by {unit}; at most 7 in one")), "{window}");
            assert!(texts(&page, ".chart tbody tr")[0].ends_with("7 5 1 1"), "{window}");
            let bars = texts(&page, ".chart svg g title");
            assert!(bars.last().unwrap().ends_with("5 ok, 1 client error, 1 forbidden"), "{bars:?}");
        }
        let page = browser.get(&format!("/keys/{}", key.id)).body;
        assert_eq!(texts(&page, "#granted-used"), ["granted 3, used 1 in 30 days · Narrow to what was used in 30 days"]);
        let lines = texts(&page, "section[aria-labelledby=granted] tbody tr");
        assert_eq!(
            lines,
            [
                "calls read 5 5 5",
                "calls write not granted 1 1 1",
                "leads read granted, not used 0 0 0",
                "leads write granted, not used 0 0 0",
                "no resource read 1 1 1",
            ]
        );
        assert_eq!(browser.get(&format!("/keys/{}?window=1y", key.id)).status, 422);
        assert_eq!(browser.get("/keys/key_00000000000000000000000000").status, 404);
        assert_eq!(browser.get("/keys/x").status, 404);
    }
}

on_both! {
    fn a_key_is_renamed_and_its_history_says_so(backend) {
        let (server, browser) = start(backend);
        let key = server.key_with("calls:read", json!({"name": "old", "owner": "acme"}));
        let path = format!("/keys/{}/edit", key.id);
        let sent = browser.submit(&path, &path, &[("name", "new"), ("owner", ""), ("description", "a\r\nb")]);
        assert_eq!((sent.status, sent.header("location")), (303, &*format!("/keys/{}", key.id)));
        let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!((&shown["name"], &shown["owner"], &shown["description"]), (&json!("new"), &json!(null), &json!("a\nb")));
        let page = browser.get(&format!("/keys/{}", key.id)).body;
        let history = texts(&page, "section[aria-labelledby=history] tbody tr");
        assert!(history[0].contains("Changed name from “old” to “new”"), "{history:?}");
        assert!(history[0].contains(ADMIN) && history[1].contains("Made calls:read"), "{history:?}");
        let wrong = browser.submit(&path, &path, &[("name", ""), ("owner", "kept")]);
        assert_eq!(wrong.status, 422);
        assert_eq!(texts(&wrong.body, "#name-error").len(), 1);
        assert!(wrong.body.contains("value=\"kept\""));
        let reason = "x".repeat(501);
        let revoke = format!("/keys/{}/revoke", key.id);
        let wrong = browser.submit(&revoke, &revoke, &[("reason", &reason)]);
        assert_eq!((wrong.status, texts(&wrong.body, "#reason-error").len()), (422, 1));
        server.call(&key, "GET", "/v1/calls", None).ok();
    }
}

on_both! {
    fn a_key_that_ends_at_midnight_is_shown_with_its_last_day(backend) {
        let (server, browser) = start(backend);
        for (end, last) in [
            ("2027-01-01T00:00:00Z", "31 Dec 2026"),
            ("2027-01-01T00:00:01Z", "1 Jan 2027"),
            ("2026-12-31T23:59:59.999Z", "31 Dec 2026"),
        ] {
            let key = server.key_with("calls:read", json!({"expires_at": end}));
            let page = browser.get(&format!("/keys/{}", key.id)).body;
            assert_eq!(texts(&page, "dd .day"), [last], "{end}");
            let narrow = browser.get(&format!("/keys/{}/narrow", key.id)).body;
            assert!(narrow.contains(&format!("{last}, as now")), "{end}: {narrow}");
        }
    }
}

on_both! {
    fn what_revoking_does_is_said_of_the_key_as_it_is(backend) {
        let (server, browser) = start(backend);
        let key = server.key_with("calls:read", json!({"expires_at": "2026-11-21T14:00:00Z"}));
        let said = || browser.get(&format!("/keys/{}/revoke", key.id)).body;
        assert!(said().contains("It has never been used."), "{}", said());
        server.call(&key, "GET", "/v1/calls", None).ok();
        server.db_flush();
        assert!(said().contains("It is in use: 1 request in the last 24 hours"), "{}", said());
        server.pass(Duration::from_secs(3 * 3600));
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_expired");
        server.db_flush();
        let expired = said();
        assert!(expired.contains("The key has expired and is refused already."), "{expired}");
        assert!(expired.contains("It was last used 3 hours ago."), "{expired}");
        assert!(!expired.contains("in use"), "{expired}");
    }
}

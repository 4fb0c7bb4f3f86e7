//! An address that leads nowhere: a page for people, JSON for programs.

use serde_json::json;

use crate::support::html::{attributes, text};
use crate::support::{Backend, TestServer};

const EMAIL: &str = "ada@example.com";
/// What Firefox and Chrome send when somebody types an address.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[test]
fn a_browser_gets_a_page_and_a_program_json() {
    let server = TestServer::start(Backend::Sqlite);
    for path in ["/nothing", "/keys/", "/kyes?status=active", "/static", "/v2/calls"] {
        let ask = |accept: &[(&str, &str)]| server.client.send("GET", path, accept, None);
        for accept in [BROWSER, "text/html", "application/json;q=0.5, text/html"] {
            let page = ask(&[("accept", accept)]);
            assert_eq!(page.status, 404, "{path}");
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{accept}");
            assert_eq!(text(&page, "h1"), "Not found");
            assert_eq!(attributes(&page, "main a", "href"), ["/"]);
            assert_eq!(text(&page, "nav"), "", "nobody is signed in");
        }
        let programs = ["*/*", "application/json", "application/json, text/html;q=0.5", "", "x"];
        for accept in programs {
            let answer = ask(&[("accept", accept)]);
            assert_eq!(answer.header("content-type"), "application/problem+json", "{accept}");
            answer.expect(404, "not_found");
        }
        ask(&[]).expect(404, "not_found");
    }
}

#[test]
fn who_is_signed_in_keeps_the_navigation() {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(EMAIL, json!({}));
    let browser = server.db_browser(EMAIL);
    for path in ["/nothing", "/keys/key_01arz3ndektsv4rrffq69g5fav", "/keys/x"] {
        let page = browser.send("GET", path, &[("accept", BROWSER)], None);
        assert_eq!(page.status, 404, "{path}");
        let links = attributes(&page, "nav[aria-label=Main] a", "href");
        assert!(links.contains(&"/keys".to_owned()), "{path}: {page:#?}");
        assert!(page.body.contains(EMAIL), "{path}");
    }
    // A session that is none is no way in.
    browser.plant_session("AAAA");
    let page = browser.send("GET", "/nothing", &[("accept", BROWSER)], None);
    assert_eq!((page.status, &*text(&page, "nav")), (404, ""));
}

#[test]
fn below_v1_there_is_json_alone() {
    let server = TestServer::start(Backend::Sqlite);
    let bearer = format!("Bearer {}", server.key("calls:read").secret);
    for path in ["/v1", "/v1/nothing", "/v1/calls/x/y"] {
        let headers = [("accept", BROWSER), ("authorization", &*bearer)];
        let answer = server.client.send("GET", path, &headers, None);
        answer.expect(404, "not_found");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        server.client.send("GET", path, &headers[..1], None).expect(401, "missing_key");
    }
}

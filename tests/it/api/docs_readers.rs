//! Who reads the pages of the API document: with or without an account, and by an address that may
//! not exist.

use serde_json::{Value, json};

use super::docs::get;
use crate::support::browser::Browser;
use crate::support::html::{attributes, text, texts};
use crate::support::{Answer, Backend, TestServer};

#[test]
fn the_quick_start_names_this_server() {
    let server = TestServer::start(Backend::Sqlite);
    let page = get(&server, "/docs");
    assert!(page.body.contains(&format!("http://{}/v1/whoami", server.address)));
    assert!(page.body.contains("\\bbt[ka]_[0-9A-Za-z]{38}\\b"), "the pattern for secret scanners");
    assert_eq!(texts(&page, "h1"), ["The API"]);
}

fn signed_in(server: &TestServer, role: Value) -> Browser {
    server.db_user("first@example.com", json!({"role": "admin"}));
    server.db_user("ada@example.com", role);
    server.db_browser("ada@example.com")
}

#[test]
fn the_pages_ask_for_no_credential_and_read_none() {
    let server = TestServer::start(Backend::Sqlite);
    let revoked = server.key("calls:read");
    server.revoke(&revoked);
    for path in ["/docs", "/docs/calls", "/docs/errors"] {
        for value in [format!("Bearer {}", revoked.secret), "Bearer nonsense".to_owned()] {
            let page = server.client.send("GET", path, &[("authorization", &value)], None);
            assert_eq!((page.status, &page.body), (200, &get(&server, path).body), "{path}");
        }
    }
}

/// The quick start as somebody reads it.
fn quick_start(server: &TestServer, role: Option<Value>) -> Answer {
    match role {
        None => get(server, "/docs"),
        Some(role) => signed_in(server, role).get("/docs"),
    }
}

#[test]
fn the_quick_start_leads_each_reader_to_their_first_key() {
    for (role, button, command_line) in [
        (None, vec!["/login?next=%2Fkeys%2Fnew"], true),
        (Some(json!({"role": "member", "may_grant": ["calls:read"]})), vec!["/keys/new"], false),
        (Some(json!({"role": "admin"})), vec!["/keys/new"], true),
        (Some(json!({"role": "auditor"})), vec![], false),
    ] {
        let server = TestServer::start(Backend::Sqlite);
        let page = quick_start(&server, role.clone());
        assert_eq!(attributes(&page, "main a.primary", "href"), button, "{role:?}");
        assert_eq!(page.body.contains("bitting key create"), command_line, "{role:?}");
    }
}

#[test]
fn somebody_signed_in_keeps_their_navigation() {
    let server = TestServer::start(Backend::Sqlite);
    let browser = signed_in(&server, json!({"role": "member"}));
    let keys = browser.get("/keys");
    let menu = "header nav a, header .who a";
    for path in ["/docs", "/docs/calls", "/docs/errors"] {
        let page = browser.get(path);
        assert_eq!(attributes(&page, menu, "href"), attributes(&keys, menu, "href"), "{path}");
        assert_eq!(texts(&page, "header [aria-current]"), ["API"], "{path}");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(texts(&page, "header form button"), ["Sign out"]);
    }
    let next = attributes(&get(&server, "/docs/calls"), menu, "href");
    assert_eq!(next, ["/docs", "/login?next=%2Fdocs%2Fcalls"]);
}

#[test]
fn a_host_that_is_no_address_is_not_repeated() {
    let server = TestServer::start(Backend::Sqlite);
    for path in ["/docs", "/docs/calls"] {
        let page = server.client.send("GET", path, &[("host", "a$(reboot)")], None);
        assert!(page.status == 400 || !page.body.contains("reboot"), "{page:?}");
    }
}

#[test]
fn a_page_that_does_not_exist_is_told_as_a_page() {
    let server = TestServer::start(Backend::Sqlite);
    for path in ["/docs/nothing", "/docs/Calls", "/docs/%3Cscript%3E"] {
        let page = server.client.send("GET", path, &[], None);
        assert_eq!((page.status, text(&page, "h1").as_str()), (404, "Not found"), "{path}");
        assert!(!page.body.contains("<script>"), "{path}");
    }
}

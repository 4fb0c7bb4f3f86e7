//! The kinds of connections, as the command line lists them.

use std::env::temp_dir;

use bitting::model::connections::Kind;
use bitting::model::words::Word;

use crate::support::{Backend, TestServer, binary};

#[test]
fn the_kinds_are_listed_without_a_database() {
    let list = binary::run_ok(&temp_dir(), &["connection", "kinds"]);
    for line in ["callrail    https://api.callrail.com", "clari       https://api.clari.com"] {
        assert!(list.contains(line), "{list}");
    }
    assert_eq!(list.lines().count(), 1 + Kind::ALL.len(), "{list}");
    let callrail = binary::run_ok(&temp_dir(), &["connection", "kinds", "callrail"]);
    for part in [
        "GET     /v3/a/{account}/calls.json",
        "token",
        "Test: GET /v3/a.json?per_page=",
        "costs money or reaches a person",
    ] {
        assert!(callrail.contains(part), "{part}: {callrail}");
    }
    assert!(callrail.contains("only with --standing true"), "{callrail}");
    let http = binary::run_ok(&temp_dir(), &["connection", "kinds", "http"]);
    assert!(
        http.contains("GET /v1/things/{id} things:read") && http.contains("X-Api-Key"),
        "{http}"
    );
}

#[test]
fn a_kind_that_is_none_is_refused_with_those_there_are() {
    let output = binary::run(&temp_dir(), &["connection", "kinds", "salesforce"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("callrail, aircall, customerly, clari or http"), "{said}");
}

#[test]
fn the_page_about_connections_has_every_row() {
    let server = TestServer::start(Backend::Sqlite);
    let page = server.client.send("GET", "/docs/connections", &[], None);
    assert_eq!(page.status, 200);
    for kind in Kind::ALL.iter().filter_map(|kind| kind.offered()) {
        for row in kind.table.rows() {
            assert!(
                page.body.contains(&format!("<code>{} {}</code>", row.method(), row.path())),
                "{row}"
            );
        }
    }
}

//! The files that pages are made of.

use crate::support::{Backend, TestServer};

#[test]
fn files_are_sent_once_only() {
    let server = TestServer::start(Backend::Sqlite);
    let file = server.client.send("HEAD", "/static/docs.js", &[], None);
    assert_eq!(file.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let etag = file.header("etag");
    assert!(etag.starts_with('"'), "{etag}");
    let again =
        |tag: &str| server.client.send("GET", "/static/docs.js", &[("if-none-match", tag)], None);
    assert_eq!((again(etag).status, again(etag).body.as_str()), (304, ""));
    assert_eq!(again("\"x\"").status, 200);
}

#[test]
fn there_is_a_favicon_and_nothing_beside_the_files() {
    let server = TestServer::start(Backend::Sqlite);
    let get = |path: &str| server.client.send("GET", path, &[], None);
    assert_eq!(
        (get("/favicon.ico").status, get("/favicon.ico").header("content-type")),
        (200, "image/svg+xml")
    );
    for path in
        ["/static/nothing", "/static/", "/static/../Cargo.toml", "/static/%2e%2e%2fCargo.toml"]
    {
        get(path).expect(404, "not_found");
    }
    for path in ["/docs", "/docs/calls", "/static/bitting.css", "/openapi.json"] {
        server.client.send("POST", path, &[], None).expect(405, "method_not_allowed");
    }
}

//! The page of the API document, and the files that pages are made of.

use crate::support::{Backend, TestServer};

#[test]
fn the_page_loads_nothing_inline_and_nothing_from_elsewhere() {
    let server = TestServer::start(Backend::Sqlite);
    let page = server.client.send("GET", "/docs", &[], None);
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    for rule in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers.get_all("content-security-policy").iter().count(), 1);
    assert!(!page.body.contains("<style") && !page.body.contains(" style="), "inline style");
    for script in page.body.split("<script").skip(1) {
        assert!(
            script.starts_with(" src=\"/static/") && script.contains("\"></script>"),
            "{script}"
        );
    }
    let mut linked = 0;
    for part in
        page.body.split("src=\"").chain(page.body.split("rel=\"stylesheet\" href=\"")).skip(1)
    {
        let path = part.split('"').next().unwrap();
        if path.starts_with("/static/") {
            linked += 1;
            assert_eq!(server.client.send("GET", path, &[], None).status, 200, "{path}");
        }
    }
    assert!(linked >= 5, "only {linked} files");
    assert!(page.body.contains(&format!("http://{}/v1/whoami", server.address)));
    assert!(page.body.contains("\\bbt[ka]_[0-9A-Za-z]{38}\\b"), "the pattern for secret scanners");
}

#[test]
fn a_host_that_is_no_address_is_not_repeated() {
    let server = TestServer::start(Backend::Sqlite);
    let page = server.client.send("GET", "/docs", &[("host", "a$(reboot)")], None);
    assert!(page.status == 400 || !page.body.contains("reboot"), "{page:?}");
}

#[test]
fn files_are_sent_compressed_to_who_takes_that_and_once_only() {
    let server = TestServer::start(Backend::Sqlite);
    let get =
        |path: &str, headers: &[(&str, &str)]| server.client.send("HEAD", path, headers, None);
    let path = "/static/swagger-ui-bundle.js";
    let (gzip, plain) =
        (get(path, &[("accept-encoding", "gzip")]), get(path, &[("accept-encoding", "br")]));
    assert_eq!((gzip.header("content-encoding"), plain.header("content-encoding")), ("gzip", ""));
    let length =
        |answer: &crate::support::Answer| answer.header("content-length").parse::<u64>().unwrap();
    assert!(length(&gzip) * 3 < length(&plain), "{gzip:?} {plain:?}");
    assert_ne!(gzip.header("etag"), plain.header("etag"));
    for answer in [&gzip, &plain] {
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("etag").starts_with("W/"));
    }
    let known = [("accept-encoding", "gzip"), ("if-none-match", gzip.header("etag"))];
    let again = server.client.send("GET", path, &known, None);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = [("accept-encoding", "br"), ("if-none-match", gzip.header("etag"))];
    assert_eq!(get(path, &other).status, 200);
}

#[test]
fn there_is_a_favicon_and_nothing_beside_the_files() {
    let server = TestServer::start(Backend::Sqlite);
    let get = |path: &str| server.client.send("GET", path, &[], None);
    assert_eq!(
        (get("/favicon.ico").status, get("/favicon.ico").header("content-type")),
        (200, "image/svg+xml")
    );
    for path in [
        "/static/nothing",
        "/static/",
        "/static/../Cargo.toml",
        "/static/%2e%2e%2fCargo.toml",
        "/static/swagger-ui/LICENSE",
    ] {
        get(path).expect(404, "not_found");
    }
    for path in ["/docs", "/static/bitting.css", "/openapi.json"] {
        server.client.send("POST", path, &[], None).expect(405, "method_not_allowed");
    }
}

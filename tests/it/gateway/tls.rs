//! An upstream that speaks TLS: it is reached where its certificate is trusted and has its name, and
//! sees nothing otherwise.

use std::sync::Arc;

use bitting::config::Options;
use serde_json::json;

use super::ask;
use crate::support::ports::free_port;
use crate::support::vendors::{AUTHORITY, Reply, Vendor, header};
use crate::support::{Backend, Binary, TestDatabase, TestServer, binary, raw};

/// An API that speaks TLS as `localhost`.
fn api() -> Vendor {
    Vendor::start(|_, _| Reply::json(200, &json!({"served": "by the API"})))
}

fn before(upstream: &str, authority: bool) -> TestServer {
    let options = Options {
        gateway_listen: vec!["127.0.0.1:0".to_owned()],
        upstream: Some(upstream.to_owned()),
        upstream_ca: authority.then(|| AUTHORITY.file().display().to_string()),
        ..Options::default()
    };
    TestServer::on(Arc::new(TestDatabase::migrated(Backend::Sqlite)), options)
}

#[test]
fn an_upstream_is_reached_by_tls() {
    let upstream = api();
    let server = before(upstream.origin(), true);
    let key = server.key("calls:read calls:write");
    for line in ["GET /v1/calls?limit=1", "POST /v1/calls"] {
        let answer = ask(&server, line, &key, "Content-Length: 0\r\n");
        assert_eq!(raw::status(&answer), 200, "{answer}");
        assert!(answer.ends_with(r#"{"served":"by the API"}"#), "{answer}");
    }
    let seen = upstream.take();
    assert_eq!(seen.len(), 2);
    let authority = upstream.origin().trim_start_matches("https://");
    assert_eq!(header(&seen[0], "host"), Some(authority));
    assert_eq!(seen[0].target(), "/v1/calls?limit=1");
    assert_eq!(header(&seen[1], "x-bitting-key-id"), Some(&*key.id));
    let refused = server.key("leads:read");
    assert_eq!(raw::status(&ask(&server, "GET /v1/calls", &refused, "")), 403);
    assert!(upstream.take().is_empty());
}

#[test]
fn an_upstream_whose_certificate_is_not_good_sees_nothing() {
    let upstream = api();
    let other_name = upstream.origin().replace("localhost", "127.0.0.1");
    for (origin, authority) in [(upstream.origin(), false), (&*other_name, true)] {
        let server = before(origin, authority);
        let answer = ask(&server, "GET /v1/calls", &server.key("calls:read"), "");
        assert_eq!(raw::status(&answer), 502, "{answer}");
        assert!(answer.contains("upstream_unreachable"), "{answer}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn the_operator_is_told_what_is_wrong_with_a_certificate() {
    let upstream = api();
    let folder = tempfile::tempdir().unwrap();
    let secret =
        binary::run_ok(folder.path(), &["key", "create", "--name", "k", "--scope", "calls:read"]);
    let gateway = format!("127.0.0.1:{}", free_port());
    let options = ["--gateway-listen", &gateway, "--upstream", upstream.origin()];
    let server = Binary::serve(folder.path(), &options);
    let asked = format!(
        "GET /v1/calls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Authorization: Bearer {secret}\r\n\r\n"
    );
    let answer = raw::exchange(gateway.parse().unwrap(), asked.as_bytes());
    assert_eq!(raw::status(&answer), 502, "{answer}");
    let (_, log) = server.terminate();
    assert!(log.contains("TLS with localhost failed: invalid peer certificate"), "{log}");
    assert!(!log.contains(&secret), "{log}");
}

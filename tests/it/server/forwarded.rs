//! Whose address counts behind a trusted proxy, in every form in which proxies write it.

use bitting::config::Options;
use serde_json::json;

use crate::support::{Backend, Binary, Browser, TestDatabase, TestServer, on_both};

/// The address that a request with these headers is noted with.
fn noted(server: &TestServer, headers: &[(&str, &str)]) -> String {
    let bearer = format!("Bearer {}", server.admin);
    let mut all = vec![("authorization", &*bearer), ("content-type", "application/json")];
    all.extend(headers);
    let key = json!({"name": "x", "scopes": ["calls:read"]}).to_string();
    assert_eq!(server.client.send("POST", "/v1/keys", &all, Some(&key)).status, 201);
    let events = server.manage("GET", "/v1/audit?limit=1", None).ok();
    events["data"][0]["address"].as_str().unwrap().to_owned()
}

on_both! {
    fn a_client_is_known_in_every_form_in_which_a_trusted_proxy_names_it(backend) {
        let trusted_proxies = Some("127.0.0.1,10.0.0.0/8".to_owned());
        let options = Options { trusted_proxies, ..Options::default() };
        let server = TestServer::on(TestDatabase::migrated(backend).into(), options);
        for (value, address) in [
            ("203.0.113.8", "203.0.113.8"),
            ("203.0.113.8:5432", "203.0.113.8"),
            ("[2001:db8::2]", "2001:db8::2"),
            ("[2001:db8::3]:443", "2001:db8::3"),
            ("\"[2001:db8::4]:47011\"", "2001:db8::4"),
            ("1.1.1.1, 203.0.113.8:5432, 10.1.1.1:80", "203.0.113.8"),
            ("203.0.113.8, unknown, 10.1.1.1:80", "10.1.1.1"),
            ("unknown", "127.0.0.1"),
        ] {
            assert_eq!(noted(&server, &[("x-forwarded-for", value)]), address, "{value}");
        }
        for (value, address) in [
            ("for=203.0.113.8", "203.0.113.8"),
            ("for=1.1.1.1, For=\"[2001:db8::4]:47011\";proto=https, for=10.1.1.1", "2001:db8::4"),
            ("for=203.0.113.8, for=_hidden", "127.0.0.1"),
        ] {
            assert_eq!(noted(&server, &[("forwarded", value)]), address, "{value}");
        }
        let both = [("forwarded", "for=203.0.113.8"), ("x-forwarded-for", "203.0.113.9:1")];
        assert_eq!(noted(&server, &both), "203.0.113.9");
        let lines = [("x-forwarded-for", "203.0.113.8"), ("x-forwarded-for", "10.1.1.1")];
        assert_eq!(noted(&server, &lines), "203.0.113.8");
    }
}

#[test]
fn a_stranger_is_believed_neither_header() {
    let server = TestServer::start(Backend::Sqlite);
    for header in [("x-forwarded-for", "203.0.113.8"), ("forwarded", "for=203.0.113.8")] {
        assert_eq!(noted(&server, &[header]), "127.0.0.1");
    }
}

#[test]
fn a_proxy_that_names_no_address_is_told_of_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Binary::serve(folder.path(), &["--trusted-proxies", "127.0.0.1"]);
    for n in 0..40 {
        let mut browser = Browser::new(&server.client.base);
        let said = ["unknown", "_hidden", "nonsense"][n % 3];
        let header = if n % 2 == 0 { "x-forwarded-for" } else { "forwarded" };
        browser.headers.push((header.to_owned(), said.to_owned()));
        browser.log_in("nobody@example.com", "guess");
    }
    let (_, log) = server.terminate();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("names no address")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("proxy=127.0.0.1") && lines[0].contains("unknown"), "{log}");
}

//! From where a key is used: whoever uses it beside its owner is seen.

use std::sync::Arc;
use std::time::Duration;

use bitting::config::Options;
use serde_json::Value;

use crate::support::load::Line;
use crate::support::server::MadeKey;
use crate::support::{Backend, TestDatabase, TestServer, on_both};

/// A request on behalf of a client behind a proxy.
fn ping(key: &MadeKey, address: &str) -> String {
    format!(
        "GET /v1/ping HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         X-Forwarded-For: {address}\r\n\r\n",
        key.secret
    )
}

/// A server behind a proxy, with one worker, which notes all addresses.
fn start(backend: Backend) -> TestServer {
    let options = Options {
        trusted_proxies: Some("127.0.0.0/8".to_owned()),
        workers: Some("1".to_owned()),
        ..Options::default()
    };
    TestServer::on(Arc::new(TestDatabase::migrated(backend)), options)
}

/// Where a key was used from last, and when: `address time`.
fn seen(server: &TestServer, key: &MadeKey) -> Vec<String> {
    server.db_flush();
    let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
    let line = |seen: &Value| {
        let [address, at] = ["address", "at"].map(|name| seen[name].as_str().unwrap());
        format!("{address} {}", &at[11..16])
    };
    shown["addresses"].as_array().unwrap().iter().map(line).collect()
}

on_both! {
    /// Wherever among the others its one request comes.
    fn a_thief_beside_a_busy_client_is_noted(backend) {
        let server = start(backend);
        let (mut busy, mut thief) = (Line::open(server.address), Line::open(server.address));
        for trial in 0..10 {
            let key = server.key("calls:read");
            let own = vec![ping(&key, "203.0.113.1"); 100];
            let address = format!("198.51.100.{trial}");
            busy.send(&own);
            assert_eq!(thief.send(&[ping(&key, &address)]), [200]);
            busy.send(&own);
            let mut seen = seen(&server, &key);
            seen.sort_unstable();
            assert_eq!(seen, [format!("{address} 12:00"), "203.0.113.1 12:00".to_owned()], "trial {trial}");
        }
    }
}

on_both! {
    fn a_flood_of_addresses_is_bounded_and_the_next_minute_begins_anew(backend) {
        let server = start(backend);
        let (key, mut line) = (server.key("calls:read"), Line::open(server.address));
        let flood: Vec<_> =
            (10..50).map(|n| ping(&key, &format!("198.51.100.{n}"))).collect();
        line.send(&flood);
        // Sixteen are noted, of which five are kept.
        let noted = [25, 24, 23, 22, 21].map(|n| format!("198.51.100.{n} 12:00"));
        assert_eq!(seen(&server, &key), noted);
        server.pass(Duration::from_secs(60));
        line.send(&[ping(&key, "198.51.100.22"), ping(&key, "203.0.113.1")]);
        let now = ["203.0.113.1 12:01", "198.51.100.22 12:01", &noted[0], &noted[1], &noted[2]];
        assert_eq!(seen(&server, &key), now);
    }
}

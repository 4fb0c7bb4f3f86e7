//! From where a key is used: whoever uses it beside its owner is seen.

use std::sync::Arc;

use bitting::config::Options;

use crate::support::load::Line;
use crate::support::server::MadeKey;
use crate::support::{TestDatabase, TestServer, on_both};

/// A request on behalf of a client behind a proxy.
fn ping(key: &MadeKey, address: &str) -> String {
    format!(
        "GET /v1/ping HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         X-Forwarded-For: {address}\r\n\r\n",
        key.secret
    )
}

on_both! {
    /// Wherever among the others its one request comes.
    fn a_thief_beside_a_busy_client_is_noted(backend) {
        let options = Options {
            trusted_proxies: Some("127.0.0.0/8".to_owned()),
            workers: Some("1".to_owned()),
            ..Options::default()
        };
        let server = TestServer::on(Arc::new(TestDatabase::new(backend)), options);
        let (mut busy, mut thief) = (Line::open(server.address), Line::open(server.address));
        for trial in 0..10 {
            let key = server.key("calls:read");
            let own = vec![ping(&key, "203.0.113.1"); 100];
            let address = format!("198.51.100.{trial}");
            busy.send(&own);
            assert_eq!(thief.send(&[ping(&key, &address)]), [200]);
            busy.send(&own);
            server.db_flush();
            let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
            let seen = shown["addresses"].as_array().unwrap().iter();
            let mut seen: Vec<_> = seen.map(|seen| seen["address"].as_str().unwrap()).collect();
            seen.sort_unstable();
            assert_eq!(seen, [&address, "203.0.113.1"], "trial {trial}");
        }
    }
}

//! Warnings about what keys are used for: told of once, and never by whoever judges the request.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, send_to};
use crate::support::receivers::{Received, received};
use crate::support::upstream::Upstream;
use crate::support::{eventually, on_both};

/// What each message says, in order: its type, the key's name, and the scope or the state.
fn told(messages: &[Received]) -> Vec<String> {
    let line = |message: &Received| {
        let (kind, name) = (message.kind(), message.key_name());
        let data = &message.body["data"];
        let more = data.get("scope").unwrap_or(&data["key"]["status"]);
        format!("{kind} {name} {}", more.as_str().unwrap())
    };
    let mut told: Vec<String> = messages.iter().map(line).collect();
    told.sort();
    told
}

impl Cluster {
    /// Waits until everything that was counted so far has been looked into, and so many messages
    /// have been sent in all.
    fn wait_for_told(&self, messages: i64) {
        self.servers.iter().for_each(|server| server.db_flush());
        eventually("everything is told", || {
            self.servers.iter().all(|server| !server.bitting.warn_of_sightings().unwrap())
                && self.db_count("due_at IS NOT NULL") == 0
                && self.db_count("delivered_at IS NOT NULL") == messages
        });
    }
}

on_both! {
    fn what_a_key_may_not_do_is_told_once_a_day_for_each_scope(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 2, send_to(webhook.address));
        let make = |name: &str, more: Value| {
            let mut body = json!({"name": name});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            cluster.servers[0].key_with("calls:read", body)
        };
        let (reader, elsewhere) = (make("reader", json!({})), make("elsewhere", json!({"allowed_networks": ["192.0.2.0/24"]})));
        let ask = |key, method, path, code| {
            for server in &cluster.servers {
                for _ in 0..3 {
                    let body = (method == "POST").then(|| json!({}));
                    server.call(key, method, path, body.as_ref()).expect(403, code);
                }
            }
        };
        ask(&reader, "POST", "/v1/calls", "insufficient_scope");
        ask(&reader, "GET", "/v1/leads", "insufficient_scope");
        // It has the scope, and is refused for another reason.
        ask(&elsewhere, "GET", "/v1/calls", "address_not_allowed");
        // What no key may do, and what is in order.
        ask(&reader, "GET", "/v1/keys", "wrong_credential");
        cluster.servers[0].call(&reader, "GET", "/v1/calls", None).expect(200, "");
        cluster.wait_for_told(2);
        let first = ["key.scope_refused reader calls:write", "key.scope_refused reader leads:read"];
        assert_eq!(told(&received(&webhook)), first);
        // The day goes on, and another begins.
        cluster.pass(Duration::from_secs(3600));
        ask(&reader, "GET", "/v1/leads", "insufficient_scope");
        cluster.wait_for_told(2);
        cluster.pass(Duration::from_secs(86_400));
        ask(&reader, "GET", "/v1/leads", "insufficient_scope");
        cluster.wait_for_told(3);
        assert_eq!(told(&received(&webhook)), ["key.scope_refused reader leads:read"]);
    }
}

on_both! {
    fn a_refusal_for_another_reason_keeps_nothing_from_being_told_later(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 1, send_to(webhook.address));
        let server = &cluster.servers[0];
        let elsewhere = json!({"name": "reader", "allowed_networks": ["192.0.2.0/24"]});
        let key = server.key_with("calls:read leads:read", elsewhere);
        server.call(&key, "GET", "/v1/calls", None).expect(403, "address_not_allowed");
        cluster.wait_for_told(0);
        let narrower = json!({"allowed_networks": null, "scopes": ["leads:read"]});
        server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&narrower)).ok();
        server.call(&key, "GET", "/v1/calls", None).expect(403, "insufficient_scope");
        server.db_flush();
        cluster.pass(Duration::from_secs(10));
        cluster.wait_for_told(1);
        assert_eq!(told(&received(&webhook)), ["key.scope_refused reader calls:read"]);
    }
}

on_both! {
    fn a_key_that_is_used_after_its_end_is_told_of_once(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 2, send_to(webhook.address));
        let end = bitting::model::time::format(cluster.servers[0].bitting.time.now() + chrono::TimeDelta::hours(1));
        let revoked = cluster.servers[0].key_with("calls:read", json!({"name": "revoked"}));
        let expired = cluster.servers[0].key_with("calls:read", json!({"name": "expired", "expires_at": end}));
        cluster.servers[0].revoke(&revoked);
        cluster.pass(Duration::from_secs(3600));
        for day in 0..3 {
            for server in &cluster.servers {
                server.call(&revoked, "GET", "/v1/calls", None).expect(401, "key_revoked");
                server.call(&expired, "POST", "/v1/leads", Some(&json!({}))).expect(401, "key_expired");
            }
            cluster.wait_for_told(2);
            let expected = ["key.used_after_end expired expired", "key.used_after_end revoked revoked"];
            assert_eq!(told(&received(&webhook)), if day == 0 { expected.to_vec() } else { vec![] });
            cluster.pass(Duration::from_secs(86_400));
        }
    }
}

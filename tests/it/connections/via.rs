//! `/via/{handle}/…`: vendors behind scoped keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitting::config::ConnectionOptions;
use bitting::model::connections::{NewConnection, VendorCredential};
use serde_json::json;

use super::{Operator, behind_a_server, operator};
use crate::support::server::start_of_time;
use crate::support::vendors::{Reply, Vendor, aircall, callrail, header};
use crate::support::{Backend, on_both};

/// Where the calls of the account are.
const CALLS: &str = "/via/callrail/v3/a/ACC8154748ae6bd4e278a7cddd38a662f4f/calls.json";

on_both! {
    fn a_key_reads_page_after_page_through_a_connection(backend) {
        let (vendor, _ours, server) = behind_a_server(backend);
        let key = server.key("calls:read@callrail");
        let mut path = format!("{CALLS}?relative_pagination=true&per_page=2");
        let mut calls = 0;
        loop {
            let page = server.call(&key, "GET", &path, None);
            assert_eq!(page.header("x-bitting-via"), "callrail");
            assert_eq!(page.header("cache-control"), "no-store");
            let page = page.ok();
            calls += page["calls"].as_array().unwrap().len();
            let Some(next) = page["next_page"].as_str() else { break };
            path = next.strip_prefix(&server.client.base).unwrap().to_owned();
        }
        assert_eq!(calls, 5);
        let seen = vendor.take();
        assert_eq!(seen.len(), 3);
        for request in &seen {
            let token = format!("Token token=\"{}\"", callrail::KEY);
            assert_eq!(header(request, "authorization"), Some(token.as_str()));
            assert!(!request.head.contains(&key.secret), "{}", request.head);
        }
        server.db_flush();
        let usage = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
        let counted = json!({"calls@callrail": {"read": 3, "write": 0}});
        assert_eq!(usage["24h"]["by_resource"], counted, "{usage}");
    }
}

on_both! {
    fn a_scope_opens_its_connection_alone_and_what_is_not_offered_is_refused(backend) {
        let (vendor, ours, server) = behind_a_server(backend);
        let reader = server.key("calls:read@callrail");
        let own = server.key("calls:read");
        let call = |key, method, path: &str| server.call(key, method, path, None);
        call(&own, "GET", CALLS).expect(403, "insufficient_scope");
        call(&reader, "GET", "/v1/calls").expect(403, "insufficient_scope");
        let refused = call(&reader, "POST", CALLS);
        refused.expect(403, "insufficient_scope");
        assert_eq!(refused.json()["required"], "calls:write@callrail");
        assert_eq!(refused.json()["granted"], json!(["calls:read@callrail"]));
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains("scope=\"calls:write@callrail\""), "{challenge}");
        assert_eq!(refused.header("x-bitting-via"), "");
        let refused = call(&reader, "DELETE", CALLS);
        refused.expect(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), "GET, POST, HEAD");
        for path in [
            "/via/callrail/v3/a/ACC1/webhooks.json",
            "/via/callrail/v3/a/ACC1/calls.json/",
            "/via/callrail/v3//a.json",
            "/via/callrail/v3/%61.json",
            "/via/callrail/v3/a/ACC1/../a.json",
            "/via/callrail/v3/a/ACC1%2fcalls.json",
            "/via/callrail/v3/a.json?api_key=x",
            "/via/callrail/v3/a.json?_method=DELETE",
            "/via/callrail/v3/a/ACC1/users.json;x",
            "/via/callrail",
        ] {
            call(&reader, "GET", path).expect(403, "not_offered");
        }
        for (parameter, why) in [("token=x", "a credential belongs into a header"), ("_method=PUT", "is meant")] {
            let refused = call(&reader, "GET", &format!("/via/callrail/v3/a.json?{parameter}"));
            assert!(refused.body.contains(why), "{refused:?}");
        }
        call(&reader, "GET", "/via/aircall/v1/ping").expect(404, "not_found");
        server.client.send("GET", CALLS, &[], None).expect(401, "missing_key");
        server.client.with_key(&server.admin, "GET", CALLS, None).expect(403, "wrong_credential");
        let any = server.key("leads:read@callrail");
        call(&any, "GET", "/via/callrail/v3/a.json").expect(200, "");
        server.revoke(&reader);
        call(&reader, "GET", CALLS).expect(401, "key_revoked");
        assert_eq!(vendor.take().len(), 1, "nothing that was refused reached it");

        ours.connection(&["set", "callrail", "--account", "ACC1"], "").unwrap();
        server.pass(std::time::Duration::from_secs(1));
        let reader = server.key("calls:read@callrail");
        call(&reader, "GET", CALLS).expect(403, "not_offered");
        ours.connection(&["disable", "callrail"], "").unwrap();
        server.pass(std::time::Duration::from_secs(1));
        call(&reader, "GET", "/via/callrail/v3/a/ACC1/calls.json").expect(503, "connection_disabled");
        ours.connection(&["remove", "callrail", "--yes"], "").unwrap();
        server.pass(std::time::Duration::from_secs(1));
        call(&reader, "GET", CALLS).expect(404, "not_found");
    }
}

on_both! {
    fn a_connection_that_was_made_elsewhere_a_moment_ago_is_there(backend) {
        let vendor = callrail::start();
        let ours = Operator::new(backend, &[&vendor]);
        let [here, there] = [(); 2].map(|()| ours.serve(ConnectionOptions::default()));
        let path = format!("v3/a/{}/calls.json", callrail::ACCOUNT);
        for n in 0..5 {
            let handle = format!("callrail-{n}");
            let new = json!({"handle": handle, "kind": "callrail", "base_url": vendor.origin()});
            let new = NewConnection::from_object(new.as_object().unwrap()).unwrap();
            let credential = VendorCredential::parse(&new.kind.credential_fields(None), callrail::KEY).unwrap();
            there.bitting.add_connection(&operator(), new, &credential, false).unwrap();
            // A token of before may not grant its scopes.
            let token = there.db_token(&json!({"name": handle, "access": "write"}));
            let body = json!({"name": handle, "scopes": [format!("calls:read@{handle}")]});
            let key = there.client.with_key(&token, "POST", "/v1/keys", Some(&body)).ok();
            let secret = key["key"].as_str().unwrap();
            let ask = |path: &str| here.client.with_key(secret, "GET", path, None);
            ask(&format!("/via/{handle}/{path}")).ok();
            here.db_flush();
            let usage = format!("/v1/keys/{}/usage", key["id"].as_str().unwrap());
            assert_eq!(here.manage("GET", &usage, None).ok()["24h"]["total"], 1);
            ask("/via/callrail-9/x").expect(404, "not_found");
        }
    }
}

#[test]
fn only_scopes_of_connections_that_are_there_can_be_granted() {
    let (_vendor, _ours, server) = behind_a_server(Backend::Sqlite);
    for scope in ["calls:read@callrial", "contacts:read@callrail", "agents:write@callrail"] {
        let body = json!({"name": "x", "scopes": [scope]});
        let refused = server.manage("POST", "/v1/keys", Some(&body));
        refused.expect(422, "validation_failed");
        assert!(refused.body.contains("calls:read@callrail"), "{refused:?}");
    }
    let key = server.key("calls:read@callrail");
    server.key("calls:read");
    let list = server.manage("GET", "/v1/keys?scope=calls:read@callrail", None).ok();
    let found = list["data"].as_array().unwrap();
    assert!(found.len() == 1 && found[0]["id"] == key.id, "{list}");
    let who = server.key("calls:read leads:read@callrail");
    let who = server.call(&who, "GET", "/v1/whoami", None).ok();
    assert_eq!(who["scopes"], json!(["calls:read", "leads:read@callrail"]));
}

on_both! {
    fn a_write_is_in_the_audit_log_and_sent_once(backend) {
        let (vendor, _ours, server) = behind_a_server(backend);
        let key = server.key("calls:write@callrail");
        let body = json!({"customer_phone_number": "+15550100"});
        let answer = server.call(&key, "POST", CALLS, Some(&body));
        assert_eq!(answer.status, 201, "{answer:?}");
        let seen = vendor.take();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].body, body.to_string().into_bytes());
        let log = server.manage("GET", "/v1/audit?action=via.write", None).ok().to_string();
        for part in [&key.id, "/v3/a/{account}/calls.json", "201", answer.header("x-request-id")] {
            assert!(log.contains(part), "{part}: {log}");
        }
    }
}

on_both! {
    fn a_write_is_in_the_audit_log_for_ninety_days(backend) {
        let (_vendor, _ours, server) = behind_a_server(backend);
        let key = server.key("calls:write@callrail");
        for _ in 0..3 {
            assert_eq!(server.call(&key, "POST", CALLS, Some(&json!({}))).status, 201);
        }
        let writes = || server.database.db_number("SELECT COUNT(*) FROM audit_events WHERE action = 'via.write'");
        let all = || server.database.db_number("SELECT COUNT(*) FROM audit_events WHERE action <> 'via.write'");
        let (others, days) = (all(), |days: u64| std::time::Duration::from_secs(days * 86_400));
        server.pass(days(89));
        server.bitting.save_high_water().unwrap();
        assert!(!server.bitting.drop_via_writes().unwrap());
        assert_eq!(writes(), 3);
        // The operator's commands were given at the real time, which is ahead of the server's.
        server.pass(days(400));
        server.bitting.save_high_water().unwrap();
        assert!(!server.bitting.drop_via_writes().unwrap());
        assert_eq!((writes(), all()), (0, others));
        // The feed goes on as before.
        server.pass(std::time::Duration::from_secs(1));
        assert_eq!(server.bitting.set_backs.times(), 0);
    }
}

#[test]
fn a_credential_that_comes_back_is_masked_and_recordings_are_hidden_on_demand() {
    let (_vendor, ours, server) = behind_a_server(Backend::Sqlite);
    let key = server.key("calls:read@callrail");
    let one = CALLS.replace("calls.json", "calls/CAL1.json");
    let shown = server.call(&key, "GET", &one, None).ok();
    assert!(shown["recording"].as_str().unwrap().contains("access_key"), "{shown}");
    ours.connection(&["set", "callrail", "--recordings", "false"], "").unwrap();
    server.pass(std::time::Duration::from_secs(1));
    assert_eq!(server.call(&key, "GET", &one, None).ok()["recording"], "*");

    let echo = Vendor::start(|seen, _| {
        let value = header(seen, "authorization").unwrap_or_default().to_owned();
        let body = json!({"ping": "pong", "echo": value, "token": aircall::API_TOKEN});
        Reply::json(200, &body).with("Set-Cookie", "a=b").with("X-Echo", value)
    });
    let ours = Operator::new(Backend::Sqlite, &[&echo]);
    let pair = format!("{}\n{}\n", aircall::API_ID, aircall::API_TOKEN);
    ours.add("phones", "aircall", &echo, &pair).unwrap();
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("calls:read@phones");
    let answer = server.call(&key, "GET", "/via/phones/v1/ping", None);
    assert_eq!(answer.status, 200);
    let (token, said) = (aircall::API_TOKEN, format!("{answer:?}"));
    assert!(!said.contains(token) && !said.contains("set-cookie"), "{said}");
    assert_eq!(answer.json()["token"], "*".repeat(token.len()));
    assert!(answer.header("x-echo").starts_with("Basic ***"), "{said}");
}

#[test]
fn a_dead_credential_is_not_the_clients_fault() {
    let alive = Arc::new(AtomicBool::new(true));
    let of_vendor = alive.clone();
    let vendor = Vendor::start(move |_, _| {
        if of_vendor.load(Ordering::SeqCst) {
            Reply::json(200, &json!({"accounts": []}))
        } else {
            Reply::json(401, &json!({"error": "HTTP Token: Access denied"}))
        }
    });
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("calls:read@callrail");
    server.call(&key, "GET", CALLS, None).expect(200, "");
    alive.store(false, Ordering::SeqCst);
    // The command that added it has gone by the time of day, which is ahead of this clock.
    let ahead = server.bitting.time.now() - start_of_time() + chrono::Duration::hours(1);
    server.pass(ahead.to_std().unwrap());
    server.call(&key, "GET", CALLS, None).expect(502, "connection_rejected");
    server.call(&key, "GET", CALLS, None).expect(502, "connection_rejected");
    assert_eq!(ours.shown("callrail")["state"], "rejected");
}

#[test]
fn limits_hold_for_the_connection_and_each_key_and_bodies_are_bounded() {
    let vendor = callrail::start();
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    let limits = ["set", "callrail", "--limit", "3/hour", "--key-limit", "2/hour"];
    ours.connection(&limits, "").unwrap();
    let small = Some("1KiB".to_owned());
    let server = ours.serve(ConnectionOptions { via_max_body: small, ..Default::default() });
    let (one, other) = (server.key("calls:read@callrail"), server.key("calls:read@callrail"));
    for (key, status, code, said) in [
        (&one, 200, "", ""),
        (&one, 200, "", ""),
        (
            &one,
            429,
            "rate_limited",
            "This key's share of the rate limit of the connection callrail",
        ),
        (&other, 200, "", ""),
        (&other, 429, "rate_limited", "The rate limit of the connection callrail"),
    ] {
        let answer = server.call(key, "GET", CALLS, None);
        answer.expect(status, code);
        assert!(answer.body.contains(said), "{answer:?}");
        assert_eq!(answer.header("retry-after").is_empty(), status == 200);
    }
    // What another limit refuses takes nothing of the key's own, and the headers say so.
    let limits = json!({"rate_limit": "6/hour", "quota": "5/day"});
    let limited = server.key_with("calls:read@callrail", limits);
    let refused = server.call(&limited, "GET", CALLS, None);
    refused.expect(429, "rate_limited");
    assert_eq!(refused.header("ratelimit").split(", ").collect::<Vec<_>>()[0], "\"rate\";r=6;t=0");
    assert!(refused.header("ratelimit").contains("\"quota\";r=5;"), "{refused:?}");
    server.pass(std::time::Duration::from_secs(3600));
    vendor.take();
    let writer = server.key("calls:write@callrail");
    let body = json!({"note": "x".repeat(2000)});
    // They take nothing from the limit of all, since nothing was sent.
    for _ in 0..4 {
        server.call(&writer, "POST", CALLS, Some(&body)).expect(413, "body_too_large");
    }
    assert!(vendor.take().is_empty());
    server.call(&one, "GET", CALLS, None).expect(200, "");
}

#[test]
fn a_vendor_that_is_away_was_sent_nothing() {
    let vendor = callrail::start();
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    drop(vendor);
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("calls:write@callrail");
    server.call(&key, "POST", CALLS, Some(&json!({}))).expect(502, "vendor_unreachable");
    let log = server.manage("GET", "/v1/audit?action=via.write", None).ok();
    assert_eq!(log["data"], json!([]));
}

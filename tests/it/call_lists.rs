//! Lists of calls: filters, and a walk that others do not disturb.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{TestServer, on_both};

fn make(server: &TestServer, key: &MadeKey, summary: &str, other: Value) -> String {
    let mut call = json!({"direction": "inbound", "caller": "+14155550100", "summary": summary});
    call.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    let made = server.call(key, "POST", "/v1/calls", Some(&call)).ok();
    made["id"].as_str().unwrap().to_owned()
}

fn summaries(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|call| call["summary"].as_str().unwrap()).collect()
}

on_both! {
    fn filters_are_exact_combine_and_refuse_what_they_do_not_know(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        server.database.db_make_agent("agent_01000000000000000000000000");
        make(&server, &key, "ringing", json!({"status": "ringing"}));
        make(&server, &key, "missed", json!({"status": "missed", "direction": "outbound"}));
        make(
            &server,
            &key,
            "Ada's",
            json!({"status": "missed", "agent_id": "agent_01000000000000000000000000"}),
        );
        make(&server, &key, "no status", json!({}));
        for (query, expected) in [
            ("", &["no status", "Ada's", "missed", "ringing"][..]),
            ("status=missed", &["Ada's", "missed"]),
            ("status=completed", &[]),
            ("direction=outbound", &["missed"]),
            ("direction=inbound&status=missed", &["Ada's"]),
            ("agent_id=agent_01000000000000000000000000", &["Ada's"]),
            ("agent_id=agent_00000000000000000000000000", &[]),
            ("agent_id=agent_01000000000000000000000000&direction=outbound", &[]),
        ] {
            let page = server.call(&key, "GET", &format!("/v1/calls?{query}"), None).ok();
            assert_eq!(summaries(&page), expected, "{query}");
        }
        for (query, named) in [
            ("status=MISSED", "status"),
            ("status=", "status"),
            ("status=missed&status=missed", "status"),
            ("direction=up", "direction"),
            ("direction=", "direction"),
            ("agent_id=", "agent_id"),
            ("agent_id=%00", "agent_id"),
            ("from=now", "from"),
            ("to=2026-11-21", "to"),
            ("from=", "from"),
            ("from=2026-11-21T12:00:00", "from"),
            ("from=2026-11-21T12:00:00+01:00", "from"),
            ("agent=x", "agent"),
            ("caller=%2B14155550100", "caller"),
            ("from=9999-12-31T23:59:59-01:00", "from"),
        ] {
            let answer = server.call(&key, "GET", &format!("/v1/calls?{query}"), None);
            assert_eq!(answer.expect(422, "validation_failed").fields(), [named], "{query}");
        }
        let answer = server.call(&key, "GET", "/v1/calls?status=x&from=y&limit=0&z=1", None);
        let mut named = answer.expect(422, "validation_failed").fields();
        named.sort_unstable();
        assert_eq!(named, ["from", "limit", "status", "z"]);
    }
}

on_both! {
    /// The beginning of the call decides; where it is not known, when it was recorded.
    fn from_and_to_are_half_open_on_the_beginning_of_the_call(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        make(&server, &key, "began 11:00", json!({"started_at": "2026-11-21T11:00:00Z"}));
        make(&server, &key, "recorded 12:00", json!({}));
        let moved = make(&server, &key, "moved", json!({"started_at": "2026-11-21T09:00:00Z"}));
        make(&server, &key, "began long ago", json!({"started_at": "1969-12-31T00:00:00Z"}));
        server.pass(Duration::from_secs(3600));
        let patch = json!({"started_at": null});
        server.call(&key, "PATCH", &format!("/v1/calls/{moved}"), Some(&patch)).ok();
        make(&server, &key, "recorded 13:00", json!({}));
        for (query, expected) in [
            ("from=2026-11-21T12:00:00Z", &["recorded 13:00", "moved", "recorded 12:00"][..]),
            ("from=2026-11-21T12:00:00.001Z", &["recorded 13:00"]),
            ("to=2026-11-21T12:00:00Z", &["began long ago", "began 11:00"]),
            (
                "to=2026-11-21T12:00:00.001Z",
                &["began long ago", "moved", "recorded 12:00", "began 11:00"],
            ),
            ("from=2026-11-21T11:00:00Z&to=2026-11-21T12:00:00Z", &["began 11:00"]),
            ("from=2026-11-21T13:00:00%2B02:00&to=2026-11-21T13:00:00%2B01:00", &["began 11:00"]),
            ("from=2026-11-21T12:00:00Z&to=2026-11-21T12:00:00Z", &[]),
            ("from=2026-11-21T13:00:00Z&to=2026-11-21T11:00:00Z", &[]),
            ("to=1970-01-01T00:00:00Z", &["began long ago"]),
            ("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&limit=1", &["recorded 13:00"]),
        ] {
            let page = server.call(&key, "GET", &format!("/v1/calls?{query}"), None).ok();
            assert_eq!(summaries(&page), expected, "{query}");
        }
    }
}

on_both! {
    fn a_walk_shows_every_record_once_while_others_come_and_go(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let kept: Vec<String> =
            (0..45).map(|n| make(&server, &key, &format!("{n}"), json!({}))).collect();
        let doomed: Vec<String> =
            (0..20).map(|n| make(&server, &key, &format!("doomed {n}"), json!({}))).collect();
        let (done, began) = (AtomicBool::new(false), AtomicBool::new(false));
        let seen: Vec<String> = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut doomed = doomed.iter();
                while !done.load(Ordering::Relaxed) {
                    let passing = make(&server, &key, "passing", json!({}));
                    for id in doomed.next().into_iter().chain([&passing]) {
                        server
                            .call(&key, "DELETE", &format!("/v1/calls/{id}"), None)
                            .expect(204, "");
                    }
                    make(&server, &key, "new", json!({}));
                    began.store(true, Ordering::Relaxed);
                }
            });
            crate::support::eventually("another client is at work", || {
                began.load(Ordering::Relaxed)
            });
            let mut seen = Vec::new();
            let mut cursor = String::new();
            loop {
                let page =
                    server.call(&key, "GET", &format!("/v1/calls?limit=4{cursor}"), None).ok();
                for call in page["data"].as_array().unwrap() {
                    seen.push(call["id"].as_str().unwrap().to_owned());
                }
                // Something is made and deleted between any two pages, whatever the threads do.
                let passing = make(&server, &key, "passing", json!({}));
                server.call(&key, "DELETE", &format!("/v1/calls/{passing}"), None).expect(204, "");
                match page["meta"]["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            done.store(true, Ordering::Relaxed);
            seen
        });
        let distinct: HashSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "something was shown twice");
        assert!(seen.is_sorted_by(|newer, older| newer > older), "the newest comes first");
        assert!(kept.iter().all(|id| distinct.contains(id)), "something was left out");
    }
}

on_both! {
    fn a_cursor_outlives_the_record_it_stands_on(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let ids: Vec<String> =
            (0..5).map(|n| make(&server, &key, &format!("{n}"), json!({}))).collect();
        let page = server.call(&key, "GET", "/v1/calls?limit=2", None).ok();
        assert_eq!(summaries(&page), ["4", "3"]);
        for id in &ids[2..4] {
            server.call(&key, "DELETE", &format!("/v1/calls/{id}"), None).expect(204, "");
        }
        let next = page["meta"]["next_cursor"].as_str().unwrap();
        let page = server.call(&key, "GET", &format!("/v1/calls?limit=2&cursor={next}"), None).ok();
        assert_eq!(summaries(&page), ["1", "0"]);
        assert_eq!(page["meta"], json!({"limit": 2, "next_cursor": null}));
    }
}

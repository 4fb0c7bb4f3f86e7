//! Calls, as far as they differ from other records: their times, and the lists of a period.

use std::time::Duration;

use serde_json::{Value, json};

use super::record_lists::{assert_found, names};
use crate::support::kinds::kinds;
use crate::support::server::MadeKey;
use crate::support::{TestServer, on_both};

fn make(server: &TestServer, key: &MadeKey, summary: &str, other: Value) -> String {
    let mut call = json!({"direction": "inbound", "caller": "+14155550100", "summary": summary});
    call.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    let made = server.call(key, "POST", "/v1/calls", Some(&call)).ok();
    made["id"].as_str().unwrap().to_owned()
}

on_both! {
    fn a_time_is_kept_in_utc_to_the_millisecond(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        for (given, kept) in [
            ("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00.000Z"),
            ("2026-11-21T12:00:00.1239Z", "2026-11-21T12:00:00.123Z"),
            ("2026-11-21T23:30:00-00:45", "2026-11-22T00:15:00.000Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            let id = make(&server, &key, "", json!({"started_at": given}));
            let call = server.call(&key, "GET", &format!("/v1/calls/{id}"), None).ok();
            assert_eq!(call["started_at"], kept);
        }
    }
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
        assert_found(&server, &key, "/v1/calls", &[
            ("", &["no status", "Ada's", "missed", "ringing"]),
            ("status=missed", &["Ada's", "missed"]),
            ("status=completed", &[]),
            ("direction=outbound", &["missed"]),
            ("direction=inbound&status=missed", &["Ada's"]),
            ("agent_id=agent_01000000000000000000000000", &["Ada's"]),
            ("agent_id=agent_00000000000000000000000000", &[]),
            ("agent_id=agent_01000000000000000000000000&direction=outbound", &[]),
        ]);
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
        assert_found(&server, &key, "/v1/calls", &[
            ("from=2026-11-21T12:00:00Z", &["recorded 13:00", "moved", "recorded 12:00"]),
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
            ("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", &["recorded 13:00", "began long ago", "moved", "recorded 12:00", "began 11:00"]),
        ]);
    }
}

on_both! {
    fn a_cursor_outlives_the_record_it_stands_on(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let ids: Vec<String> =
            (0..5).map(|n| make(&server, &key, &format!("{n}"), json!({}))).collect();
        let page = server.call(&key, "GET", "/v1/calls?limit=2", None).ok();
        assert_eq!(names(&page), ["4", "3"]);
        for id in &ids[2..4] {
            server.call(&key, "DELETE", &format!("/v1/calls/{id}"), None).expect(204, "");
        }
        let next = page["meta"]["next_cursor"].as_str().unwrap();
        let page = server.call(&key, "GET", &format!("/v1/calls?limit=2&cursor={next}"), None).ok();
        assert_eq!(names(&page), ["1", "0"]);
        assert_eq!(page["meta"], json!({"limit": 2, "next_cursor": null}));
    }
}

on_both! {
    /// However many calls a period has, it is the same list.
    fn a_long_period_is_listed_as_a_short_one_is(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let kind = kinds().into_iter().find(|kind| kind.resource == "calls").unwrap();
        // One a minute from 00:01 on, of which the first 500 were missed.
        kind.db_fill(&server.database, 5000);
        let at = |minute: i64| {
            let start = bitting::model::time::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
            bitting::model::time::format(start + chrono::Duration::minutes(minute))
        };
        for (query, first, last) in [
            (format!("from={}", at(1)), 1, 5000),
            (format!("from={}", at(3001)), 3001, 5000),
            (format!("from={}", at(3000)), 3000, 5000),
            (format!("to={}", at(2001)), 1, 2000),
            (format!("to={}", at(2002)), 1, 2001),
            (format!("from={}&to={}", at(1000), at(4000)), 1000, 3999),
            (format!("from={}&to={}", at(2000), at(2010)), 2000, 2009),
            (format!("to={}&status=missed", at(4000)), 1, 500),
            (format!("from={}&to={}&status=missed", at(100), at(300)), 100, 299),
            (format!("from={}&direction=inbound&status=completed", at(300)), 501, 5000),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/v1/calls?limit=100&{query}{cursor}");
                let page = server.call(&key, "GET", &path, None).ok();
                let calls = page["data"].as_array().unwrap().clone();
                seen.extend(calls.into_iter().map(|call| call["id"].as_str().unwrap().to_owned()));
                match page["meta"]["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let expected: Vec<String> = (first..=last).rev().map(|n| kind.id(n)).collect();
            assert!(seen == expected, "{query}: {} calls, {:?}", seen.len(), seen.first());
        }
    }
}

//! Quotas: how much a key may be used in a day or a month of the calendar.

use std::sync::Arc;
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::model::time::parse_rfc3339;
use serde_json::json;

use super::limits::{accepted, get, patch, told};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{TestDatabase, TestServer, on_both};

/// Asks for what there is not, and asks nothing: neither takes anything.
fn astray(server: &TestServer, key: &MadeKey) {
    get(server, key, "/v1/nothing").expect(404, "not_found");
    server.call(key, "DELETE", "/v1/calls", None).expect(405, "method_not_allowed");
    server.call(key, "POST", "/v1/verify", Some(&json!({}))).expect(422, "validation_failed");
    let about = json!({"method": "DELETE", "path": "/v1/ping"});
    let verdict = server.call(key, "POST", "/v1/verify", Some(&about)).ok();
    assert_eq!(verdict["allowed"], false, "{verdict}");
}

on_both! {
    fn a_quota_holds_for_the_calendar_across_a_restart_and_for_all_servers(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"quota": "10/day"}));
        assert_eq!(accepted(&server, &key, 6), 6);
        astray(&server, &key);
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let server = TestServer::with_clock(server.stop(), Options::default(), clock.clone());
        let first = get(&server, &key, "/v1/calls");
        assert_eq!(told(&first), ("\"quota\";q=10;w=86400", "\"quota\";r=3;t=43200"));

        server.db_flush();
        let other = TestServer::with_clock(server.database.clone(), Options::default(), clock.clone());
        assert_eq!(accepted(&server, &key, 1), 1);
        server.db_flush();
        other.db_flush();
        other.bitting.share_limits().unwrap();
        assert_eq!(told(&get(&other, &key, "/v1/ping")).1, "\"quota\";r=2;t=43200", "one is not known here yet");
        other.db_flush();
        other.bitting.share_limits().unwrap();
        assert_eq!(accepted(&other, &key, 5), 1);
        get(&other, &key, "/v1/ping").expect(429, "quota_exceeded");
        assert_eq!(get(&other, &key, "/v1/ping").header("retry-after"), "43200");
        other.db_flush();
        server.bitting.share_limits().unwrap();
        get(&server, &key, "/v1/calls").expect(429, "quota_exceeded");

        server.pass(Duration::from_secs(43_199));
        get(&server, &key, "/v1/calls").expect(429, "quota_exceeded");
        server.pass(Duration::from_secs(1));
        assert_eq!(told(&get(&server, &key, "/v1/calls")).1, "\"quota\";r=9;t=86400");
    }
}

on_both! {
    fn a_month_counts_what_was_rolled_up_before_the_quota_was_set(backend) {
        let clock = Arc::new(ManualClock::at(parse_rfc3339("2026-11-01T00:00:00Z").unwrap()));
        let database = Arc::new(TestDatabase::migrated(backend));
        let server = TestServer::with_clock(database, Options::default(), clock);
        let key = server.key("calls:read");
        assert_eq!(accepted(&server, &key, 4), 4);
        astray(&server, &key);
        server.db_flush();
        server.bitting.fold_journal().unwrap();
        server.pass(Duration::from_secs(29 * 86_400 + 23 * 3600));
        while server.bitting.roll_up().unwrap() {}
        assert_eq!(patch(&server, &key, json!({"quota": "6/month"})).status, 200);
        server.bitting.share_limits().unwrap();
        assert_eq!(told(&get(&server, &key, "/v1/ping")), ("\"quota\";q=6", "\"quota\";r=1;t=3600"));
        assert_eq!(accepted(&server, &key, 3), 1);
    }
}

on_both! {
    fn a_quota_counts_what_a_key_used_that_day_before_it_had_one(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"rate_limit": "1000/second"}));
        let mut used = 0;
        for quota in [json!("10/day"), json!("20/day")] {
            assert_eq!(accepted(&server, &key, 6), 6);
            used += 6;
            server.db_flush();
            server.bitting.share_limits().unwrap();
            let most = quota.as_str().unwrap().trim_end_matches("/day").parse::<usize>().unwrap();
            assert_eq!(patch(&server, &key, json!({"quota": quota})).status, 200);
            server.bitting.share_limits().unwrap();
            assert_eq!(accepted(&server, &key, 9), most - used);
            used = most;
            server.db_flush();
            server.bitting.share_limits().unwrap();
            get(&server, &key, "/v1/ping").expect(429, "quota_exceeded");
            assert_eq!(patch(&server, &key, json!({"quota": null})).status, 200);
        }
    }
}

on_both! {
    fn a_quota_counts_what_was_not_written_yet_when_it_was_set(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        assert_eq!(accepted(&server, &key, 4), 4);
        for (quota, left) in [("6/day", 2), ("9/month", 3)] {
            assert_eq!(patch(&server, &key, json!({"quota": quota})).status, 200);
            for _ in 0..2 {
                server.db_flush();
                server.bitting.share_limits().unwrap();
            }
            assert_eq!(accepted(&server, &key, 9), left, "{quota}");
        }
    }
}

on_both! {
    fn a_quota_holds_at_once_for_what_was_used_before(backend) {
        let server = TestServer::start(backend);
        let networks = json!({"allowed_networks": ["127.0.0.0/8"]});
        for (key, first, quota, left) in [
            (server.key("calls:read"), "", "6/day", 2),
            (server.key_with("calls:read", networks), "", "6/day", 2),
            (server.key_with("calls:read", json!({"quota": "100/day"})), "q=100", "6/month", 2),
        ] {
            let answer = get(&server, &key, "/v1/ping");
            assert!(told(&answer).0.contains(first));
            assert_eq!(accepted(&server, &key, 3), 3);
            assert_eq!(patch(&server, &key, json!({"quota": quota})).status, 200);
            assert_eq!(accepted(&server, &key, 9), left, "{quota}");
        }
    }
}

on_both! {
    fn what_was_taken_from_a_quota_that_was_lifted_counts_once_under_the_next(backend) {
        let server = TestServer::start(backend);
        for period in ["day", "month"] {
            let quota = json!({"quota": format!("10/{period}")});
            let key = server.key_with("calls:read", quota.clone());
            assert_eq!(accepted(&server, &key, 3), 3);
            // They are written while there is no quota.
            assert_eq!(patch(&server, &key, json!({"quota": null})).status, 200);
            assert_eq!(accepted(&server, &key, 2), 2);
            server.db_flush();
            for _ in 0..2 {
                assert_eq!(patch(&server, &key, quota.clone()).status, 200);
                server.bitting.share_limits().unwrap();
            }
            assert_eq!(accepted(&server, &key, 9), 5, "{period}");
        }
    }
}

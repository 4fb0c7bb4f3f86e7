//! Analytics: the overview against a plain model, and usage of all keys that agrees with the sum
//! over the keys.

use std::time::Duration;

use bitting::config::Options;
use bitting::model::time::{Moment, format};
use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::server::{MadeKey, start_of_time};
use crate::support::{TestServer, on_both, rounds};

const OVERVIEW: &str = "/v1/analytics/overview";
const USAGE: &str = "/v1/analytics/usage";
const SCOPES: &str = "analytics:read calls:write leads:write";

fn make_call(server: &TestServer, key: &MadeKey, fields: Value) {
    let mut call = json!({"direction": "inbound", "caller": "+14155550100"});
    call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.call(key, "POST", "/v1/calls", Some(&call)).expect(201, "");
}

fn make_lead(server: &TestServer, key: &MadeKey, status: &str) -> String {
    let lead = json!({"name": "Ada", "status": status});
    let made = server.call(key, "POST", "/v1/leads", Some(&lead)).expect(201, "").json();
    format!("/v1/leads/{}", made["id"].as_str().unwrap())
}

on_both! {
    fn an_empty_period_is_all_zero_and_has_no_average(backend) {
        let server = TestServer::start(backend);
        let key = server.key(SCOPES);
        let end = start_of_time() + TimeDelta::milliseconds(1);
        assert_eq!(server.call(&key, "GET", OVERVIEW, None).ok(), json!({
            "period": {"from": format(end - TimeDelta::days(30)), "to": format(end)},
            "calls": {"total": 0, "completed": 0, "missed": 0, "average_duration_seconds": null},
            "leads": {"captured": 0, "qualified": 0, "converted": 0},
        }));
    }
}

on_both! {
    fn what_was_just_made_is_in_the_overview_and_leads_count_as_they_are_now(backend) {
        let server = TestServer::start(backend);
        let key = server.key(SCOPES);
        make_call(&server, &key, json!({"status": "completed", "duration_seconds": 60}));
        make_call(&server, &key, json!({"status": "completed", "duration_seconds": 121}));
        make_call(&server, &key, json!({"status": "completed"}));
        make_call(&server, &key, json!({"status": "missed", "duration_seconds": 1000}));
        make_call(&server, &key, json!({}));
        let leads = ["new", "contacted", "qualified", "converted"]
            .map(|status| make_lead(&server, &key, status));
        let overview = server.call(&key, "GET", OVERVIEW, None).ok();
        assert_eq!(overview["calls"], json!({
            "total": 5, "completed": 3, "missed": 1, "average_duration_seconds": 90.5,
        }));
        assert_eq!(overview["leads"], json!({"captured": 4, "qualified": 2, "converted": 1}));

        // Those of the day are asked for after ten days, when one has come further.
        server.pass(Duration::from_secs(10 * 86_400));
        server.call(&key, "PATCH", &leads[0], Some(&json!({"status": "converted"}))).ok();
        let day = format!("{OVERVIEW}?from=2026-11-21T00:00:00Z&to=2026-11-22T00:00:00Z");
        let overview = server.call(&key, "GET", &day, None).ok();
        assert_eq!(overview["leads"], json!({"captured": 4, "qualified": 3, "converted": 2}));
        let since = format!("{OVERVIEW}?from=2026-11-22T00:00:00%2B00:00");
        let overview = server.call(&key, "GET", &since, None).ok();
        assert_eq!((&overview["calls"]["total"], &overview["leads"]["captured"]), (&json!(0), &json!(0)));
    }
}

on_both! {
    fn a_period_that_is_none_is_refused(backend) {
        let server = TestServer::start(backend);
        let key = server.key(SCOPES);
        for (query, named) in [
            ("from=2026-11-21T00:00:00.001Z&to=2026-11-21T00:00:00Z", &["from"][..]),
            ("from=2026-11-22T00:00:00Z", &["from"]),
            ("from=2025-11-20T00:00:00Z&to=2026-11-21T00:00:00.001Z", &["from"]),
            ("from=2020-01-01T00:00:00Z", &["from"]),
            ("from=today", &["from"]),
            ("to=2026-11-21", &["to"]),
            ("from=&to=", &["from", "to"]),
            ("to=2026-11-21T00:00:00Z&to=2026-11-21T00:00:00Z", &["to"]),
            ("period=30d", &["period"]),
        ] {
            let answer = server.call(&key, "GET", &format!("{OVERVIEW}?{query}"), None);
            assert_eq!(answer.expect(422, "validation_failed").fields(), named, "{query}");
        }
        for query in [
            "from=2025-11-20T00:00:00Z&to=2026-11-21T00:00:00Z",
            "to=0000-01-01T00:00:00Z",
            "to=9999-12-31T23:59:59.999Z",
            "from=2026-11-21T00:00:00Z&to=2026-11-21T00:00:00Z",
        ] {
            server.call(&key, "GET", &format!("{OVERVIEW}?{query}"), None).ok();
        }
        let answer = server.call(&key, "GET", &format!("{USAGE}?from=2026-11-21T00:00:00Z"), None);
        assert_eq!(answer.expect(422, "validation_failed").fields(), ["from"]);
    }
}

on_both! {
    fn analytics_are_only_read_and_only_with_their_scope(backend) {
        let server = TestServer::start(backend);
        let (key, other) = (server.key("analytics:read"), server.key("calls:read calls:write"));
        for path in [OVERVIEW, USAGE] {
            for method in ["POST", "PATCH", "DELETE", "PUT"] {
                for key in [&key, &other] {
                    let refused = server.call(key, method, path, Some(&json!({})));
                    refused.expect(405, "method_not_allowed");
                    assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
                }
            }
            let refused = server.call(&other, "GET", path, None);
            assert_eq!(refused.expect(403, "insufficient_scope").json()["required"], "analytics:read");
            assert_eq!(server.call(&key, "HEAD", path, None).expect(200, "").body, "");
        }
    }
}

/// A call as a plain model knows it.
#[derive(Debug, Clone)]
struct Call {
    /// Milliseconds from the start; without, the call counts when it is recorded: at the start.
    started: Option<i64>,
    status: Option<usize>,
    seconds: Option<i64>,
}

const STATUSES: [&str; 5] = ["ringing", "in_progress", "completed", "missed", "failed"];

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let started = prop::option::weighted(0.8, -5i64..5);
    let call = (started, prop::option::of(0..STATUSES.len()), prop::option::of(0i64..1000))
        .prop_map(|(started, status, seconds)| Call { started, status, seconds });
    prop::collection::vec(call, 0..25)
}

fn at(milliseconds: i64) -> Moment {
    start_of_time() + TimeDelta::milliseconds(milliseconds)
}

fn model(calls: &[Call], from: i64, to: i64) -> Value {
    let inside = calls.iter().filter(|call| (from..to).contains(&call.started.unwrap_or(0)));
    let inside: Vec<&Call> = inside.collect();
    let with = |status| inside.iter().filter(move |call| call.status == Some(status));
    let lengths: Vec<i64> = with(2).filter_map(|call| call.seconds).collect();
    let mean = lengths.iter().sum::<i64>() as f64 / lengths.len() as f64;
    json!({
        "total": inside.len(),
        "completed": with(2).count(),
        "missed": with(3).count(),
        "average_duration_seconds": if lengths.is_empty() { Value::Null } else { json!(mean) },
    })
}

on_both! {
    fn the_overview_is_that_of_a_plain_model_to_the_millisecond(backend) {
        let server = TestServer::start(backend);
        let key = server.key(SCOPES);
        let cases = rounds(8, 3) as u32;
        let cases = Config { cases, failure_persistence: None, ..Config::default() };
        let stories = (calls(), prop::collection::vec((-6i64..6, -6i64..6), 10));
        TestRunner::new(cases).run(&stories, |(calls, periods)| {
            server.database.db_execute("DELETE FROM calls");
            for call in &calls {
                make_call(&server, &key, json!({
                    "started_at": call.started.map(|ms| format(at(ms))),
                    "status": call.status.map(|status| STATUSES[status]),
                    "duration_seconds": call.seconds,
                }));
            }
            for (one, other) in periods {
                let (from, to) = (one.min(other), one.max(other));
                let query = format!("{OVERVIEW}?from={}&to={}", format(at(from)), format(at(to)));
                let shown = server.call(&key, "GET", &query, None).ok();
                prop_assert_eq!(&shown["calls"], &model(&calls, from, to), "{:?}", (from, to));
            }
            Ok(())
        }).unwrap();
    }
}

/// The members of a breakdown added up; what is the same in both stays.
fn add(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            json!(one.as_i64().unwrap() + other.as_i64().unwrap())
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut sum = one.clone();
            for (name, value) in other {
                let added = sum.get(name).map_or_else(|| value.clone(), |old| add(old, value));
                sum.insert(name.clone(), added);
            }
            Value::Object(sum)
        }
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter().zip(other).map(|(one, other)| add(one, other)).collect()
        }
        (one, other) => {
            assert_eq!(one, other);
            one.clone()
        }
    }
}

on_both! {
    /// Written or not, of live and of dead keys, through this server or another.
    fn usage_of_all_keys_is_the_sum_of_what_is_shown_of_each(backend) {
        let server = TestServer::start(backend);
        let asking = server.key("analytics:read");
        let keys = [server.key("calls:read calls:write"), server.key("leads:read")];
        let (mut counted, ids) = (0, keys.each_ref().map(|key| key.id.clone()));
        let mut check = |server: &TestServer| {
            let shown = server.call(&asking, "GET", USAGE, None).ok();
            // The question itself counts only now, and is in what is shown of its key.
            let mut sum = json!({});
            for id in ids.iter().chain([&asking.id]) {
                let usage = server.manage("GET", &format!("/v1/keys/{id}/usage"), None).ok();
                sum = add(&sum, &usage);
            }
            counted += 1;
            for window in ["24h", "7d", "30d"] {
                for member in ["total", "ok"] {
                    sum[window][member] = json!(sum[window][member].as_i64().unwrap() - 1);
                }
                let asked = &mut sum[window]["by_resource"]["analytics"]["read"];
                *asked = json!(asked.as_i64().unwrap() - 1);
                if *asked == json!(0) {
                    sum[window]["by_resource"].as_object_mut().unwrap().remove("analytics");
                }
                let last = sum[window]["series"].as_array_mut().unwrap().last_mut().unwrap();
                last["total"] = json!(last["total"].as_i64().unwrap() - 1);
            }
            assert_eq!(shown, sum);
            shown["30d"]["total"].as_i64().unwrap()
        };
        assert_eq!(check(&server), 0);
        for hours in [0, 1, 30, 24 * 8] {
            server.pass(Duration::from_secs(hours * 3600));
            server.call(&keys[0], "GET", "/v1/calls", None).expect(200, "");
            server.call(&keys[0], "POST", "/v1/calls", Some(&json!({}))).expect(422, "validation_failed");
            server.call(&keys[1], "GET", "/v1/calls", None).expect(403, "insufficient_scope");
            server.call(&keys[1], "GET", "/v1/nowhere", None).expect(404, "not_found");
            check(&server);
            while server.bitting.roll_up().unwrap() {}
            check(&server);
        }
        server.revoke(&keys[1]);
        server.call(&keys[1], "GET", "/v1/leads", None).expect(401, "key_revoked");
        let before = check(&server);
        assert_eq!(before, 4 * 4 + 1 + 9);

        // What a key knows of itself is a part of it.
        let whoami = server.call(&keys[0], "GET", "/v1/whoami", None).ok();
        assert_eq!(whoami["usage"]["30d"]["total"], json!(8));
        let clock = server.clock.clone();
        let server = TestServer::with_clock(server.stop(), Options::default(), clock);
        assert_eq!(check(&server), before + 2);
    }
}

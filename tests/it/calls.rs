//! Calls: their fields and rules, making, merging and deleting them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, on_both};

const NO_CALL: &str = "/v1/calls/call_00000000000000000000000000";
const AGENT: &str = "agent_01000000000000000000000000";

fn start(backend: Backend) -> (TestServer, MadeKey) {
    let server = TestServer::start(backend);
    let key = server.key("calls:read calls:write");
    (server, key)
}

fn least() -> Value {
    json!({"direction": "inbound", "caller": "+14155550100"})
}

fn with(member: &str, value: &Value) -> Value {
    let mut call = least();
    call[member] = value.clone();
    call
}

fn path_of(call: &Value) -> String {
    format!("/v1/calls/{}", call["id"].as_str().unwrap())
}

on_both! {
    fn a_call_with_every_field_comes_back_as_it_was_given(backend) {
        let (server, key) = start(backend);
        server.database.db_make_agent(AGENT);
        let given = json!({
            "direction": "outbound", "caller": "+4930123456", "to": "+14155550100",
            "agent_id": AGENT, "status": "completed", "duration_seconds": 2_147_483_647_i64, "sentiment": "negative",
            "summary": "two\nlines, tabs\t and 👩‍👩‍👧‍👦",
            "recording_url": "https://example.com/a?b=c#d",
            "transcript": [{"role": "agent", "text": "Hello?"}, {"role": "caller", "text": ""}],
            "tags": ["vip", "Ünïcode"], "started_at": "2026-11-21T11:59:59.123Z",
        });
        let made = server.call(&key, "POST", "/v1/calls", Some(&given));
        let call = made.expect(201, "").ok();
        let id = call["id"].as_str().unwrap();
        assert_eq!(made.header("location"), format!("/v1/calls/{id}"));
        let mut expected = given.clone();
        expected["id"] = json!(id);
        expected["created_at"] = json!("2026-11-21T12:00:00.000Z");
        expected["updated_at"] = json!("2026-11-21T12:00:00.000Z");
        assert_eq!(call, expected);
        assert!(id.starts_with("call_") && id.len() == 31, "{id}");
        assert_eq!(server.call(&key, "GET", &path_of(&call), None).ok(), expected);
        assert_eq!(server.call(&key, "GET", "/v1/calls", None).ok()["data"], json!([expected]));
    }
}

on_both! {
    fn only_direction_and_caller_are_required(backend) {
        let (server, key) = start(backend);
        let optional = [
            "to",
            "agent_id",
            "status",
            "duration_seconds",
            "sentiment",
            "summary",
            "recording_url",
            "started_at",
        ];
        let mut nulls = least();
        for member in optional.iter().chain(&["transcript", "tags"]) {
            nulls[*member] = Value::Null;
        }
        for body in [least(), nulls] {
            let call = server.call(&key, "POST", "/v1/calls", Some(&body)).ok();
            for member in optional {
                assert_eq!(call.get(member), Some(&Value::Null), "{member}");
            }
            assert_eq!((&call["transcript"], &call["tags"]), (&json!([]), &json!([])));
        }
    }
}

on_both! {
    fn a_time_is_kept_in_utc_to_the_millisecond(backend) {
        let (server, key) = start(backend);
        for (given, kept) in [
            ("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00.000Z"),
            ("2026-11-21T12:00:00.1239Z", "2026-11-21T12:00:00.123Z"),
            ("2026-11-21T23:30:00-00:45", "2026-11-22T00:15:00.000Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            let call = server
                .call(&key, "POST", "/v1/calls", Some(&with("started_at", &json!(given))))
                .ok();
            assert_eq!(call["started_at"], kept);
            assert_eq!(server.call(&key, "GET", &path_of(&call), None).ok(), call);
        }
    }
}

/// Values that are just inside their bounds.
fn good_values() -> Vec<(&'static str, Value)> {
    let turns: Vec<Value> = (0..2000).map(|_| json!({"role": "caller", "text": "a"})).collect();
    let tags: Vec<String> = (0..50).map(|n| format!("tag {n}")).collect();
    vec![
        ("direction", json!("outbound")),
        ("caller", json!("+12")),
        ("caller", json!("+123456789012345")),
        ("status", json!("ringing")),
        ("status", json!("in_progress")),
        ("status", json!("missed")),
        ("status", json!("failed")),
        ("duration_seconds", json!(0)),
        ("sentiment", json!("positive")),
        ("sentiment", json!("neutral")),
        ("summary", json!("ü".repeat(10_000))),
        ("recording_url", json!(format!("http://a/{}", "b".repeat(2039)))),
        ("transcript", json!(turns)),
        ("transcript", json!([{"role": "agent", "text": "ü".repeat(10_000)}])),
        ("tags", json!(tags)),
        ("tags", json!(["ü".repeat(50)])),
    ]
}

/// Values that are just, or far, outside.
fn bad_values() -> Vec<(&'static str, Value)> {
    let turns: Vec<Value> = (0..2001).map(|_| json!({"role": "caller", "text": "a"})).collect();
    let tags: Vec<String> = (0..51).map(|n| format!("tag {n}")).collect();
    let mut rows = vec![
        ("summary", json!("a".repeat(10_001))),
        ("summary", json!("a\u{0}b")),
        ("recording_url", json!(format!("http://a/{}", "b".repeat(2040)))),
        ("transcript", json!(turns)),
        ("transcript", json!([{"role": "agent", "text": "a".repeat(10_001)}])),
        ("tags", json!(tags)),
        ("tags", json!(["a".repeat(51)])),
    ];
    let mut add = |member, values: &[Value]| {
        rows.extend(values.iter().map(|value| (member, value.clone())));
    };
    let wrong_words =
        [json!("Inbound"), json!(""), json!("inbound "), json!(1), json!([]), json!(true)];
    for member in ["direction", "status", "sentiment"] {
        add(member, &wrong_words);
    }
    add("direction", &[Value::Null, json!("sideways")]);
    add("caller", &[Value::Null]);
    for number in [
        "14155550100",
        "+04155550100",
        "+1",
        "+",
        "",
        "+1234567890123456",
        "+1415 5550100",
        "+1415555010a",
        " +14155550100",
        "+14155550100\n",
        "+１４１５５５５０１００",
        "tel:+14155550100",
    ] {
        add("caller", &[json!(number)]);
        add("to", &[json!(number)]);
    }
    add("caller", &[json!(14_155_550_100_i64)]);
    add("agent_id", &[json!(AGENT), json!("x"), json!(1), json!([AGENT]), json!("a".repeat(101))]);
    add(
        "duration_seconds",
        &[
            json!(-1),
            json!(1.5),
            json!("1"),
            json!(2_147_483_648_i64),
            json!(u64::MAX),
            json!(true),
        ],
    );
    add("summary", &[json!(1), json!(["a"]), json!({})]);
    add(
        "recording_url",
        &[
            json!("javascript:alert(1)"),
            json!("ftp://a/b"),
            json!("//a/b"),
            json!("https://"),
            json!("https:///a"),
            json!("https://a b"),
            json!("https://a/\n"),
            json!(""),
            json!("HTTPS"),
            json!(1),
        ],
    );
    add(
        "transcript",
        &[
            json!("Hello"),
            json!({}),
            json!([1]),
            json!([{"role": "agent"}]),
            json!([{"text": "a"}]),
            json!([{"role": "dog", "text": "a"}]),
            json!([{"role": "agent", "text": 1}]),
            json!([{"role": "agent", "text": null}]),
            json!([{"role": "agent", "text": "a", "at": 1}]),
            json!([[]]),
            json!([null]),
        ],
    );
    add(
        "tags",
        &[
            json!("vip"),
            json!([1]),
            json!([""]),
            json!([" "]),
            json!(["a", "a"]),
            json!(["a", " a "]),
            json!([null]),
            json!({"a": 1}),
            json!(["a\nb"]),
        ],
    );
    add(
        "started_at",
        &[
            json!("yesterday"),
            json!("2026-11-21"),
            json!("2026-11-21T12:00:00"),
            json!(""),
            json!(0),
            json!("24:00"),
            json!("2026-02-29T12:00:00Z"),
            json!("2026-12-31T23:59:60Z"),
            json!("10000-01-01T00:00:00Z"),
            json!("9999-12-31T23:59:59-01:00"),
            json!("0000-01-01T00:00:00+01:00"),
        ],
    );
    for member in ["id", "created_at", "updated_at", "Direction", "called", "occurred_at", ""] {
        add(member, &[json!("x"), Value::Null]);
    }
    rows
}

on_both! {
    fn values_inside_the_bounds_are_kept(backend) {
        let (server, key) = start(backend);
        for (member, value) in good_values() {
            let call = server.call(&key, "POST", "/v1/calls", Some(&with(member, &value))).ok();
            let shown = server.call(&key, "GET", &path_of(&call), None).ok();
            assert_eq!((&call[member], &shown[member]), (&value, &value));
        }
    }
}

on_both! {
    fn a_bad_value_is_named_and_changes_nothing(backend) {
        let (server, key) = start(backend);
        let call =
            server.call(&key, "POST", "/v1/calls", Some(&with("summary", &json!("kept")))).ok();
        for (member, value) in bad_values() {
            let made = server.call(&key, "POST", "/v1/calls", Some(&with(member, &value)));
            assert_eq!(made.expect(422, "validation_failed").fields(), [member], "{value}");
            let patched =
                server.call(&key, "PATCH", &path_of(&call), Some(&json!({member: value})));
            assert_eq!(patched.expect(422, "validation_failed").fields(), [member], "{value}");
        }
        let listed = server.call(&key, "GET", "/v1/calls", None).ok();
        assert_eq!(listed["data"], json!([call]));
    }
}

#[test]
fn every_bad_field_is_named_at_once() {
    let (server, key) = start(Backend::Sqlite);
    let wrong = json!({
        "direction": "up", "to": "0", "status": "ended", "duration_seconds": -1, "sentiment": 1,
        "summary": 1, "recording_url": "x", "transcript": 1, "tags": 1, "started_at": "now", "nope": 1, "id": "x",
    });
    let answer = server.call(&key, "POST", "/v1/calls", Some(&wrong));
    let mut named = answer.expect(422, "validation_failed").fields();
    named.sort_unstable();
    let mut expected: Vec<&str> = wrong.as_object().unwrap().keys().map(String::as_str).collect();
    expected.push("caller");
    expected.sort_unstable();
    assert_eq!(named, expected);
    for error in answer.json()["errors"].as_array().unwrap() {
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert_eq!(error.as_object().unwrap().len(), 2);
    }
}

on_both! {
    fn a_patch_is_merged(backend) {
        let (server, key) = start(backend);
        server.database.db_make_agent(AGENT);
        let first = json!({
            "direction": "inbound", "caller": "+14155550100", "agent_id": AGENT, "tags": ["a", "b"],
            "summary": "first", "transcript": [{"role": "agent", "text": "Hello?"}],
            "duration_seconds": 5,
        });
        let mut expected = server.call(&key, "POST", "/v1/calls", Some(&first)).ok();
        let path = path_of(&expected);
        let bearer = format!("Bearer {}", key.secret);
        for (content_type, patch) in [
            ("application/json", json!({"summary": "second", "status": "completed"})),
            ("application/merge-patch+json", json!({"tags": ["c"]})),
            ("Application/JSON; charset=utf-8", json!({"caller": "+4930123456"})),
            (
                "application/merge-patch+json",
                json!({"summary": null, "duration_seconds": null, "agent_id": null}),
            ),
            ("application/json", json!({"transcript": null, "tags": null, "started_at": null})),
            ("application/json", json!({})),
        ] {
            server.pass(Duration::from_secs(60));
            let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
            let told = server.client.send("PATCH", &path, &headers, Some(&patch.to_string())).ok();
            for (member, value) in patch.as_object().unwrap() {
                let cleared = if ["tags", "transcript"].contains(&member.as_str()) {
                    json!([])
                } else {
                    Value::Null
                };
                expected[member] = if value.is_null() { cleared } else { value.clone() };
            }
            expected["updated_at"] = json!(bitting::model::time::format(server.bitting.time.now()));
            assert_eq!(told, expected, "{patch}");
            assert_eq!(server.call(&key, "GET", &path, None).ok(), expected, "{patch}");
        }
        for required in ["direction", "caller"] {
            let answer = server.call(&key, "PATCH", &path, Some(&json!({required: null})));
            assert_eq!(answer.expect(422, "validation_failed").fields(), [required]);
        }
        server.call(&key, "PATCH", NO_CALL, Some(&json!({}))).expect(404, "not_found");
    }
}

on_both! {
    fn a_call_is_deleted_once(backend) {
        let (server, key) = start(backend);
        let call = server.call(&key, "POST", "/v1/calls", Some(&least())).ok();
        let other = server.call(&key, "POST", "/v1/calls", Some(&least())).ok();
        let path = path_of(&call);
        let gone = server.call(&key, "DELETE", &path, None);
        assert_eq!((gone.status, gone.body.as_str()), (204, ""));
        for (method, body) in
            [("DELETE", None), ("GET", None), ("PATCH", Some(json!({"summary": "x"})))]
        {
            server.call(&key, method, &path, body.as_ref()).expect(404, "not_found");
        }
        assert_eq!(server.call(&key, "GET", "/v1/calls", None).ok()["data"], json!([other]));
    }
}

on_both! {
    fn a_call_outlives_its_agent(backend) {
        let (server, key) = start(backend);
        server.database.db_make_agent(AGENT);
        let call =
            server.call(&key, "POST", "/v1/calls", Some(&with("agent_id", &json!(AGENT)))).ok();
        let delete = format!("DELETE FROM agents WHERE id = '{AGENT}'");
        // SQLite asks for this on each connection; the application's own have it on.
        let pragma = if backend == Backend::Sqlite { "PRAGMA foreign_keys = ON; " } else { "" };
        server.database.db_execute(&format!("{pragma}{delete}"));
        let shown = server.call(&key, "GET", &path_of(&call), None).ok();
        assert_eq!(shown["agent_id"], Value::Null);
    }
}

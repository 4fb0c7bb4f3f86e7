//! Managing keys by program: making them, what is refused, and what is shown of one.

use bitting::records::model::resources;
use std::time::Duration;

use bitting::domain::principal::Principal;
use serde_json::{Value, json};

use crate::support::{Backend, TestServer, on_both};

/// What a key in JSON has, in the order of the alphabet; the answer that makes one adds `key`.
const MEMBERS: &str = "addresses allowed_networks created_at created_by description display expires_at holder id \
                       last_used_at leaked_at lifetime_total name owner quota rate_limit replaced_by replaces revoke_reason revoked_at revoked_by \
                       scopes status usage";

fn members(object: &Value) -> Vec<&str> {
    let mut members: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    members
}

/// The members of a key, with and without these.
fn key_members<'a>(added: &[&'a str], removed: &[&str]) -> Vec<&'a str> {
    let kept = MEMBERS.split(' ').filter(|member| !removed.contains(member));
    let mut names: Vec<&str> = kept.chain(added.iter().copied()).collect();
    names.sort_unstable();
    names
}

fn nothing_used() -> Value {
    let window = json!({
        "total": 0, "ok": 0, "client_error": 0, "server_error": 0, "forbidden": 0,
        "rate_limited": 0, "retired": 0,
    });
    json!({"24h": window, "7d": window, "30d": window})
}

fn new_key() -> Value {
    json!({"name": "test", "scopes": ["calls:read"]})
}

/// `new_key` with one member set.
fn new_key_with(member: &str, value: &Value) -> Value {
    let mut body = new_key();
    body[member] = value.clone();
    body
}

fn count_of_keys(server: &TestServer) -> i64 {
    server.database.db_number("SELECT COUNT(*) FROM api_keys")
}

fn count_of_events(server: &TestServer) -> i64 {
    server.database.db_number("SELECT COUNT(*) FROM audit_events")
}

on_both! {
    fn making_a_key_answers_it_once_and_whole(backend) {
        let server = TestServer::start(backend);
        let made = server.manage(
            "POST",
            "/v1/keys",
            Some(&json!({
                "name": "  Ünïcode 🔑  ", "description": "two\nlines", "owner": "Acme",
                "scopes": ["leads:write", "calls:read", "calls:read"],
                "expires_at": "2027-01-31T13:00:00+01:00",
            })),
        );
        made.expect(201, "");
        let key = made.ok();
        let id = key["id"].as_str().unwrap();
        assert_eq!(made.header("location"), format!("/v1/keys/{id}"));
        assert_eq!(made.header("cache-control"), "no-store");
        assert_eq!(members(&key), key_members(&["key"], &["addresses"]));
        let secret = key["key"].as_str().unwrap();
        assert!(secret.strip_prefix("btk_").is_some_and(|body| body.len() == 38));
        let display = format!("{}…{}", &secret[..8], &secret[secret.len() - 4..]);
        let tokens = server.bitting.list_tokens(&Principal::command_line("test")).unwrap();
        for (member, expected) in [
            ("name", json!("Ünïcode 🔑")),
            ("description", json!("two\nlines")),
            ("owner", json!("Acme")),
            ("scopes", json!(["calls:read", "leads:write"])),
            ("status", json!("active")),
            ("display", json!(display)),
            ("created_at", json!("2026-11-21T12:00:00.000Z")),
            (
                "created_by",
                json!({"type": "token", "id": tokens[0].id.to_string(), "name": "test"}),
            ),
            ("expires_at", json!("2027-01-31T12:00:00.000Z")),
            ("revoked_at", Value::Null),
            ("revoked_by", Value::Null),
            ("revoke_reason", Value::Null),
            ("last_used_at", Value::Null),
            ("lifetime_total", json!(0)),
            ("usage", nothing_used()),
        ] {
            assert_eq!(key[member], expected, "{member}");
        }

        let shown = server.manage("GET", &format!("/v1/keys/{id}"), None);
        assert_eq!(members(&shown.ok()), key_members(&[], &[]));
        let listed = server.manage("GET", "/v1/keys", None);
        assert_eq!(members(&listed.ok()["data"][0]), key_members(&[], &["addresses"]));
        for answer in [shown, listed] {
            assert!(!answer.body.contains(secret), "{answer:?}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
}

on_both! {
    fn only_name_and_scopes_are_required(backend) {
        let server = TestServer::start(backend);
        let longest = json!({
            "name": "ü".repeat(100), "description": "ü".repeat(500), "owner": "ü".repeat(200),
            "scopes": resources::catalog().scopes(), "expires_at": "2036-11-21T12:00:00Z",
        });
        for body in [
            new_key(),
            json!({
                "name": "n", "scopes": ["calls:read"],
                "description": null, "owner": null, "expires_at": null,
            }),
            json!({"name": "n", "scopes": ["calls:read"], "description": "", "owner": "  "}),
            longest,
        ] {
            let key = server.manage("POST", "/v1/keys", Some(&body)).ok();
            let id = key["id"].as_str().unwrap();
            let shown = server.manage("GET", &format!("/v1/keys/{id}"), None).ok();
            for member in ["name", "description", "owner", "expires_at"] {
                assert_eq!(shown[member], key[member], "{member}");
                let blank = body[member].as_str().is_none_or(|text| text.trim().is_empty());
                assert_eq!(shown[member].is_null(), blank, "{member}");
            }
        }
    }
}

/// Names that would do harm in a page or a spreadsheet are text like any other.
#[test]
fn a_label_is_stored_as_it_is() {
    let server = TestServer::start(Backend::Sqlite);
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "\u{202e}desrever",
        "👩‍👩‍👧‍👦 e\u{301}",
        "{{7*7}} ${7*7}",
        "=1+1",
        "'; DROP TABLE api_keys; --",
        "%s %n \\ \"",
        "null",
    ] {
        let body =
            json!({"name": text, "owner": text, "description": text, "scopes": ["calls:read"]});
        let made = server.manage("POST", "/v1/keys", Some(&body)).ok();
        let shown =
            server.manage("GET", &format!("/v1/keys/{}", made["id"].as_str().unwrap()), None).ok();
        for member in ["name", "owner", "description"] {
            assert_eq!((&made[member], &shown[member]), (&json!(text), &json!(text)));
        }
    }
}

/// Every bad value of every member, and that it is named.
fn bad_values() -> Vec<(&'static str, Value)> {
    let thousands: Vec<&str> = std::iter::repeat_n("calls:read", 10_000).collect();
    let mut rows = vec![
        ("name", json!("a".repeat(101))),
        ("scopes", json!(thousands)),
        ("description", json!("a".repeat(501))),
        ("owner", json!("a".repeat(201))),
    ];
    for name in [
        json!(""),
        json!("   "),
        json!("a\nb"),
        json!("a\tb"),
        json!("a\u{7f}"),
        json!("\u{0}"),
        json!(null),
        json!(1),
        json!(["a"]),
        json!({"a": 1}),
        json!("btk_0000000000"),
    ] {
        rows.push(("name", name));
    }
    for scopes in [
        json!([]),
        json!(null),
        json!("calls:read"),
        json!({"calls": "read"}),
        json!([1]),
        json!([null]),
    ] {
        rows.push(("scopes", scopes));
    }
    for scope in [
        "",
        "*",
        "calls",
        "calls:*",
        "CALLS:READ",
        "Calls:read",
        "calls:read ",
        " calls:read",
        "calls:read leads:read",
        "analytics:write",
        "keys:write",
        "keys:read",
        "calls:admin",
        "nothing:read",
    ] {
        rows.push(("scopes", json!([scope])));
        rows.push(("scopes", json!(["leads:read", scope])));
    }
    for text in [json!("a\u{0}b"), json!("\u{1b}[31m"), json!(1), json!(true), json!([])] {
        rows.push(("description", text.clone()));
        rows.push(("owner", text));
    }
    for expiry in [
        "2026-11-21T12:00:00Z",
        "2026-11-21T11:59:59.999Z",
        "1970-01-01T00:00:00Z",
        "2036-11-21T12:00:00.001Z",
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "2027-01-31T12:00:00",
        "2027-01-31T24:00:00Z",
        "2027-06-30T23:59:60Z",
        "2027-02-30T12:00:00Z",
        "2027-01-31",
        "2027-01-31 12:00:00Z",
        "90d",
        "never",
        "tomorrow",
        "",
        "0",
        "1801396800",
    ] {
        rows.push(("expires_at", json!(expiry)));
    }
    for expiry in [json!(0), json!(1_801_396_800), json!(1.5), json!(true), json!([]), json!({})] {
        rows.push(("expires_at", expiry));
    }
    for (member, value) in [
        ("id", json!("key_00000000000000000000000000")),
        ("key", json!("mine")),
        ("status", json!("active")),
        ("created_by", json!({"type": "cli"})),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("digest", json!("00")),
        ("Name", json!("x")),
        ("scope", json!("calls:read")),
        ("unknown", json!(null)),
    ] {
        rows.push((member, value));
    }
    rows
}

on_both! {
    fn a_bad_member_is_named_and_nothing_is_stored(backend) {
        let server = TestServer::start(backend);
        let events = count_of_events(&server);
        for (member, value) in bad_values() {
            let answer = server.manage("POST", "/v1/keys", Some(&new_key_with(member, &value)));
            let named = answer.expect(422, "validation_failed").fields();
            assert_eq!(named, [member], "{value}");
        }
        for missing in ["name", "scopes"] {
            let mut body = new_key();
            body.as_object_mut().unwrap().remove(missing);
            let answer = server.manage("POST", "/v1/keys", Some(&body));
            assert_eq!(answer.expect(422, "validation_failed").fields(), [missing]);
        }
        let all_wrong = json!({"name": "", "owner": 1, "scopes": [], "expires_at": 0, "x": 1});
        let answer = server.manage("POST", "/v1/keys", Some(&all_wrong));
        let mut named = answer.expect(422, "validation_failed").fields();
        named.sort_unstable();
        assert_eq!(named, ["expires_at", "name", "owner", "scopes", "x"]);
        assert_eq!((count_of_keys(&server), count_of_events(&server)), (0, events));
    }
}

#[test]
fn a_body_that_is_no_object_of_distinct_members_is_refused() {
    let server = TestServer::start(Backend::Sqlite);
    let bearer = format!("Bearer {}", server.admin);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (body, status, code) in [
        ("", 400, "malformed_json"),
        ("{", 400, "malformed_json"),
        ("{\"name\": \"a\",}", 400, "malformed_json"),
        ("{'name': 'a'}", 400, "malformed_json"),
        ("{\"name\": \"a\"} {}", 400, "malformed_json"),
        ("{\"name\": \"\\ud800\"}", 400, "malformed_json"),
        ("[]", 422, "validation_failed"),
        ("\"text\"", 422, "validation_failed"),
        ("null", 422, "validation_failed"),
        (r#"{"name": "a", "name": "a", "scopes": ["calls:read"]}"#, 422, "validation_failed"),
        (
            r#"{"name": "a", "scopes": ["calls:read"], "scopes": ["calls:write"]}"#,
            422,
            "validation_failed",
        ),
    ] {
        let answer = server.client.send("POST", "/v1/keys", &headers, Some(body));
        answer.expect(status, code);
    }
    assert_eq!(count_of_keys(&server), 0);
}

on_both! {
    fn the_usage_of_a_key_is_told_by_resource_access_and_time(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let call = json!({"direction": "inbound", "caller": "+14155550100"});
        server.call(&key, "POST", "/v1/calls", Some(&call)).ok();
        server.pass(Duration::from_secs(2 * 3600));
        server.call(&key, "GET", "/v1/calls", None).ok();
        server
            .call(&key, "GET", "/v1/calls/call_00000000000000000000000000", None)
            .expect(404, "not_found");
        server.call(&key, "GET", "/v1/ping", None).ok();
        server.call(&key, "GET", "/v1/nothing", None).expect(404, "not_found");
        server.call(&key, "POST", "/v1/keys", None).expect(403, "wrong_credential");
        let told = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
        assert_eq!(members(&told), ["24h", "30d", "7d"]);
        for (window, points) in [("24h", 25), ("7d", 8), ("30d", 31)] {
            let told = &told[window];
            assert_eq!(
                members(told),
                [
                    "by_resource",
                    "client_error",
                    "forbidden",
                    "ok",
                    "rate_limited",
                    "retired",
                    "series",
                    "server_error",
                    "total",
                ]
            );
            let counts = [
                "total",
                "ok",
                "client_error",
                "forbidden",
                "server_error",
                "rate_limited",
                "retired",
            ]
            .map(|member| told[member].as_i64().unwrap());
            assert_eq!(counts, [6, 3, 2, 1, 0, 0, 0], "{window}");
            assert_eq!(
                told["by_resource"],
                json!({
                    "calls": {"read": 2, "write": 1}, "other": {"read": 2, "write": 1},
                }),
                "{window}"
            );
            let series = told["series"].as_array().unwrap();
            assert_eq!(series.len(), points, "{window}");
            assert!(series.iter().all(|point| members(point) == ["start", "total"]));
            let sum: i64 = series.iter().map(|point| point["total"].as_i64().unwrap()).sum();
            assert_eq!(sum, 6, "{window}");
            assert_eq!(told["total"], server.usage(&key, window)["total"], "{window}");
        }
        let hours = told["24h"]["series"].as_array().unwrap();
        assert_eq!(hours[24], json!({"start": "2026-11-21T14:00:00.000Z", "total": 5}));
        assert_eq!(hours[22], json!({"start": "2026-11-21T12:00:00.000Z", "total": 1}));
        let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(shown["last_used_at"], "2026-11-21T14:00:00.000Z");
        assert_eq!(shown["lifetime_total"], 6);
    }
}

#[test]
fn an_unknown_key_is_404_wherever_it_is_named() {
    let server = TestServer::start(Backend::Sqlite);
    let path = "/v1/keys/key_00000000000000000000000000";
    for (method, tail, body) in [
        ("GET", "", None),
        ("PATCH", "", Some(json!({"name": "x"}))),
        ("POST", "/revoke", None),
        ("GET", "/usage", None),
    ] {
        server.manage(method, &format!("{path}{tail}"), body.as_ref()).expect(404, "not_found");
    }
}

//! Query parameters: what is unknown, doubled or out of range is refused and named.

use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer};

/// However much is wrong with a request, its answer is short: the first hundred complaints, and how
/// many more there are.
#[test]
fn a_request_full_of_faults_has_a_short_answer() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("contacts:write knowledge_base:write");
    let admin = MadeKey { id: String::new(), secret: server.admin.clone() };
    let object = |prefix: &str, count: usize| -> Value {
        (0..count).map(|n| (format!("{prefix}{n}"), Value::Null)).collect()
    };
    let names = |count: usize| (0..count).map(|n| format!("x{n}")).collect::<Vec<_>>().join("&");
    let contact = server.call(&key, "POST", "/v1/contacts", Some(&json!({"name": "Ada"}))).ok();
    let contact = format!("/v1/contacts/{}", contact["id"].as_str().unwrap());
    let many = object("x", 15_000);
    let cases = [
        (&key, "GET", format!("/v1/ping?{}", names(9_000)), None, 9_000),
        (&admin, "GET", format!("/v1/keys?{}&{0}", names(4_000)), None, 4_000),
        // The name is missing too.
        (&key, "POST", "/v1/contacts".to_owned(), Some(&many), 15_001),
        (&key, "PATCH", contact, Some(&many), 15_000),
        (&admin, "POST", "/v1/keys".to_owned(), Some(&many), 15_002),
    ];
    for (key, method, path, body, faults) in cases {
        let answer = server.call(key, method, &path, body);
        let problem = answer.expect(422, "validation_failed").json();
        assert_eq!(answer.fields().len(), 100, "{method} {path:.40}");
        let detail = problem["detail"].as_str().unwrap();
        let more = format!("; and {} more", faults - 100);
        assert!(detail.ends_with(&more), "{method} {path:.40}: {detail:.200}");
        assert!(answer.body.len() < 20_000, "{method} {path:.40}: {}", answer.body.len());
    }
    // One long name is one long name.
    let name = "x".repeat(100_000);
    let doubled = format!("{{\"{name}\": 1, \"{name}\": 2}}");
    let (bearer, json) = (format!("Bearer {}", key.secret), ("content-type", "application/json"));
    for (path, body) in [("/v1/contacts", doubled), ("/v1/contacts", format!("{{\"{name}\": 1}}"))]
    {
        let headers = [("authorization", bearer.as_str()), json];
        let answer = server.client.send("POST", path, &headers, Some(&body));
        answer.expect(422, "validation_failed");
        assert!(answer.body.len() < 2_000, "{}", answer.body.len());
    }
}

/// A mistyped parameter must not be taken for none.
#[test]
fn an_unknown_parameter_is_refused_on_every_path() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let call = json!({"direction": "inbound", "caller": "+14155550100"});
    let made = server.call(&key, "POST", "/v1/calls", Some(&call)).ok();
    let call_path = format!("/v1/calls/{}", made["id"].as_str().unwrap());
    let key_path = format!("/v1/keys/{}", key.id);
    for (secret, method, path, body) in [
        (&key.secret, "GET", "/v1/calls".to_owned(), None),
        (&key.secret, "POST", "/v1/calls".to_owned(), Some(call.clone())),
        (&key.secret, "GET", call_path.clone(), None),
        (&key.secret, "PATCH", call_path.clone(), Some(json!({"summary": "changed"}))),
        (&key.secret, "DELETE", call_path.clone(), None),
        (&key.secret, "GET", "/v1/whoami".to_owned(), None),
        (&key.secret, "GET", "/v1/ping".to_owned(), None),
        (&key.secret, "GET", "/v1/admin/limits".to_owned(), None),
        (&server.admin, "GET", "/v1/keys".to_owned(), None),
        (
            &server.admin,
            "POST",
            "/v1/keys".to_owned(),
            Some(json!({"name": "x", "scopes": ["calls:read"]})),
        ),
        (&server.admin, "GET", key_path.clone(), None),
        (&server.admin, "PATCH", key_path.clone(), Some(json!({"name": "changed"}))),
        (&server.admin, "POST", format!("{key_path}/revoke"), None),
        (&server.admin, "GET", format!("{key_path}/usage"), None),
        (&server.admin, "GET", "/v1/audit".to_owned(), None),
    ] {
        for query in ["statuss=active", "Limit=5", "=", "sort=-name"] {
            let path = format!("{path}?{query}");
            let answer = server.client.with_key(secret, method, &path, body.as_ref());
            let named = answer.expect(422, "validation_failed").fields();
            assert_eq!(named, [query.split('=').next().unwrap()], "{method} {path}");
        }
    }
    assert_eq!(server.call(&key, "GET", &call_path, None).ok(), made);
    assert_eq!(server.manage("GET", &key_path, None).ok()["name"], "test");
    assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 1);
}

#[test]
fn a_bad_parameter_is_422_and_named() {
    let server = TestServer::start(Backend::Sqlite);
    for n in 0..3 {
        server
            .manage(
                "POST",
                "/v1/keys",
                Some(&json!({"name": format!("{n}"), "scopes": ["calls:read"]})),
            )
            .ok();
    }
    let key = server.key("calls:read calls:write");
    let call = json!({"direction": "inbound", "caller": "+14155550100"});
    for _ in 0..2 {
        server.call(&key, "POST", "/v1/calls", Some(&call)).ok();
    }
    let cursor_of = |answer: Value| answer["meta"]["next_cursor"].as_str().unwrap().to_owned();
    let keys_cursor = cursor_of(server.manage("GET", "/v1/keys?limit=1", None).ok());
    let audit_cursor = cursor_of(server.manage("GET", "/v1/audit?limit=1", None).ok());
    let calls_cursor = cursor_of(server.call(&key, "GET", "/v1/calls?limit=1", None).ok());
    let mut shortened = keys_cursor.clone();
    shortened.pop();
    for (path, own) in
        [("/v1/keys", &keys_cursor), ("/v1/audit", &audit_cursor), ("/v1/calls", &calls_cursor)]
    {
        let secret = if path == "/v1/calls" { &key.secret } else { &server.admin };
        let ask =
            |query: String| server.client.with_key(secret, "GET", &format!("{path}?{query}"), None);
        for limit in [
            "0",
            "-1",
            "101",
            "1000000000",
            "99999999999999999999",
            "abc",
            "",
            "%2B5",
            "5.0",
            "0x5",
        ] {
            let answer = ask(format!("limit={limit}"));
            assert_eq!(answer.expect(422, "validation_failed").fields(), ["limit"], "{limit}");
        }
        for cursor in [
            "",
            "abc",
            "MQ",
            "AAAAAA",
            "%00",
            "1",
            "null",
            "..",
            shortened.as_str(),
            "x".repeat(3000).as_str(),
        ] {
            let answer = ask(format!("cursor={cursor}"));
            assert_eq!(answer.expect(422, "validation_failed").fields(), ["cursor"], "{cursor}");
        }
        // The lists of keys and of events both count; a call's cursor is of another kind.
        let foreign = if path == "/v1/calls" { &keys_cursor } else { &calls_cursor };
        let answer = ask(format!("cursor={foreign}"));
        assert_eq!(answer.expect(422, "validation_failed").fields(), ["cursor"]);
        for query in [
            "limit=5&limit=5",
            "sort=name",
            "order=desc",
            "offset=5",
            "page=2",
            "LIMIT=5",
            "limit%00=5",
        ] {
            ask(query.to_owned()).expect(422, "validation_failed");
        }
        ask(format!("cursor={own}&limit=2")).ok();
    }
    for query in [
        "status=Active",
        "status=",
        "status=live",
        "q=",
        "owner=",
        "owner=%00",
        "status=active&status=all",
        "q=a&q=b",
    ] {
        let answer = server.manage("GET", &format!("/v1/keys?{query}"), None);
        let name = query.split('=').next().unwrap();
        assert_eq!(answer.expect(422, "validation_failed").fields(), [name], "{query}");
    }
    let long = format!("/v1/keys?q={}", "x".repeat(201));
    assert_eq!(server.manage("GET", &long, None).expect(422, "validation_failed").fields(), ["q"]);
}

//! Methods and spellings of paths: what is offered, what is not, and that no odd spelling gets
//! around the decision.

use bitting::http::endpoint::{Endpoint, Guard};
use bitting::server::endpoints;
use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, on_both, raw};

/// Every scope there is.
const ALL: &str = "calls:read calls:write leads:read leads:write agents:read agents:write \
                   analytics:read contacts:read contacts:write knowledge_base:read \
                   knowledge_base:write integrations:read integrations:write";

fn call() -> Value {
    json!({"direction": "inbound", "caller": "+14155550100", "summary": "a secret matter"})
}

/// Makes a call record and returns its path.
fn stored_call(server: &TestServer) -> String {
    let maker = server.key("calls:write");
    let made = server.call(&maker, "POST", "/v1/calls", Some(&call()));
    made.ok();
    made.header("location").to_owned()
}

/// Sends a request line as it is, with a key.
fn raw_request(server: &TestServer, key: &MadeKey, line: &str) -> String {
    let request = format!(
        "{line} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        key.secret
    );
    raw::exchange(server.address, request.as_bytes())
}

on_both! {
    fn a_missing_scope_is_named_and_nothing_happens(backend) {
        let server = TestServer::start(backend);
        let path = stored_call(&server);
        let writer = server.key("calls:write");
        let reader = server.key("leads:write calls:read");
        let before = server.call(&reader, "GET", &path, None).ok();
        for (key, method, path, body, required, granted) in [
            (&writer, "GET", "/v1/calls", None, "calls:read", json!(["calls:write"])),
            (&writer, "GET", path.as_str(), None, "calls:read", json!(["calls:write"])),
            (
                &reader,
                "POST",
                "/v1/calls",
                Some(call()),
                "calls:write",
                json!(["calls:read", "leads:write"]),
            ),
            (
                &reader,
                "PATCH",
                &path,
                Some(json!({"summary": "x"})),
                "calls:write",
                json!(["calls:read", "leads:write"]),
            ),
            (&reader, "DELETE", &path, None, "calls:write", json!(["calls:read", "leads:write"])),
        ] {
            let answer = server.call(key, method, path, body.as_ref());
            answer.expect(403, "insufficient_scope");
            let told = answer.json();
            assert_eq!((&told["required"], &told["granted"]), (&json!(required), &granted));
            assert_eq!(
                answer.header("www-authenticate"),
                format!(
                    "Bearer realm=\"bitting\", error=\"insufficient_scope\", scope=\"{required}\""
                )
            );
        }
        assert_eq!(server.call(&reader, "GET", &path, None).ok(), before);
        let listed = server.call(&reader, "GET", "/v1/calls", None).ok();
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        assert_eq!(server.usage(&writer, "24h")["forbidden"], 2);
        assert_eq!(server.usage(&reader, "24h")["forbidden"], 3);
    }
}

on_both! {
    fn a_key_that_only_writes_is_told_nothing_of_the_record(backend) {
        let server = TestServer::start(backend);
        let writer = server.key("calls:write leads:read");
        let both = server.key("calls:write calls:read");
        let made = server.call(&writer, "POST", "/v1/calls", Some(&call()));
        made.expect(201, "");
        let path = made.header("location").to_owned();
        let patched = server.call(&writer, "PATCH", &path, Some(&json!({"summary": "changed"})));
        for answer in [made.ok(), patched.ok()] {
            let members: Vec<_> = answer.as_object().unwrap().keys().collect();
            assert_eq!(members, ["id", "created_at", "updated_at"]);
        }
        let whole = server.call(&both, "PATCH", &path, Some(&json!({}))).ok();
        assert_eq!(whole["summary"], "changed");
        assert_eq!(whole, server.call(&both, "GET", &path, None).ok());
        let made = server.call(&both, "POST", "/v1/calls", Some(&call())).ok();
        assert_eq!(made["summary"], "a secret matter");
    }
}

/// A door answers by whatever method it is asked.
fn has_methods(endpoint: &Endpoint) -> bool {
    endpoint.guard() != Guard::Door
}

/// Tries the methods that a path does not offer.
fn try_other_methods(server: &TestServer, path: &str, offered: &[String], key: &MadeKey) {
    let of_tokens = ["/v1/keys", "/v1/connections", "/v1/audit"];
    let needs_token = of_tokens.iter().any(|start| path.starts_with(start));
    let secret = if needs_token { &server.admin } else { &key.secret };
    let holder = MadeKey { id: String::new(), secret: secret.clone() };
    let allow = format!("allow: {}, options\r\n", offered.join(", ").to_lowercase());
    let methods = ["PUT", "TRACE", "CONNECT", "get", "Post", "FOO", "PROPFIND", "POST", "DELETE"];
    for method in methods.into_iter().filter(|method| !offered.iter().any(|one| one == method)) {
        let answer = raw_request(server, &holder, &format!("{method} {path}"));
        assert_eq!(raw::status(&answer), 405, "{method} {path}: {answer}");
        assert!(answer.to_lowercase().contains(&allow), "{method} {path}: {answer}");
    }
}

#[test]
fn a_method_that_is_not_offered_is_405_with_every_scope() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key(ALL);
    let path = stored_call(&server);
    let offers = endpoints(true).into_iter().filter(has_methods).map(|endpoint| {
        let target = endpoint.path().replace("/v1/calls/{id}", &path).replace("{id}", &key.id);
        (target, endpoint.methods().iter().map(ToString::to_string).collect::<Vec<_>>())
    });
    let offers: Vec<_> = offers.collect();
    // A connection stays for a second behind the answer to CONNECT.
    std::thread::scope(|scope| {
        for some in offers.chunks(8) {
            let (server, key) = (&server, &key);
            scope.spawn(move || {
                some.iter()
                    .for_each(|(path, offered)| try_other_methods(server, path, offered, key));
            });
        }
    });
    server.call(&key, "GET", &path, None).ok();
}

#[test]
fn a_method_cannot_be_overridden() {
    let server = TestServer::start(Backend::Sqlite);
    let (key, reader) = (server.key(ALL), server.key("calls:read"));
    let path = stored_call(&server);
    let before = server.call(&key, "GET", &path, None).ok();
    for name in
        ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method"]
    {
        for key in [&key, &reader] {
            let bearer = format!("Bearer {}", key.secret);
            let headers = [("authorization", bearer.as_str()), (name, "DELETE")];
            let answer = server.client.send("GET", &path, &headers, None);
            assert_eq!(answer.ok(), before, "{name}");
            let headers = [("authorization", bearer.as_str()), (name, "GET")];
            let answer = server.client.send("POST", &path, &headers, None);
            answer.expect(405, "method_not_allowed");
        }
    }
    let answer = server.call(&key, "GET", &format!("{path}?_method=DELETE"), None);
    assert_eq!(answer.expect(422, "validation_failed").fields(), ["_method"]);
    assert_eq!(server.call(&key, "GET", &path, None).ok(), before);
}

#[test]
fn head_answers_as_get_does_without_a_body() {
    let server = TestServer::start(Backend::Sqlite);
    let path = stored_call(&server);
    let (reader, writer) = (server.key("calls:read"), server.key("calls:write"));
    for (key, path, status) in [
        (&reader, path.as_str(), 200),
        (&reader, "/v1/calls", 200),
        (&reader, "/v1/calls/call_00000000000000000000000000", 404),
        (&reader, "/v1/calls?limit=0", 422),
        (&writer, path.as_str(), 403),
        (&writer, "/v1/calls", 403),
    ] {
        let get = server.call(key, "GET", path, None);
        let head = raw_request(&server, key, &format!("HEAD {path}"));
        let (headers, body) = head.split_once("\r\n\r\n").unwrap();
        assert_eq!((raw::status(&head), body), (status, ""), "{path}: {head}");
        assert_eq!(get.status, status);
        for name in ["content-type", "content-length", "cache-control", "www-authenticate"] {
            let expected = get.header(name).to_owned();
            let lines = headers.lines().filter_map(|line| line.split_once(": "));
            let mut told = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name));
            assert_eq!(told.next().map_or("", |(_, value)| value), expected, "{path}: {name}");
        }
    }
    let usage = server.usage(&writer, "24h");
    assert_eq!((&usage["forbidden"], &usage["total"]), (&json!(4), &json!(4)));
    assert_eq!(server.usage(&reader, "24h")["ok"], 4);
}

#[test]
fn options_says_what_is_offered_to_anybody_and_counts_for_nobody() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key(ALL);
    let bearer = format!("Bearer {}", key.secret);
    let preflight =
        [("origin", "https://elsewhere.example"), ("access-control-request-method", "GET")];
    for endpoint in endpoints(true).into_iter().filter(has_methods) {
        let offered: Vec<_> = endpoint.methods().iter().map(|method| method.as_str()).collect();
        let path = endpoint.path().replace("{id}", "anything");
        for headers in [&[][..], &preflight, &[("authorization", bearer.as_str())]] {
            let answer = server.client.send("OPTIONS", &path, headers, None);
            assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
            assert_eq!(
                answer.header("allow"),
                format!("{}, OPTIONS", offered.join(", ")),
                "{path}"
            );
            let cors =
                answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(cors, None, "{path}");
        }
    }
    for path in ["/v1/nothing", "/v1", "/nothing", "/v1/calls/a/b"] {
        for headers in [&[][..], &[("authorization", bearer.as_str())]] {
            server.client.send("OPTIONS", path, headers, None).expect(404, "not_found");
        }
    }
    assert_eq!(server.total(&key), 0);
}

/// Spellings that some router or proxy might take for the list of calls or for one call, and what
/// each gets with a key that may not, and one that may read calls.
fn spellings(path: &str) -> Vec<(String, u16, u16)> {
    let id = path.rsplit('/').next().unwrap();
    let encoded_id = id.replace('_', "%5f");
    vec![
        ("/v1/calls".into(), 403, 200),
        (path.to_owned(), 403, 200),
        ("/v1/%63alls".into(), 403, 200),
        ("/%76%31/calls".into(), 403, 200),
        (format!("/v1/%63alls/{id}"), 403, 200),
        (format!("/v1/calls/{encoded_id}"), 403, 200),
        ("http://test/v1/calls".into(), 403, 200),
        ("http://elsewhere.example/v1/calls".into(), 403, 200),
        ("/v1/calls/".into(), 404, 404),
        (format!("{path}/"), 404, 404),
        ("//v1/calls".into(), 404, 404),
        ("/v1//calls".into(), 404, 404),
        ("/v1/./calls".into(), 404, 404),
        ("/./v1/calls".into(), 404, 404),
        ("/v1/leads/../calls".into(), 404, 404),
        ("/v1/%2e%2e/v1/calls".into(), 404, 404),
        ("/V1/calls".into(), 404, 404),
        ("/v1/Calls".into(), 404, 404),
        ("/v1/CALLS".into(), 404, 404),
        ("/v1/calls;x=1".into(), 404, 404),
        ("/v1;x=1/calls".into(), 404, 404),
        ("/v1/calls%20".into(), 404, 404),
        ("/v1/calls%00".into(), 404, 404),
        ("/v1/calls.json".into(), 404, 404),
        ("/v1\\calls".into(), 404, 404),
        ("/v1/%2563alls".into(), 404, 404),
        ("/v1%2fcalls".into(), 404, 404),
        ("/v1/calls%2f".into(), 404, 404),
        ("/v1/calls/..".into(), 403, 404),
        ("/v1/calls/a%2fb".into(), 403, 404),
        ("/v1/calls/%2e%2e".into(), 403, 404),
        ("/v1/calls/%".into(), 403, 404),
        (format!("/v1/calls/{id};x=1"), 403, 404),
        (format!("/v1/calls/{id}%20"), 403, 404),
    ]
}

#[test]
fn odd_spellings_are_decided_like_the_path_they_mean_or_are_unknown() {
    let server = TestServer::start(Backend::Sqlite);
    let path = stored_call(&server);
    let lacking = server.key("leads:read calls:write");
    let reader = server.key("calls:read");
    for (spelling, without, with) in spellings(&path) {
        for method in ["GET", "HEAD"] {
            let line = format!("{method} {spelling}");
            let answer = raw_request(&server, &lacking, &line);
            assert_eq!(raw::status(&answer), without, "{line} without calls:read: {answer}");
            let answer = raw_request(&server, &reader, &line);
            assert_eq!(raw::status(&answer), with, "{line} with calls:read: {answer}");
        }
        let unknown = MadeKey { id: String::new(), secret: "nonsense".to_owned() };
        let answer = raw_request(&server, &unknown, &format!("GET {spelling}"));
        let guarded = spelling.starts_with("/v1/") && without == 403;
        assert!(!guarded || raw::status(&answer) == 401, "{spelling}: {answer}");
        assert!(raw::status(&answer) >= 400, "{spelling}: {answer}");
    }
}

#[test]
fn an_id_that_is_not_of_its_own_syntax_names_nothing() {
    let server = TestServer::start(Backend::Sqlite);
    let path = stored_call(&server);
    let id = path.rsplit('/').next().unwrap();
    let key = server.key(ALL);
    let digits = id.strip_prefix("call_").unwrap();
    for wrong in [
        digits.to_owned(),
        format!("lead_{digits}"),
        format!("CALL_{digits}"),
        format!("call_{}", digits.to_uppercase()),
        format!("call-{digits}"),
        id[..id.len() - 1].to_owned(),
        format!("{id}0"),
        "call_80000000000000000000000000".to_owned(),
        "call_".to_owned(),
        "1".to_owned(),
        "-1".to_owned(),
        "%F0%9F%92%A9".to_owned(),
        "'%20OR%201=1--".to_owned(),
        "x".repeat(5000),
    ] {
        for (method, body) in [("GET", None), ("PATCH", Some(json!({}))), ("DELETE", None)] {
            let answer = server.call(&key, method, &format!("/v1/calls/{wrong}"), body.as_ref());
            answer.expect(404, "not_found");
        }
        for (method, tail) in [("GET", ""), ("GET", "/usage"), ("POST", "/revoke")] {
            let answer = server.manage(method, &format!("/v1/keys/{wrong}{tail}"), None);
            answer.expect(404, "not_found");
        }
    }
    server.call(&key, "GET", &path, None).ok();
}

on_both! {
    fn a_connection_that_asks_to_be_upgraded_is_answered_and_told_that_it_ends(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        for path in ["/v1/ping", "/v1/calls", "/v1/nothing", "/healthz"] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                key.secret
            );
            let answer = raw::exchange(server.address, request.as_bytes());
            let status = if path == "/v1/nothing" { 404 } else { 200 };
            assert_eq!(raw::status(&answer), status, "{answer}");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
            assert!(!answer.to_lowercase().contains("upgrade"), "{answer}");
        }
    }
}

//! Request bodies: of the right type, small enough, JSON, and an object.

use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, TestServer, raw};

const LARGEST: usize = 256 * 1024;

fn start() -> (TestServer, MadeKey) {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    (server, key)
}

fn call() -> String {
    json!({"direction": "inbound", "caller": "+14155550100"}).to_string()
}

fn send(
    server: &TestServer,
    key: &MadeKey,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let bearer = format!("Bearer {}", key.secret);
    let headers = [&[("authorization", bearer.as_str())], headers].concat();
    server.client.send(method, path, &headers, Some(body))
}

fn stored(server: &TestServer) -> i64 {
    server.database.db_number("SELECT COUNT(*) FROM calls")
}

#[test]
fn another_type_or_an_encoding_is_415() {
    let (server, key) = start();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/jsonp",
        "application/xml",
        "application",
        "*/*",
        "",
        "application/merge-patch+json",
    ] {
        let answer =
            send(&server, &key, "POST", "/v1/calls", &[("content-type", content_type)], &call());
        answer.expect(415, "unsupported_media_type");
    }
    send(&server, &key, "POST", "/v1/calls", &[], &call()).expect(415, "unsupported_media_type");
    for encoding in ["gzip", "identity", "br", "deflate", "x"] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let answer = send(&server, &key, "POST", "/v1/calls", &headers, &call());
        answer.expect(415, "unsupported_media_type");
    }
    assert_eq!(stored(&server), 0);
    for content_type in [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        " application/json ; x=y",
    ] {
        let answer =
            send(&server, &key, "POST", "/v1/calls", &[("content-type", content_type)], &call());
        answer.expect(201, "");
    }
}

#[test]
fn what_is_no_json_is_400_and_no_object_422() {
    let (server, key) = start();
    let deep = format!("{{\"tags\":{}", "[".repeat(100_000));
    let valid = call();
    let made =
        send(&server, &key, "POST", "/v1/calls", &[("content-type", "application/json")], &valid)
            .ok();
    let path = format!("/v1/calls/{}", made["id"].as_str().unwrap());
    for body in [
        "",
        " ",
        "{",
        "}",
        "{\"direction\":",
        "nul",
        "{'a':1}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1}{}",
        "\u{feff}{}",
        "// {}",
        "direction=inbound",
        deep.as_str(),
    ] {
        for (method, path) in [("POST", "/v1/calls"), ("PATCH", path.as_str())] {
            let answer =
                send(&server, &key, method, path, &[("content-type", "application/json")], body);
            answer.expect(400, "malformed_json");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    for body in ["[]", "[{}]", "1", "\"text\"", "true", "null"] {
        for (method, path) in [("POST", "/v1/calls"), ("PATCH", path.as_str())] {
            let answer =
                send(&server, &key, method, path, &[("content-type", "application/json")], body);
            assert_eq!(answer.expect(422, "validation_failed").fields(), ["body"], "{body}");
        }
    }
    assert_eq!(stored(&server), 1);
    assert_eq!(server.call(&key, "GET", &path, None).ok(), made);
}

#[test]
fn bytes_that_are_no_utf8_are_no_json() {
    let (server, key) = start();
    let mut request = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 15\r\n\r\n",
        key.secret
    )
    .into_bytes();
    request.extend_from_slice(b"{\"summary\":\"\xff\"}");
    let answer = raw::exchange(server.address, &request);
    assert_eq!(raw::status(&answer), 400, "{answer}");
}

#[test]
fn a_member_given_twice_is_refused_and_named() {
    let (server, key) = start();
    for (body, named) in [
        (
            r#"{"direction": "inbound", "direction": "outbound", "caller": "+14155550100"}"#,
            "direction",
        ),
        (
            r#"{"direction": "inbound", "caller": "+14155550100", "caller": "+14155550100"}"#,
            "caller",
        ),
        (
            r#"{"direction": "inbound", "caller": "+14155550100", "ca\u006cler": "+14155550100"}"#,
            "caller",
        ),
        (
            r#"{"direction": "inbound", "transcript": [{"role": "agent", "text": "a", "text": "b"}]}"#,
            "text",
        ),
    ] {
        let answer =
            send(&server, &key, "POST", "/v1/calls", &[("content-type", "application/json")], body);
        assert_eq!(answer.expect(422, "validation_failed").fields(), [named], "{body}");
    }
    assert_eq!(stored(&server), 0);
}

#[test]
fn a_body_of_256_kib_is_read_and_one_byte_more_is_not() {
    let (server, key) = start();
    let json_type = [("content-type", "application/json")];
    let padded = |length: usize| call() + &" ".repeat(length - call().len());
    send(&server, &key, "POST", "/v1/calls", &json_type, &padded(LARGEST)).expect(201, "");
    send(&server, &key, "POST", "/v1/calls", &json_type, &padded(LARGEST + 1))
        .expect(413, "body_too_large");
    assert_eq!(stored(&server), 1);
}

/// A request head that announces its body in some way.
fn head(key: &MadeKey, method: &str, path: &str, announced: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\n{announced}\r\n\r\n",
        key.secret
    )
}

fn code_of(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let (server, key) = start();
    for length in [LARGEST + 1, 100_000_000, 1 << 40] {
        let request = head(&key, "POST", "/v1/calls", &format!("Content-Length: {length}"));
        let answer = raw::exchange(server.address, request.as_bytes());
        assert_eq!(
            (raw::status(&answer), code_of(&answer).as_str()),
            (413, "body_too_large"),
            "{length}: {answer}"
        );
    }
    assert_eq!(server.usage(&key, "24h")["client_error"], 3);
}

#[test]
fn a_body_in_chunks_is_refused_as_soon_as_it_is_too_large() {
    let (server, key) = start();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let mut request = head(&key, "POST", "/v1/calls", "Transfer-Encoding: chunked");
    // One chunk more than fits, and no end: the answer must not wait for one.
    request.push_str(&chunk.repeat(LARGEST / 0x1000 + 1));
    let answer = raw::exchange(server.address, request.as_bytes());
    assert_eq!(
        (raw::status(&answer), code_of(&answer).as_str()),
        (413, "body_too_large"),
        "{answer}"
    );
    assert_eq!(stored(&server), 0);

    let mut request = head(&key, "POST", "/v1/calls", "Transfer-Encoding: chunked");
    request.push_str(&chunk.repeat(3));
    request.push_str(&format!("{:x}\r\n{}\r\n0\r\n\r\n", call().len(), call()));
    let answer = raw::exchange(server.address, request.as_bytes());
    assert_eq!(raw::status(&answer), 201, "{answer}");
}

#[test]
fn a_body_is_looked_at_only_after_the_caller() {
    let (server, key) = start();
    let reader = server.key("calls:read");
    for (key, status, code) in [
        (&reader, 403, "insufficient_scope"),
        (&MadeKey { id: String::new(), secret: "nonsense".into() }, 401, "invalid_key"),
    ] {
        let request = head(key, "POST", "/v1/calls", "Content-Length: 100000000");
        let answer = raw::exchange(server.address, request.as_bytes());
        assert_eq!((raw::status(&answer), code_of(&answer).as_str()), (status, code), "{answer}");
        let answer =
            send(&server, key, "POST", "/v1/calls", &[("content-type", "text/plain")], "{");
        answer.expect(status, code);
    }
    assert_eq!(server.total(&key), 0);
}

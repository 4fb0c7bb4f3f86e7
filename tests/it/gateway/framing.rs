//! Messages that two readers could take for different ones: none of them leads past the judgement,
//! whichever side sends it.

use std::io::Write;

use bitting::config::Options;

use super::{ask, before, body, connect, head, impatient, rest, with};
use crate::support::{Backend, Origin, raw};

/// What is smuggled: a request of its own, if somebody takes it for one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_request_that_can_be_read_in_two_ways_is_not_forwarded() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let bearer = format!("Authorization: Bearer {}", key.secret);
    let post = |lines: &str, body: &str| {
        format!("POST /v1/calls HTTP/1.1\r\nHost: x\r\n{bearer}\r\n{lines}\r\n\r\n{body}{SMUGGLED}")
    };
    let chunks = "0\r\n\r\n";
    for request in [
        post("Content-Length: 5\r\nTransfer-Encoding: chunked", chunks),
        post("Transfer-Encoding: chunked\r\nContent-Length: 5", chunks),
        post("Content-Length: 5\r\nContent-Length: 6", "hello"),
        post("Content-Length: 5\r\nContent-Length: 5", "hello"),
        post("Content-Length: 5, 5", "hello"),
        post("Content-Length: +5", "hello"),
        post("Content-Length: 0x5", "hello"),
        post("Content-Length: 99999999999999999999", "hello"),
        post("Transfer-Encoding: xchunked", chunks),
        post("Transfer-Encoding: chunked, identity", chunks),
        post("Transfer-Encoding: gzip, chunked", chunks),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", chunks),
        post("Transfer-Encoding : chunked", chunks),
        post("Transfer-Encoding: chunked\r\n folded: 1", chunks),
        post("X: 1\r\n Transfer-Encoding: chunked", chunks),
        post("Transfer-Encoding:\u{b}chunked", chunks),
        post("Content_Length : 5", "hello"),
        format!(
            "POST /v1/calls HTTP/1.0\r\nHost: x\r\n{bearer}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{SMUGGLED}"
        ),
        format!("GET /v1/calls HTTP/1.1\r\n{bearer}\r\n\r\n"),
        format!("GET /v1/calls HTTP/1.1\r\nHost: x\r\nHost: y\r\n{bearer}\r\n\r\n"),
        format!("GET /v1/calls HTTP/2.0\r\nHost: x\r\n{bearer}\r\n\r\n"),
        format!("GET /v1/calls\r\nHost: x\r\n{bearer}\r\n\r\n"),
        format!("GET /v1/calls HTTP/1.1\r\nHost: x\r\n{bearer}\r\nX\0Y: 1\r\n\r\n"),
        format!("GET /v1/ca lls HTTP/1.1\r\nHost: x\r\n{bearer}\r\n\r\n"),
    ] {
        let answer = raw::exchange(server.gateway(), request.as_bytes());
        assert_eq!(raw::status(&answer), 400, "{request}\n{answer}");
        assert!(upstream.seen().is_empty(), "{request}\n{:?}", upstream.last().text());
    }
}

#[test]
fn a_target_that_is_more_than_a_path_is_not_forwarded() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let place = upstream.address;
    for (line, status) in [
        (format!("GET http://{place}/v1/calls"), 403),
        (format!("GET https://{place}/v1/calls"), 403),
        ("GET http://api.example/v1/calls".to_owned(), 403),
        ("GET http://me:secret@api.example/v1/calls".to_owned(), 403),
        (format!("CONNECT {place}"), 403),
        (format!("GET {place}"), 403),
        ("OPTIONS *".to_owned(), 403),
        ("GET //v1/calls".to_owned(), 403),
        ("CONNECT /v1/calls".to_owned(), 501),
        ("TRACE /v1/calls".to_owned(), 501),
    ] {
        let answer = ask(&server, &line, &key, "");
        assert_eq!(raw::status(&answer), status, "{line}: {answer}");
        assert!(answer.contains("application/problem+json"), "{line}: {answer}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn upgrades_are_refused_and_an_offer_of_http_2_is_declined() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    for upgrade in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: WebSocket\r\nContent-Length: 3\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, foo\r\n",
        "Connection: Upgrade\r\nUpgrade: tcp\r\n",
    ] {
        let mut stream = connect(server.gateway());
        let asked = head("GET /v1/calls", &key, upgrade);
        let behind = if upgrade.contains("ocket") { SMUGGLED } else { "" };
        stream.write_all(format!("{asked}{behind}").as_bytes()).unwrap();
        let answer = String::from_utf8(rest(&mut stream)).unwrap();
        assert_eq!(raw::status(&answer), 501, "{upgrade}{answer}");
        assert!(answer.contains("not_implemented"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    assert!(upstream.seen().is_empty());
    // As Java's client does.
    let offer =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let mut stream = connect(server.gateway());
    stream.write_all(head("GET /v1/calls", &key, offer).as_bytes()).unwrap();
    assert_eq!(body(&String::from_utf8(rest(&mut stream)).unwrap()), "hello");
}

#[test]
fn what_a_lenient_reader_accepts_is_forwarded_in_one_strict_form() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    let bearer = format!("Authorization: Bearer {}", key.secret);
    // Extensions of chunks, sizes with zeros before them, trailers, and lines without CR.
    let chunked = "Connection: close\r\nTransfer-Encoding: Chunked\r\n";
    for (chunks, body) in [
        ("3;ext=1;x=\"a;b\"\r\nabc\r\n0\r\n\r\n", &b"abc"[..]),
        ("0003\r\nabc\r\n000\r\nX-Bitting-Owner: forged\r\n\r\n", b"abc"),
        ("3 \r\n\r\n\r\r\n0\r\n\r\n", b"\r\n\r"),
    ] {
        let mut stream = connect(server.gateway());
        stream.write_all(head("POST /v1/calls", &key, chunked).as_bytes()).unwrap();
        stream.write_all(chunks.as_bytes()).unwrap();
        let answer = String::from_utf8(rest(&mut stream)).unwrap();
        assert_eq!(raw::status(&answer), 200, "{chunks:?}: {answer}");
        let seen = upstream.last();
        assert_eq!((seen.body.as_slice(), &*seen.header("transfer-encoding")), (body, "chunked"));
        assert!(!seen.text().contains("forged"));
    }
    let bare = format!("GET /v1/calls HTTP/1.1\nHost: x\n{bearer}\nConnection: close\nX: 1\n\n");
    let answer = raw::exchange(server.gateway(), bare.as_bytes());
    if raw::status(&answer) == 200 {
        let text = upstream.last().text();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
    }
    for broken in [
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "-1\r\n",
        "zz\r\n",
        "3\r\nabc0\r\n\r\n",
        "3x\r\nabc\r\n",
        "\r\n",
        ";\r\n",
        "11111111111111111\r\n",
        "3;\u{1}\r\nabc\r\n",
        "3\rabc",
    ] {
        let before = upstream.seen().len();
        for address in [server.gateway(), server.address] {
            let mut stream = connect(address);
            let json = "Content-Type: application/json\r\n";
            let head = head("POST /v1/calls", &key, &format!("{chunked}{json}"));
            stream.write_all(format!("{head}{broken}{SMUGGLED}").as_bytes()).unwrap();
            let answer = String::from_utf8(rest(&mut stream)).unwrap();
            assert_eq!(raw::status(&answer), 400, "{broken:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{broken:?}: {answer}");
        }
        assert_eq!(upstream.seen().len(), before, "{broken:?} was whole to the upstream");
    }
}

#[test]
fn requests_on_one_connection_are_judged_one_by_one() {
    let upstream = Origin::answering(|seen| {
        let body = format!("{} {}", seen.line(), seen.header("x-bitting-key-id"));
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    let server = before(&upstream, Backend::Sqlite);
    let (first, second) = (server.key("calls:read calls:write"), server.key("calls:read"));
    let asked = [
        head("POST /v1/calls", &first, "Content-Length: 35\r\n") + SMUGGLED,
        head("GET /v1/calls/1", &second, ""),
        head("POST /v1/calls", &second, "Content-Length: 0\r\n"),
        head("GET /v1/calls/2", &first, "Connection: close\r\n"),
    ];
    assert_eq!(SMUGGLED.len(), 35);
    let mut stream = connect(server.gateway());
    stream.write_all(asked.concat().as_bytes()).unwrap();
    let answers = String::from_utf8(rest(&mut stream)).unwrap();
    let statuses: Vec<u16> =
        answers.split("HTTP/1.1 ").skip(1).filter_map(|a| a.get(..3)?.parse().ok()).collect();
    assert_eq!(statuses, [200, 200, 403, 200], "{answers}");
    let lines: Vec<String> = upstream.seen().iter().map(|seen| seen.line()).collect();
    assert_eq!(
        lines,
        ["POST /v1/calls HTTP/1.1", "GET /v1/calls/1 HTTP/1.1", "GET /v1/calls/2 HTTP/1.1"]
    );
    let ids: Vec<String> =
        upstream.seen().iter().map(|seen| seen.header("x-bitting-key-id")).collect();
    assert_eq!(ids, [&*first.id, &*second.id, &*first.id]);
}

#[test]
fn an_answer_that_can_be_read_in_two_ways_is_none() {
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(40_000));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(10_000_000));
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        "hello\r\n\r\n",
        "\0\0\0\0\0\0\0\0",
        "",
        &endless,
        &long,
    ] {
        let said = answer.to_owned();
        let upstream = Origin::talking(move |talk| {
            talk.request();
            talk.say(&said);
        });
        let server = impatient(&upstream, 5000);
        let key = server.key("calls:read");
        let got = ask(&server, "GET /v1/calls", &key, "");
        let shown = &answer[..answer.len().min(100)];
        assert_eq!(raw::status(&got), 502, "{shown}: {got}");
        assert!(got.contains("upstream_invalid"), "{shown}: {got}");
    }
}

#[test]
fn what_comes_behind_an_answer_is_no_answer_to_the_next_request() {
    let upstream = Origin::talking(|talk| {
        while let Some(seen) = talk.request() {
            let own = seen.header("x-own");
            let length = own.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{own}");
            talk.say(answer + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
        }
    });
    let options = Options { workers: Some("1".to_owned()), ..Options::default() };
    let server = with(&upstream, Backend::Sqlite, options);
    let key = server.key("calls:read");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (server, key) = (&server, &key);
            scope.spawn(move || {
                for number in 0..100 {
                    let own = format!("{thread}-{number}");
                    let answer = ask(server, "GET /v1/calls", key, &format!("X-Own: {own}\r\n"));
                    assert_eq!(body(&answer), own, "{answer}");
                }
            });
        }
    });
}

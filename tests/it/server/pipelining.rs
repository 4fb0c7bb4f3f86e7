//! Requests that are sent without waiting for the answers before them, and what ends their line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use bitting::config::Patience;
use bitting::model::secret::SecretKind;

use super::connections::{CHUNKED, connect, head, rest, start};
use crate::support::{Backend, on_both, raw};

on_both! {
    fn what_comes_behind_the_last_answer_of_a_connection_is_not_carried_out(backend) {
        let server = start(backend, Patience::default());
        let key = server.key("calls:read calls:write");
        let made_up = server.made_up(SecretKind::ApiKey);
        let call = r#"{"direction":"inbound","caller":"+14155550100"}"#;
        let body = format!("Content-Type: application/json\r\nContent-Length: {}", call.len());
        let make = |key: &str, more: &str| format!("{}{call}", head("POST", "/v1/calls", key, &format!("{body}{more}")));
        let calls = || {
            let list = server.call(&key, "GET", "/v1/calls", None).ok();
            list["data"].as_array().unwrap().len()
        };
        let send = |requests: &str| {
            let mut stream = connect(server.address);
            stream.write_all(requests.as_bytes()).unwrap();
            stream
        };
        let ping = head("GET", "/v1/ping", &key.secret, "");
        let statuses = |answer: &str| {
            let statuses = answer.split("HTTP/1.1 ").skip(1);
            statuses.map(|answer| answer[..3].to_owned()).collect::<Vec<_>>()
        };

        // A refusal that needed no body does not end the connection if all of the body is here.
        let chunked = format!("{}{:x}\r\n{call}\r\n0\r\n\r\n", head("POST", "/v1/calls", &made_up, CHUNKED), call.len());
        for refused in [make(&made_up, ""), chunked] {
            let before = calls();
            let mut stream = send(&format!("{refused}{}{ping}", make(&key.secret, "")));
            let mut answers = String::new();
            while !answers.ends_with("pong\"}") {
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).unwrap();
                assert_ne!(length, 0, "{answers}");
                answers.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            assert_eq!(statuses(&answers), ["401", "201", "200"], "{answers}");
            assert!(!answers.contains("connection: close"), "{answers}");
            assert_eq!(calls(), before + 1);
        }

        // What does end it ends it for everything behind.
        for closing in [
            head("GET", "/v1/ping", &key.secret, "Connection: close"),
            head("GET", "/v1/ping", &key.secret, "Connection: upgrade\r\nUpgrade: h2c"),
            make(&made_up, "\r\nConnection: close"),
            make(&key.secret, "\r\nConnection: close"),
        ] {
            let before = calls();
            let answer = rest(send(&format!("{closing}{}{ping}", make(&key.secret, ""))));
            let made = usize::from(statuses(&answer)[0] == "201");
            assert_eq!(calls(), before + made, "{closing}{answer}");
            assert!(statuses(&answer)[1..].iter().all(|status| status == "400"), "{closing}{answer}");
        }
    }
}

/// A request, and what its own answer is like.
struct Asked {
    request: String,
    status: &'static str,
    has_body: bool,
}

/// Reads the answer of `asked` and nothing behind it.
fn read_answer(from: &mut BufReader<TcpStream>, asked: &Asked) -> String {
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line
    };
    let first = line();
    let lines: Vec<_> = std::iter::from_fn(|| Some(line()).filter(|line| line.len() > 2)).collect();
    let told = format!("{}{first}{lines:?}", asked.request);
    assert!(first.starts_with(asked.status), "{told}");
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect(&told).trim().parse().unwrap()];
    assert_ne!(body.len(), 0, "{told}");
    if asked.has_body {
        from.read_exact(&mut body).unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).expect(&told);
    }
    lines.concat()
}

#[test]
fn each_answer_fits_its_own_request_whatever_is_sent_behind_it() {
    let server = start(Backend::Sqlite, Patience::default());
    let key = server.key("calls:read calls:write").secret;
    let made_up = server.made_up(SecretKind::ApiKey);
    let call = r#"{"direction":"inbound","caller":"+14155550100"}"#;
    let json = format!("Content-Type: application/json\r\nContent-Length: {}", call.len());
    let chunked = format!("{:x};a=b\r\n{call}\r\n0\r\nTrailer: c\r\n\r\n", call.len());
    let of = |request: String, status, has_body| Asked { request, status, has_body };
    let old = |request: String| request.replace("HTTP/1.1", "HTTP/1.0");
    let kinds = [
        of(head("GET", "/v1/ping", &key, ""), "HTTP/1.1 200", true),
        of(head("HEAD", "/v1/ping", &key, ""), "HTTP/1.1 200", false),
        of(head("GET", "/v1/calls?limit=1", &key, ""), "HTTP/1.1 200", true),
        of(head("HEAD", "/v1/calls?limit=1", &key, ""), "HTTP/1.1 200", false),
        of(head("GET", "/openapi.json", "", ""), "HTTP/1.1 200", true),
        of(
            old(head("GET", "/v1/calls?limit=1", &key, "Connection: keep-alive")),
            "HTTP/1.0 200",
            true,
        ),
        of(head("POST", "/v1/calls", &key, &json) + call, "HTTP/1.1 201", true),
        of(head("POST", "/v1/calls", &made_up, &json) + call, "HTTP/1.1 401", true),
        of(head("POST", "/v1/calls", &key, CHUNKED) + &chunked, "HTTP/1.1 201", true),
        of(format!("\r\n{}", head("GET", "/v1/calls?limit=1", &made_up, "")), "HTTP/1.1 401", true),
    ];
    let last = of(head("GET", "/v1/whoami", &key, "Connection: close"), "HTTP/1.1 200", true);
    let pairs = kinds.iter().flat_map(|first| kinds.iter().map(move |second| vec![first, second]));
    // In pieces, a refusal does not wait for its body: it ends the connection.
    let goes_on = |asked: &&Asked| asked.status != "HTTP/1.1 401" || !asked.request.ends_with(call);
    let many = kinds.iter().chain(kinds.iter().rev()).filter(goes_on).collect();
    let in_pieces = [usize::MAX, 700, 5].map(|piece| (&many, piece));
    let pairs: Vec<Vec<&Asked>> = pairs.collect();
    for (asked, piece) in pairs.iter().map(|pair| (pair, usize::MAX)).chain(in_pieces) {
        let all: Vec<&Asked> = asked.iter().copied().chain([&last]).collect();
        let bytes: String = all.iter().map(|asked| asked.request.as_str()).collect();
        let mut stream = connect(server.address);
        stream.set_nodelay(true).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let sending = thread::spawn(move || {
            for piece in bytes.as_bytes().chunks(piece) {
                stream.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        for (at, asked) in all.iter().enumerate() {
            let head = read_answer(&mut answers, asked);
            assert_eq!(
                head.contains("connection: close"),
                at + 1 == all.len(),
                "{}{head}",
                asked.request
            );
        }
        let mut rest = String::new();
        answers.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        sending.join().unwrap();
    }
}

#[test]
fn what_asks_for_an_upgrade_is_answered_once_and_has_the_body_that_it_says() {
    let server = start(Backend::Sqlite, Patience::default());
    let key = server.key("calls:read calls:write").secret;
    let call = r#"{"direction":"inbound","caller":"+14155550100"}"#;
    let json = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", call.len());
    let behind = head("POST", "/v1/calls", &key, &format!("{json}X: behind")) + call;
    for connection in ["", "Connection: upgrade\r\n"] {
        let upgrade = format!("{connection}Upgrade: websocket");
        for (asked, status) in [
            (head("GET", "/v1/ping", &key, &upgrade), 200),
            (head("GET", "/v1/calls", &key, &upgrade), 200),
            (head("POST", "/v1/calls", &key, &format!("{json}{upgrade}")) + call, 201),
            (head("CONNECT", "test:1", &key, &upgrade), 404),
        ] {
            // The fast path, too, must not take what is behind for a request.
            for behind in [behind.clone(), head("GET", "/v1/ping", &key, "X: y") + &behind] {
                let mut stream = connect(server.address);
                stream.write_all((asked.clone() + &behind).as_bytes()).unwrap();
                let answer = rest(stream);
                assert_eq!(raw::status(&answer), status, "{asked}\n{answer}");
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{asked}\n{answer}");
                assert!(answer.contains("connection: close"), "{asked}\n{answer}");
            }
        }
    }
    let made = server.call(&server.key("calls:read"), "GET", "/v1/calls", None).ok();
    assert_eq!(made["data"].as_array().unwrap().len(), 4, "{made}");
}

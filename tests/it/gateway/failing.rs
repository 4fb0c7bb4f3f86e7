//! When one side fails: the client is told what is known, nothing is completed that was not whole,
//! and nothing is done twice.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bitting::config::Options;

use super::{ask, before, body, connect, head, impatient, rest, sent, until, with};
use crate::support::origin::Talk;
use crate::support::ports::{NOBODY, free_port};
use crate::support::server::MadeKey;
use crate::support::{Backend, Binary, Origin, TestServer, binary, eventually, raw};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// The status and code of a problem.
fn problem(answer: &str) -> (u16, String) {
    let json: serde_json::Value = serde_json::from_str(body(answer)).unwrap_or_default();
    (raw::status(answer), json["code"].as_str().unwrap_or_default().to_owned())
}

fn writer(server: &TestServer) -> MadeKey {
    server.key("calls:read calls:write")
}

#[test]
fn an_upstream_that_is_away_is_a_bad_gateway_until_it_is_back() {
    let upstream = Origin::polite();
    let mut nobody = upstream.url();
    nobody.truncate(nobody.rfind(':').unwrap() + 1);
    nobody.push_str(&NOBODY.to_string());
    let folder = tempfile::tempdir().unwrap();
    let create =
        ["key", "create", "--name", "k", "--scope", "calls:read", "--scope", "calls:write"];
    let secret = binary::run_ok(folder.path(), &create);
    let listen = format!("127.0.0.1:{}", free_port());
    let server =
        Binary::serve(folder.path(), &["--gateway-listen", &listen, "--upstream", &nobody]);
    let key = MadeKey { id: String::new(), secret };
    for line in ["GET /v1/calls", "POST /v1/calls"].repeat(3) {
        let asked = head(line, &key, "Connection: close\r\nContent-Length: 0\r\n");
        let answer = raw::exchange(listen.parse().unwrap(), asked.as_bytes());
        assert_eq!(problem(&answer), (502, "upstream_unreachable".to_owned()), "{answer}");
    }
    let address = nobody.trim_start_matches("http://").to_owned();
    let listener = std::net::TcpListener::bind(address).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(HELLO.as_bytes()).unwrap();
    });
    let asked = head("GET /v1/calls", &key, "Connection: close\r\n");
    let answer = raw::exchange(listen.parse().unwrap(), asked.as_bytes());
    assert_eq!(body(&answer), "hello");
    answering.join().unwrap();
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("the upstream cannot be reached").count(), 1, "{log}");
    assert!(log.contains("onnection refused") && !log.contains(&key.secret), "{log}");
}

#[test]
fn an_upstream_that_is_silent_is_waited_for_no_longer_than_said() {
    let upstream = Origin::talking(|talk| {
        talk.request();
        talk.closed();
    });
    let server = impatient(&upstream, 300);
    let key = writer(&server);
    for line in ["GET /v1/calls", "POST /v1/calls"] {
        let answer = ask(&server, line, &key, "Content-Length: 0\r\n");
        assert_eq!(problem(&answer), (504, "upstream_timeout".to_owned()), "{answer}");
    }
    assert_eq!(upstream.seen().len(), 2, "a silent upstream is not asked again");
}

#[test]
fn an_upstream_that_does_not_take_a_body_is_waited_for_no_longer_either() {
    let upstream = Origin::talking(|talk| {
        talk.head();
        let ended = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::time::Instant::now() < ended && talk.stream.get_ref().peer_addr().is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
    });
    let server = impatient(&upstream, 500);
    let key = writer(&server);
    let mut stream = sent(&server, head("POST /v1/calls", &key, "Content-Length: 99999999\r\n"));
    let mut sending = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let piece = vec![b'x'; 65_536];
        while sending.write_all(&piece).is_ok() {}
    });
    let answer = until(&mut stream, "\r\n\r\n");
    assert_eq!(raw::status(&answer), 504, "{answer}");
    drop(stream);
    sender.join().unwrap();
}

#[test]
fn slow_clients_do_not_use_up_the_time_of_the_upstream() {
    let upstream = Origin::polite();
    let server = impatient(&upstream, 200);
    let key = writer(&server);
    let mut stream =
        sent(&server, head("POST /v1/calls", &key, "Connection: close\r\nContent-Length: 3\r\n"));
    for piece in ["a", "b", "c"] {
        // Slower than the upstream may be.
        std::thread::sleep(std::time::Duration::from_millis(300));
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert_eq!(body(&answer), "hello", "{answer}");
    assert_eq!(upstream.last().body, b"abc");
}

#[test]
fn an_answer_that_breaks_off_is_broken_off() {
    // However it is framed, and however it ends.
    for (framing, part) in [
        ("Content-Length: 100", "part"),
        ("Transfer-Encoding: chunked", "4\r\npart\r\n"),
        ("Transfer-Encoding: chunked", "4\r\npart\r\n5\r\nag"),
        ("Transfer-Encoding: chunked", "4\r\npart\r\nnonsense\r\n"),
    ] {
        for silent in [false, true] {
            let start = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}");
            let upstream = Origin::talking(move |talk| {
                talk.request();
                talk.say(&start);
                if silent {
                    talk.closed();
                }
            });
            let server = impatient(&upstream, 500);
            let key = writer(&server);
            let mut stream = sent(&server, head("GET /v1/calls", &key, ""));
            let answer = String::from_utf8(rest(&mut stream)).unwrap();
            assert_eq!(raw::status(&answer), 200, "{answer}");
            assert!(answer.contains("part"), "what had come is delivered: {answer}");
            assert!(!answer.ends_with("0\r\n\r\n"), "{framing} {silent}: {answer}");
            assert!(body(&answer).len() < 100, "{framing} {silent}: {answer}");
        }
    }
}

/// Such a client takes the end of the connection for the end of the answer.
#[test]
fn an_old_client_is_told_by_a_reset_that_its_answer_broke_off() {
    let upstream = Origin::talking(|talk| {
        talk.request();
        talk.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    });
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let asked = format!("GET /v1/calls HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", key.secret);
    let mut stream = sent(&server, asked);
    let mut answer = Vec::new();
    let why = stream.read_to_end(&mut answer).unwrap_err();
    assert_eq!(why.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.0 200"));
}

/// How many requests with this method were heard.
fn heard(upstream: &Origin, method: &str) -> usize {
    upstream.seen().iter().filter(|seen| seen.line().starts_with(method)).count()
}

/// Answers the first request of a connection, and ends it without a word at the second.
fn dies_when_reused(talk: &mut Talk) {
    if talk.request().is_some() {
        talk.say(HELLO);
        talk.request();
    }
}

#[test]
fn get_and_head_alone_are_sent_again_and_only_on_a_connection_that_died_idle() {
    for (method, status, sent_in_all) in [
        ("GET", 200, 2),
        ("HEAD", 200, 2),
        ("POST", 502, 1),
        ("PUT", 502, 1),
        ("DELETE", 502, 1),
        ("OPTIONS", 502, 1),
        ("QUERY", 502, 1),
    ] {
        let upstream = Origin::talking(dies_when_reused);
        let options = Options { workers: Some("1".to_owned()), ..Options::default() };
        let server = with(&upstream, Backend::Sqlite, options);
        let key = writer(&server);
        assert_eq!(
            body(&ask(&server, "PATCH /v1/calls/7", &key, "Content-Length: 0\r\n")),
            "hello"
        );
        let answer = ask(&server, &format!("{method} /v1/calls"), &key, "");
        assert_eq!(raw::status(&answer), status, "{method}: {answer}");
        assert_eq!(heard(&upstream, method), sent_in_all, "{method}");
        if status == 502 {
            assert_eq!(problem(&answer).1, "upstream_invalid");
        }
    }
}

#[test]
fn a_request_is_sent_once_when_its_answer_has_begun_or_its_connection_is_new() {
    for first_byte in ["", "H", "HTTP/1.1 200 OK\r\nX: "] {
        for reused in [false, true] {
            if reused && first_byte.is_empty() {
                continue;
            }
            let upstream = Origin::talking(move |talk| {
                if reused {
                    talk.request();
                    talk.say(HELLO);
                }
                talk.request();
                talk.say(first_byte);
            });
            let options = Options { workers: Some("1".to_owned()), ..Options::default() };
            let server = with(&upstream, Backend::Sqlite, options);
            let key = writer(&server);
            if reused {
                ask(&server, "PATCH /v1/calls/7", &key, "");
            }
            let answer = ask(&server, "GET /v1/calls", &key, "");
            assert_eq!(problem(&answer).0, 502, "{first_byte:?} {reused}: {answer}");
            assert_eq!(heard(&upstream, "GET"), 1, "{first_byte:?} {reused}");
        }
    }
}

#[test]
fn connections_are_reused_and_those_that_the_upstream_closes_lose_nothing() {
    let upstream = Origin::polite();
    let options = Options { workers: Some("1".to_owned()), ..Options::default() };
    let server = with(&upstream, Backend::Sqlite, options);
    let key = writer(&server);
    for _ in 0..20 {
        assert_eq!(body(&ask(&server, "GET /v1/calls", &key, "")), "hello");
    }
    assert_eq!(upstream.connections(), 1);

    let closing = Origin::talking(|talk| {
        talk.request();
        talk.say(HELLO);
    });
    let server = before(&closing, Backend::Sqlite);
    let key = writer(&server);
    for _ in 0..100 {
        assert_eq!(body(&ask(&server, "GET /v1/calls", &key, "")), "hello");
    }
}

#[test]
fn when_the_client_goes_so_does_its_connection_to_the_upstream() {
    // While the upstream has not answered, while it sends, and while the client sends.
    for (before_leaving, request, more) in [
        ("", "GET /v1/calls", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", "GET /v1/calls", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "GET /v1/calls", ""),
        ("", "POST /v1/calls", "Content-Length: 9\r\n"),
        ("", "POST /v1/calls", "Transfer-Encoding: chunked\r\n"),
    ] {
        let (asked, closed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (of_asked, of_closed) = (asked.clone(), closed.clone());
        let upstream = Origin::talking(move |talk| {
            talk.head();
            talk.say(before_leaving);
            of_asked.store(true, Ordering::SeqCst);
            of_closed.store(talk.closed(), Ordering::SeqCst);
        });
        let server = before(&upstream, Backend::Sqlite);
        let key = writer(&server);
        let mut stream = sent(&server, head(request, &key, more));
        // What it has sent ahead does not hide that it goes.
        let start = match more {
            "" => head("POST /v1/calls?ahead", &key, "Content-Length: 0\r\n"),
            more if more.contains("chunked") => "3\r\nabc\r\n".to_owned(),
            _ => String::new(),
        };
        stream.write_all(start.as_bytes()).unwrap();
        eventually("the upstream is asked", || asked.load(Ordering::SeqCst));
        if before_leaving.contains("part") {
            until(&mut stream, "part");
        }
        drop(stream);
        eventually("its connection is closed", || closed.load(Ordering::SeqCst));
        eventually("it is counted", || server.total(&key) == 1);
    }
}

#[test]
fn a_body_that_its_client_does_not_finish_is_never_whole_to_the_upstream() {
    for (framing, part) in
        [("Content-Length: 9\r\n", "abc"), ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n")]
    {
        let whole = Arc::new(AtomicUsize::new(0));
        let counted = whole.clone();
        let upstream = Origin::talking(move |talk| {
            if talk.request().is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let server = TestServer::with_settings(
            Arc::new(crate::support::TestDatabase::new(Backend::Sqlite)),
            Options {
                gateway_listen: vec!["127.0.0.1:0".to_owned()],
                upstream: Some(upstream.url()),
                ..Options::default()
            },
            |settings| settings.patience.body = std::time::Duration::from_millis(300),
        );
        let key = writer(&server);
        let mut stream = connect(server.gateway());
        stream.write_all(head("POST /v1/calls", &key, framing).as_bytes()).unwrap();
        stream.write_all(part.as_bytes()).unwrap();
        let answer = String::from_utf8(rest(&mut stream)).unwrap();
        assert_eq!(problem(&answer), (408, "request_timeout".to_owned()), "{answer}");
        assert_eq!(whole.load(Ordering::SeqCst), 0);
    }
}

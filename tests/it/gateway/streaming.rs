//! Bodies go through as they come, in either direction and in both at once, and none is kept.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{before, body, connect, head, rest, sent, until};
use crate::support::ports::free_port;
use crate::support::server::MadeKey;
use crate::support::{Backend, Binary, Origin, TestServer, binary, eventually, raw, rounds};

const MEGABYTE: usize = 1 << 20;

fn writer(server: &TestServer) -> MadeKey {
    server.key("calls:read calls:write")
}

/// A number of `/proc/ID/status` in KiB.
fn memory_kib(server: &Binary, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads so many bytes.
fn swallow(stream: &mut impl Read, mut bytes: usize) {
    let mut buffer = vec![0; MEGABYTE];
    while bytes > 0 {
        let length = stream.read(&mut buffer[..bytes.min(MEGABYTE)]).unwrap();
        assert!(length > 0, "{bytes} bytes are missing");
        bytes -= length;
    }
}

#[test]
fn large_bodies_go_through_in_constant_memory() {
    let megabytes = rounds(1024, 256);
    let length = megabytes * MEGABYTE;
    let upstream = Origin::talking(move |talk| {
        while let Some(head) = talk.head() {
            let piece = vec![b'x'; MEGABYTE];
            if head.starts_with(b"GET") {
                talk.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
                (0..megabytes).all(|_| talk.say(&piece));
            } else {
                swallow(&mut talk.stream, length);
                talk.say("HTTP/1.1 204 No Content\r\n\r\n");
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let create =
        ["key", "create", "--name", "k", "--scope", "calls:read", "--scope", "calls:write"];
    let secret = binary::run_ok(folder.path(), &create);
    let listen = format!("127.0.0.1:{}", free_port());
    let arguments = ["--workers", "1", "--gateway-listen", &listen, "--upstream", &upstream.url()];
    let server = Binary::serve(folder.path(), &arguments);
    let key = MadeKey { id: String::new(), secret };
    let mut stream = connect(listen.parse().unwrap());
    let small = head("POST /v1/calls", &key, &format!("Content-Length: {length}\r\n"));
    let before = memory_kib(&server, "VmRSS");
    stream.write_all(head("GET /v1/calls", &key, "").as_bytes()).unwrap();
    until(&mut stream, "\r\n\r\n");
    swallow(&mut stream, length);
    stream.write_all(small.as_bytes()).unwrap();
    let piece = vec![b'y'; MEGABYTE];
    for _ in 0..megabytes {
        stream.write_all(&piece).unwrap();
    }
    assert!(until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 204"));
    let grown = memory_kib(&server, "VmHWM").saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB more than {before} KiB");
}

#[test]
fn each_piece_is_forwarded_when_it_is_there() {
    let upstream = Origin::talking(|talk| {
        let Some(_) = talk.head() else { return };
        talk.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // What the client sends comes back at once, until it sends no more.
        let mut line = String::new();
        loop {
            line.clear();
            std::io::BufRead::read_line(&mut talk.stream, &mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut piece = vec![0; length + 2];
            talk.stream.read_exact(&mut piece).unwrap();
            talk.say(format!("{line}{}", String::from_utf8_lossy(&piece)));
            if length == 0 {
                return;
            }
        }
    });
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let mut stream = sent(&server, head("POST /v1/calls", &key, "Transfer-Encoding: chunked\r\n"));
    assert!(until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 200"));
    for piece in ["one", "two", "three"] {
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
        until(&mut stream, piece);
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert!(until(&mut stream, "0\r\n\r\n").starts_with("\r\n"));
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    for closes in [true, false] {
        let upstream = Origin::talking(move |talk| {
            talk.head();
            talk.say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\n\r\nlarge");
            if !closes {
                talk.closed();
            }
        });
        let server = before(&upstream, Backend::Sqlite);
        let key = writer(&server);
        for framing in ["Content-Length: 67108864\r\n", "Transfer-Encoding: chunked\r\n"] {
            let mut stream = sent(&server, head("POST /v1/calls", &key, framing));
            let mut sending = stream.try_clone().unwrap();
            let chunked = framing.starts_with('T');
            let sender = std::thread::spawn(move || {
                let piece = "x".repeat(65_536);
                let piece = if chunked { format!("10000\r\n{piece}\r\n") } else { piece };
                // It ends when the gateway has closed.
                for _ in 0..1024 {
                    if sending.write_all(piece.as_bytes()).is_err() {
                        return;
                    }
                }
            });
            let answer = until(&mut stream, "large");
            assert_eq!(raw::status(&answer), 413, "{answer}");
            assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
            drop(stream);
            sender.join().unwrap();
        }
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_or_is_refused() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let (key, reader) = (writer(&server), server.key("calls:read"));
    let expect = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let mut stream = sent(&server, head("POST /v1/calls", &key, expect));
    assert_eq!(until(&mut stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert!(until(&mut stream, "hello").starts_with("HTTP/1.1 200 OK"));
    let seen = upstream.last();
    assert_eq!((seen.body.as_slice(), seen.header("expect")), (&b"hello"[..], String::new()));

    let mut stream = sent(&server, head("POST /v1/calls", &reader, expect));
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert_eq!(raw::status(&answer), 403, "{answer}");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn an_answer_that_reads_like_an_interim_one_is_passed_on() {
    const TOLD: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let upstream = Origin::talking(|talk| {
        talk.head();
        talk.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 4 * TOLD.len() + 5));
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(20));
            talk.say(TOLD);
        }
        talk.say("hello");
        talk.closed();
    });
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let whole = format!("{}hello", TOLD.repeat(4));
    let mut stream = sent(&server, head("GET /v1/calls", &key, ""));
    assert!(until(&mut stream, "hello").ends_with(&format!("\r\n\r\n{whole}")));
    // Nor where the client has asked before it sends its body. On another server, since this one would ask
    // on a connection that this API does not listen to any more.
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let expect = "Content-Length: 1\r\nExpect: 100-continue\r\n";
    let mut stream = sent(&server, head("POST /v1/calls", &key, expect));
    assert!(until(&mut stream, "hello").ends_with(&format!("\r\n\r\n{whole}")));
}

#[test]
fn hints_that_come_before_an_answer_are_not_taken_for_it() {
    let upstream = Origin::answering(|_| {
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    });
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let mut stream = sent(&server, head("GET /v1/calls", &key, ""));
    let answer = until(&mut stream, "hello");
    assert_eq!(raw::status(&answer), 200, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

/// Sends two requests on one connection, the second at once or when the first is answered; returns
/// the first answer's head and what came after it.
fn followed(stream: &mut TcpStream, key: &MadeKey, line: &str, at_once: bool) -> (String, String) {
    let (first, second) = (head(line, key, ""), head("GET /v1/calls?last", key, ""));
    let [now, then] = if at_once { [first + &second, String::new()] } else { [first, second] };
    stream.write_all(now.as_bytes()).unwrap();
    let first = until(stream, "\r\n\r\n");
    stream.write_all(then.as_bytes()).unwrap();
    (first, until(stream, "last"))
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let upstream = Origin::answering(|seen| {
        let line = seen.line();
        match line.split(['?', ' ']).nth(2).unwrap_or_default() {
            "last" => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast",
            "204" => "HTTP/1.1 204 No Content\r\nX-Own: 1\r\n\r\n",
            "304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n",
            "empty" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "length" => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            "stream" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\n\r\n",
        }
    });
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let mut stream = connect(server.gateway());
    let asked = [
        ("GET /v1/calls?204", 204, None),
        ("GET /v1/calls?304", 304, Some("7")),
        ("GET /v1/calls?empty", 200, Some("0")),
        ("GET /v1/calls?chunked", 200, None),
        ("HEAD /v1/calls?length", 200, Some("7")),
        ("HEAD /v1/calls?stream", 200, None),
        ("HEAD /v1/calls?none", 200, None),
        ("HEAD /v1/calls?304", 304, Some("7")),
    ];
    for ((line, status, length), at_once) in
        [false, true].iter().flat_map(|at_once| asked.map(|asked| (asked, *at_once)))
    {
        let (first, second) = followed(&mut stream, &key, line, at_once);
        let second = second.strip_prefix("0\r\n\r\n").unwrap_or(&second);
        assert_eq!((raw::status(&first), raw::status(second)), (status, 200), "{line}: {second}");
        assert_eq!(body(second), "last", "{line}: {second}");
        let lower = first.to_lowercase();
        let said = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(said, length, "{line}: {first}");
    }
}

#[test]
fn an_old_client_gets_an_answer_without_chunks_to_the_end_of_the_connection() {
    let upstream = Origin::answering(
        |_| "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    for connection in ["close", "keep-alive"] {
        let asked = format!(
            "GET /v1/calls HTTP/1.0\r\nAuthorization: Bearer {}\r\nConnection: {connection}\r\n\r\n",
            key.secret
        );
        let mut stream = sent(&server, asked);
        let answer = String::from_utf8(rest(&mut stream)).unwrap();
        assert_eq!(body(&answer), "hello", "{answer}");
        assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
        assert_eq!(upstream.last().header("via"), "1.0 bitting");
    }
}

#[test]
fn an_old_upstream_is_read_to_the_end_of_its_connection() {
    let upstream = Origin::talking(|talk| {
        talk.request();
        talk.say("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
    });
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let mut stream = sent(&server, head("GET /v1/calls", &key, ""));
    let answer = until(&mut stream, "0\r\n\r\n");
    assert!(answer.contains("\r\n5\r\nhello\r\n"), "{answer}");
    eventually("it is counted", || server.total(&key) == 1);
}

#[test]
fn a_body_comes_with_any_method_and_framing() {
    let upstream = Origin::polite();
    let server = before(&upstream, Backend::Sqlite);
    let key = writer(&server);
    let mut stream = connect(server.gateway());
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"] {
        for (framing, body, expected) in [
            ("Content-Length: 5\r\n", "abcde", &b"abcde"[..]),
            ("Transfer-Encoding: chunked\r\n", "5\r\nabcde\r\n0\r\n\r\n", b"abcde"),
            ("Content-Length: 0\r\n", "", b""),
            ("", "", b""),
        ] {
            let line = format!("{method} /v1/calls");
            stream.write_all((head(&line, &key, framing) + body).as_bytes()).unwrap();
            assert!(until(&mut stream, "hello").starts_with("HTTP/1.1 200"), "{line}: {framing}");
            let seen = upstream.last();
            assert_eq!(seen.body, expected, "{line}: {framing}");
            let expected = framing.trim_end().to_lowercase();
            let text = seen.text().to_lowercase();
            let framed = text.contains("content-length") || text.contains("transfer-encoding");
            assert_eq!(framed, !expected.is_empty(), "{line}: {text}");
            assert!(text.contains(&expected), "{line}: {text}");
        }
    }
}

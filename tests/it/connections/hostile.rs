//! A vendor that is hostile, or broken: what it says is bounded, cleaned, and told as what it is.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitting::config::ConnectionOptions;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Operator, new_key};
use crate::support::origin::Talk;
use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, Origin, TestDatabase, TestServer, raw, rounds};

const KEY: &str = "hostile-0123456789abcdef";

/// A server before it, with a key that may send it anything.
struct Before {
    origin: Origin,
    server: TestServer,
    key: MadeKey,
}

impl Before {
    fn vendor(talk: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        let origin = Origin::talking(talk);
        let database = Arc::new(TestDatabase::migrated(Backend::Sqlite));
        let ours = Operator { database, key: Some(new_key()), hosts: origin.url() };
        let add = [
            "add",
            "vendor",
            "--kind",
            "http",
            "--base-url",
            &ours.hosts,
            "--untested",
            "--rule",
            "GET /{any} things:read",
            "--rule",
            "POST /{any} things:write",
        ];
        ours.connection(&add, KEY).unwrap();
        let via_timeout = Some("500ms".to_owned());
        let server = ours.serve(ConnectionOptions { via_timeout, ..Default::default() });
        let key = server.key("things:read@vendor things:write@vendor");
        Self { origin, server, key }
    }

    /// A vendor that answers every request with these bytes, and closes the connection.
    fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::vendor(move |talk| {
            if talk.request().is_some() {
                talk.say(&answer);
            }
        })
    }

    fn get(&self, path: &str) -> Answer {
        self.server.call(&self.key, "GET", &format!("/via/vendor{path}"), None)
    }

    /// Everything that a client hears of a request.
    fn heard(&self, method: &str, body: &str) -> String {
        let head = format!(
            "{method} /via/vendor/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: \
             {}\r\nConnection: close\r\n\r\n",
            self.key.secret,
            body.len()
        );
        let address = self.server.client.base.strip_prefix("http://").unwrap().parse().unwrap();
        raw::exchange(address, [head.as_bytes(), body.as_bytes()].concat().as_slice())
    }
}

const LAST_CHUNK: &str = "\r\n0\r\n\r\n";

#[test]
fn an_early_hint_is_no_answer() {
    let before = Before::saying(
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    );
    let answer = before.get("/x");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
}

#[test]
fn an_answer_before_a_large_body_is_read_arrives() {
    let before = Before::vendor(|talk| {
        if talk.head().is_some() {
            talk.say(
                "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nless",
            );
            talk.closed();
        }
    });
    let heard = before.heard("POST", &"x".repeat(4 << 20));
    assert!(heard.starts_with("HTTP/1.1 413"), "{heard}");
    assert!(heard.contains("x-bitting-via: vendor") && heard.contains("less"), "{heard}");
}

#[test]
fn a_redirect_elsewhere_is_passed_on_and_not_followed() {
    let elsewhere = Origin::polite();
    let to = format!("{}/stolen", elsewhere.url());
    let before = Before::saying(format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    ));
    let answer = before.get("/x");
    assert_eq!((answer.status, answer.header("location")), (302, to.as_str()));
    assert_eq!((elsewhere.connections(), before.origin.seen().len()), (0, 1));
}

#[test]
fn an_answer_that_hangs_or_breaks_off_has_no_end() {
    let chunked =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sized = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    for head in [format!("{chunked}8\r\n{{\"a\": 1,\r\n"), format!("{sized}{{\"a\": 1,")] {
        for hangs in [false, true] {
            let head = head.clone();
            let before = Before::vendor(move |talk| {
                if talk.request().is_some() {
                    talk.say(&head);
                    if hangs {
                        talk.closed();
                    }
                }
            });
            let heard = before.heard("GET", "");
            assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
            assert!(!heard.ends_with(LAST_CHUNK), "it looks whole: {heard}");
        }
    }
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\npart";
    let heard = Before::saying(text).heard("GET", "");
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 100") && body.len() < 100, "{heard}");
}

#[test]
fn what_is_no_proper_http_is_no_answer() {
    let large = format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\rc: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\0: a\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
        &large,
    ] {
        let before = Before::saying(answer);
        let shown = &answer[..answer.len().min(60)];
        let said = before.get("/x");
        assert_eq!(
            (said.status, said.code().as_str()),
            (502, "vendor_answer"),
            "{shown:?}: {said:?}"
        );
        assert_eq!(said.header("x-bitting-via"), "");
    }
}

#[test]
fn gzip_that_is_none_breaks_off() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let heard =
        Before::saying(format!("{head}Content-Length: 9\r\n\r\n{{\"a\": 17}}")).heard("GET", "");
    assert!(!heard.ends_with(LAST_CHUNK) && !heard.contains(": 17"), "{heard}");
}

fn zip(plain: impl AsRef<[u8]>) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::default());
    zip.write_all(plain.as_ref()).unwrap();
    zip.finish().unwrap()
}

/// An answer of these bytes, as gzip.
fn zipped(body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[test]
fn what_several_lines_say_of_an_answer_is_all_heeded() {
    let text = format!("{{\"key\": \"\\u00{:x}{}\"}}", KEY.as_bytes()[0], &KEY[1..]);
    let (plain, once) = (text.clone().into_bytes(), zip(&text));
    let twice = zip(&once);
    let stars = format!("{{\"key\": \"{}\"}}", "*".repeat(KEY.len()));
    let cases = [
        ("Content-Encoding: x-gzip", &once, 200),
        ("Content-Encoding: IDENTITY", &plain, 200),
        ("Content-Encoding: identity\r\nContent-Encoding: gzip", &once, 502),
        ("Content-Encoding: gzip\r\nContent-Encoding: gzip", &twice, 502),
        ("Content-Encoding: gzip, identity", &once, 502),
        ("Content-Encoding: gzip, gzip", &twice, 502),
        ("Content-Type: text/plain", &plain, 200),
    ];
    let answers = cases.map(|(lines, body, _)| {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\nContent-Type: application/json\r\n");
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), length.as_bytes(), body].concat()
    });
    let before = Before::vendor(move |talk| {
        while let Some(seen) = talk.request() {
            let at = seen.line().bytes().find(u8::is_ascii_digit).unwrap();
            talk.say(&answers[usize::from(at - b'0')]);
        }
    });
    for (at, (lines, _, status)) in cases.iter().enumerate() {
        let answer = before.get(&format!("/{at}"));
        assert_eq!(answer.status, *status, "{lines}: {answer:?}");
        match status {
            200 => assert_eq!(answer.body, stars, "{lines}"),
            _ => assert_eq!(answer.code(), "vendor_answer", "{lines}"),
        }
    }
}

#[test]
fn gzip_of_several_parts_or_of_nothing_is_whole_and_one_that_is_cut_is_told() {
    let parts = [zip("[\"first\","), zip("\"second\"]")].concat();
    let answer = Before::saying(zipped(&parts)).get("/x");
    assert_eq!((answer.status, answer.body.as_str()), (200, "[\"first\",\"second\"]"));
    let answer = Before::saying(zipped(b"")).get("/x");
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    // One who goes by the end of the connection sees a reset.
    let whole = zip("[1] ".repeat(5000));
    let before = Before::saying(zipped(&whole[..whole.len() - 9]));
    let head = format!(
        "GET /via/vendor/x HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        before.key.secret
    );
    let address = before.server.client.base.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut heard = Vec::new();
    assert_eq!(
        stream.read_to_end(&mut heard).map_err(|why| why.kind()),
        Err(std::io::ErrorKind::ConnectionReset)
    );
}

#[test]
fn a_secret_is_not_read_in_parts() {
    let before = Before::vendor(|talk| {
        while let Some(seen) = talk.request() {
            assert_eq!(seen.header("range") + &seen.header("if-range"), "");
            let part = seen.line().contains("/part");
            let status = if part { "206 Partial Content" } else { "200 OK" };
            let body = &KEY[..10];
            talk.say(format!("HTTP/1.1 {status}\r\nContent-Length: 10\r\n\r\n{body}"));
        }
    });
    let credential = format!("Bearer {}", before.key.secret);
    let headers =
        [("Authorization", credential.as_str()), ("Range", "bytes=0-9"), ("If-Range", "\"x\"")];
    let get = |path: &str| before.server.client.send("GET", path, &headers, None);
    assert_eq!(get("/via/vendor/whole").status, 200);
    get("/via/vendor/part").expect(502, "vendor_answer");
}

#[test]
fn nothing_of_the_connection_or_the_credential_is_passed_on() {
    let before = Before::vendor(|talk| {
        while let Some(seen) = talk.request() {
            let sent = seen.header("authorization");
            let body = format!("you sent {sent}, {sent}");
            let (first, second) = body.split_at(body.len() - 10);
            talk.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: session=1; HttpOnly\r\nConnection: \
                 X-Secret, Set-Cookie\r\nX-Secret: hop\r\nX-Echo: {sent}\r\nKeep-Alive: timeout=5\r\nServer: \
                 evil\r\nStrict-Transport-Security: max-age=1\r\nX-Bitting-Via: other\r\nContent-Length: \
                 {}\r\n\r\n{first}",
                body.len()
            ));
            talk.say(second);
        }
    });
    let answer = before.get("/x");
    let stars = format!("Bearer {}", "*".repeat(KEY.len()));
    assert_eq!(answer.body, format!("you sent {stars}, {stars}"));
    assert_eq!(
        (answer.header("x-echo"), answer.header("x-bitting-via")),
        (stars.as_str(), "vendor")
    );
    for absent in ["set-cookie", "x-secret", "keep-alive", "server", "strict-transport-security"] {
        assert_eq!(answer.header(absent), "", "{absent}");
    }
}

#[test]
fn a_second_answer_is_not_that_of_the_next_request() {
    let before = Before::vendor(|talk| {
        while let Some(seen) = talk.request() {
            let own = seen.line();
            let answer = |body: &str| {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            };
            talk.say(format!("{}{}", answer(&own), answer("smuggled")));
        }
    });
    for n in 0..20 {
        let answer = before.get(&format!("/{n}"));
        assert_eq!(answer.body, format!("GET /{n} HTTP/1.1"));
    }
}

#[test]
fn a_hundred_megabytes_pass_and_what_nobody_reads_is_given_up() {
    const PIECE: usize = 1 << 16;
    const PIECES: usize = 100 * (1 << 20) / PIECE;
    let sent = Arc::new(AtomicUsize::new(0));
    let of_vendor = sent.clone();
    let before = Before::vendor(move |talk| {
        while talk.request().is_some() {
            let length = PIECE * PIECES;
            talk.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: {length}\r\n\r\n"
            ));
            for _ in 0..PIECES {
                if !talk.say([0x55; PIECE]) {
                    return;
                }
                of_vendor.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let rounds = rounds(PIECES, 64);
    let mut stream = open(&before);
    let mut piece = vec![0; PIECE];
    for _ in 0..rounds {
        stream.read_exact(&mut piece).unwrap();
    }
    let in_between = sent.load(Ordering::SeqCst) - rounds.min(sent.load(Ordering::SeqCst));
    assert!(in_between < 512, "{in_between} pieces were taken that nobody has read");
}

/// A request whose answer is not read yet.
fn open(before: &Before) -> std::net::TcpStream {
    use std::io::Write;
    let mut stream =
        std::net::TcpStream::connect(before.server.client.base.strip_prefix("http://").unwrap())
            .unwrap();
    let request = format!(
        "GET /via/vendor/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        before.key.secret
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

//! Connections between two requests, whoever has answered the last: the fast path, of which actix knows
//! nothing, or the application.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use bitting::config::Patience;

use super::connections::{connect, head, rest, start};
use crate::support::load::{Line, request};
use crate::support::{Backend, on_both, raw};

/// What the fast path answers, and what it does not.
const PATHS: [&str; 2] = ["/v1/ping", "/v1/calls"];

#[test]
fn a_connection_on_which_nothing_is_asked_ends_and_one_that_is_used_does_not() {
    let idle = Duration::from_millis(1500);
    let server = start(Backend::Sqlite, Patience { idle, ..Patience::default() });
    let key = server.key("calls:read");
    for path in PATHS {
        let mut line = Line::open(server.address);
        let began = Instant::now();
        while began.elapsed() < 2 * idle {
            assert_eq!(line.send(&[request(&key.secret, "GET", path)]), [200], "{path}");
            thread::sleep(idle / 10);
        }
        let used = Instant::now();
        assert_eq!(rest(line.into_stream()), "", "{path}");
        assert!(used.elapsed() > idle / 2, "{path}");
    }
}

/// Whose last answer and whose end come in the same moment.
#[test]
fn no_connection_outlives_its_deadline() {
    let idle = Duration::from_millis(3);
    let server = start(Backend::Sqlite, Patience { idle, ..Patience::default() });
    let ping = head("GET", "/v1/ping", &server.key("calls:read").secret, "X: y");
    for _ in 0..200 {
        let mut stream = connect(server.address);
        let mut answer = [0; 1024];
        for _ in 0..100 {
            let is_open = stream.write_all(ping.as_bytes()).is_ok();
            if !is_open || !stream.read(&mut answer).is_ok_and(|length| length > 0) {
                break;
            }
        }
        rest(stream);
    }
}

#[test]
fn who_never_begins_is_waited_for_as_long_as_for_a_head() {
    let headers = Duration::from_secs(1);
    let server = start(Backend::Sqlite, Patience { headers, ..Patience::default() });
    assert_eq!(rest(connect(server.address)), "");
}

on_both! {
    fn answers_come_in_the_order_of_their_requests_whoever_gives_them(backend) {
        let server = start(backend, Patience::default());
        let key = server.key("calls:read");
        let wrong = server.key("agents:read");
        let asked = [
            ("/v1/ping", &key.secret, 200),
            ("/v1/calls", &key.secret, 200),
            ("/v1/ping", &key.secret, 200),
            ("/v1/calls", &wrong.secret, 403),
            ("/v1/ping", &wrong.secret, 200),
            ("/v1/ping?x", &key.secret, 422),
            ("/v1/ping", &key.secret, 200),
        ];
        let requests = asked.map(|(path, key, _)| request(key, "GET", path));
        let expected = asked.map(|(.., status)| status);
        let mut line = Line::open(server.address);
        for _ in 0..3 {
            assert_eq!(line.send(&requests), expected);
        }
        // However they are cut into pieces.
        let all = requests.concat();
        for piece in [1, 7, 100, all.len() - 1] {
            let mut stream = connect(server.address);
            stream.set_nodelay(true).unwrap();
            for piece in all.as_bytes().chunks(piece) {
                stream.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
            stream.write_all(head("GET", "/healthz", "", "Connection: close").as_bytes()).unwrap();
            let answers = rest(stream);
            let statuses: Vec<u16> = answers
                .split("HTTP/1.1 ")
                .skip(1)
                .map(|answer| answer[..3].parse().unwrap())
                .collect();
            assert_eq!(statuses, [&expected[..], &[200]].concat(), "{answers}");
        }
    }
}

/// More answers than any buffer holds, and the client reads none until it has sent all it can.
#[test]
fn who_reads_late_loses_no_answer() {
    const MANY: usize = 60_000;
    let server = start(Backend::Sqlite, Patience::default());
    let key = server.key("calls:read");
    let wanted = head("GET", "/v1/ping", &key.secret, "X: y");
    let mut stream = connect(server.address);
    let mut sending = stream.try_clone().unwrap();
    let answers = thread::scope(|scope| {
        scope.spawn(move || {
            sending.write_all(wanted.repeat(MANY).as_bytes()).unwrap();
            sending.write_all(head("GET", "/healthz", "", "Connection: close").as_bytes()).unwrap();
        });
        thread::sleep(Duration::from_secs(1));
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    });
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), MANY + 1);
    assert_eq!(answers.matches("{\"ping\":\"pong\"}").count(), MANY);
    assert_eq!(raw::status(&answers), 200);
    server.db_flush();
    assert_eq!(server.total(&key), MANY as i64);
}

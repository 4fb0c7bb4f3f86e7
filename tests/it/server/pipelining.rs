//! Requests that are sent without waiting for the answers before them, and what ends their line.

use std::io::{Read, Write};

use bitting::config::Patience;
use bitting::model::secret::SecretKind;

use super::connections::{CHUNKED, connect, head, rest, start};
use crate::support::on_both;

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

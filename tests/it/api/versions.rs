//! `ETag`, `If-Match` and `If-None-Match`: no change over one that was not seen, and nothing sent
//! twice.

use std::sync::Barrier;

use bitting::config::Options;
use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, TestServer, on_both, rounds};

struct Story {
    server: TestServer,
    key: MadeKey,
    path: String,
    tag: String,
}

/// A server with one call.
fn start(backend: Backend) -> Story {
    let server = TestServer::start(backend);
    let key = server.key("calls:read calls:write");
    let call = json!({"direction": "inbound", "caller": "+14155550100"});
    let made = server.call(&key, "POST", "/v1/calls", Some(&call));
    let path = made.header("location").to_owned();
    let tag = made.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{made:#?}");
    Story { server, key, path, tag }
}

impl Story {
    fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", headers, None)
    }

    fn patch(&self, headers: &[(&str, &str)], summary: &str) -> Answer {
        self.send("PATCH", headers, Some(&json!({"summary": summary}).to_string()))
    }

    fn send(&self, method: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        send(&self.server, &self.key, method, &self.path, headers, body)
    }
}

fn send(
    server: &TestServer,
    key: &MadeKey,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let bearer = format!("Bearer {}", key.secret);
    let own = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    server.client.send(method, path, &[&own, headers].concat(), body)
}

on_both! {
    fn every_answer_about_one_version_has_its_tag_and_every_change_another(backend) {
        let story = start(backend);
        let mut tags = vec![story.tag.clone()];
        // The clock stands still, so all of this happens in one millisecond.
        for n in 0..5 {
            let seen = story.get(&[]);
            assert_eq!(seen.header("etag"), tags[n], "GET");
            assert_eq!(story.send("HEAD", &[], None).header("etag"), tags[n], "HEAD");
            let patched = story.patch(&[], &n.to_string());
            assert_eq!(patched.status, 200);
            assert!(patched.ok()["updated_at"].as_str() > seen.ok()["updated_at"].as_str());
            assert!(!tags.contains(&patched.header("etag").to_owned()), "{patched:#?}");
            tags.push(patched.header("etag").to_owned());
        }
        // A clock that is behind another server's changes nothing about it.
        let far = "UPDATE calls SET updated_at = '2026-11-21 13:00:00'";
        story.server.database.db_execute(far);
        let patched = story.patch(&[], "after").ok();
        assert_eq!(patched["updated_at"], "2026-11-21T13:00:00.001Z");
        // Whoever may not read sees the same tag as whoever may.
        let writer = story.server.key("calls:write");
        let call = json!({"direction": "inbound", "caller": "+14155550100"});
        let made = story.server.call(&writer, "POST", "/v1/calls", Some(&call));
        let path = made.header("location");
        let seen = story.server.call(&story.key, "GET", path, None);
        assert_eq!(made.header("etag"), seen.header("etag"));
        let patched = story.server.call(&writer, "PATCH", path, Some(&json!({"summary": "x"})));
        assert_eq!(patched.ok().as_object().unwrap().len(), 3);
        let seen = story.server.call(&story.key, "GET", path, None);
        assert_eq!(patched.header("etag"), seen.header("etag"));
        assert_ne!(made.header("etag"), seen.header("etag"));
    }
}

on_both! {
    fn lists_keys_and_probes_have_no_tag(backend) {
        let story = start(backend);
        for path in ["/v1/calls", "/v1/whoami", "/v1/ping", "/healthz"] {
            let answer = story.server.call(&story.key, "GET", path, None);
            assert_eq!((answer.status, answer.header("etag")), (200, ""), "{path}");
        }
        let key = format!("/v1/keys/{}", story.key.id);
        assert_eq!(story.server.manage("GET", &key, None).header("etag"), "");
    }
}

on_both! {
    fn what_the_client_has_is_not_sent_again(backend) {
        let story = start(backend);
        let weak = format!("W/{}", story.tag);
        let list = format!("\"other\", {weak}");
        for known in [story.tag.as_str(), &weak, &list, "*"] {
            for method in ["GET", "HEAD"] {
                let answer = story.send(method, &[("if-none-match", known)], None);
                assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
                assert_eq!(answer.header("etag"), story.tag);
                assert_eq!(answer.header("cache-control"), "no-store");
                assert_eq!(answer.header("content-type"), "");
                assert!(!answer.header("date").is_empty() && !answer.header("x-request-id").is_empty());
            }
        }
        let unquoted = story.tag.trim_matches('"').to_owned();
        for unknown in ["\"other\"", "W/\"other\"", "", &unquoted, "\"*\"", "**"] {
            let answer = story.get(&[("if-none-match", unknown)]);
            assert_eq!(answer.expect(200, "").header("etag"), story.tag, "{unknown}");
        }
        let counted = story.server.usage(&story.key, "24h");
        assert_eq!((&counted["ok"], &counted["client_error"]), (&json!(15), &json!(0)));
        story.patch(&[], "new").expect(200, "");
        let answer = story.get(&[("if-none-match", &story.tag)]);
        assert_eq!(answer.expect(200, "").ok()["summary"], "new");
        // Conditions are looked at after everything else.
        let other = story.server.key("leads:read");
        let (server, known) = (&story.server, [("if-none-match", "*")]);
        let missing = "/v1/calls/call_00000000000000000000000000";
        send(server, &other, "GET", &story.path, &known, None).expect(403, "insufficient_scope");
        send(server, &story.key, "GET", missing, &known, None).expect(404, "not_found");
    }
}

on_both! {
    fn a_change_is_made_to_the_version_that_is_meant_or_not_at_all(backend) {
        let story = start(backend);
        let weak = format!("W/{}", story.tag);
        let unquoted = story.tag.trim_matches('"').to_owned();
        for wrong in ["\"other\"", &weak, "\"a\", \"b\"", "", &unquoted, "**", "\"*\""] {
            let headers = [("if-match", wrong)];
            story.patch(&headers, "never").expect(412, "precondition_failed");
            story.send("DELETE", &headers, None).expect(412, "precondition_failed");
            story.get(&headers).expect(412, "precondition_failed");
        }
        for unwanted in [&story.tag, &weak, "*"] {
            let headers = [("if-none-match", unwanted)];
            story.patch(&headers, "never").expect(412, "precondition_failed");
            story.send("DELETE", &headers, None).expect(412, "precondition_failed");
        }
        let answer = story.get(&[]);
        assert_eq!((answer.header("etag"), &answer.ok()["summary"]), (&*story.tag, &Value::Null));
        let counted = story.server.usage(&story.key, "24h");
        assert_eq!((&counted["ok"], &counted["client_error"]), (&json!(2), &json!(27)));

        let list = format!("\"other\" ,{}", story.tag);
        let first = story.patch(&[("if-match", &list)], "first");
        story.patch(&[("if-match", &story.tag)], "late").expect(412, "precondition_failed");
        let tag = first.expect(200, "").header("etag").to_owned();
        story.get(&[("if-match", &tag)]).expect(200, "");
        let second = story.patch(&[("if-match", &tag), ("if-none-match", &story.tag)], "second");
        second.expect(200, "");
        story.patch(&[("if-match", "*")], "third").expect(200, "");
        let broken = story.send("PATCH", &[("if-match", &tag)], Some("{"));
        broken.expect(400, "malformed_json");
        story.send("DELETE", &[("if-match", &tag)], None).expect(412, "precondition_failed");
        let tag = story.get(&[]).header("etag").to_owned();
        story.send("DELETE", &[("if-match", &tag)], None).expect(204, "");
        for method in ["DELETE", "PATCH"] {
            let gone = story.send(method, &[("if-match", "*")], Some("{}"));
            gone.expect(404, "not_found");
        }
    }
}

on_both! {
    fn of_many_that_change_one_version_exactly_one_wins(backend) {
        const CLIENTS: usize = 8;
        let story = start(backend);
        let other = TestServer::on(story.server.database.clone(), Options::default());
        let mut tag = story.tag.clone();
        let last = rounds(15, 5) - 1;
        for round in 0..=last {
            let barrier = Barrier::new(CLIENTS);
            let race = |client: usize| {
                let server = [&story.server, &other][client % 2];
                let name = format!("{round}/{client}");
                let body = json!({"summary": name}).to_string();
                let headers = [("if-match", tag.as_str())];
                // The last to run would rather delete it.
                let (method, body) = match client {
                    0 if round == last => ("DELETE", None),
                    _ => ("PATCH", Some(body.as_str())),
                };
                barrier.wait();
                let answer = send(server, &story.key, method, &story.path, &headers, body);
                (answer, name)
            };
            let answers: Vec<(Answer, String)> = std::thread::scope(|scope| {
                let race = &race;
                let clients: Vec<_> =
                    (0..CLIENTS).map(|client| scope.spawn(move || race(client))).collect();
                clients.into_iter().map(|client| client.join().unwrap()).collect()
            });
            let (won, lost): (Vec<_>, Vec<_>) =
                answers.iter().partition(|(answer, _)| answer.status < 300);
            assert_eq!(won.len(), 1, "round {round}: {answers:#?}");
            for (answer, _) in lost {
                let deleted = won[0].0.status == 204;
                assert!(answer.status == 412 || (deleted && answer.status == 404), "{answer:#?}");
            }
            if won[0].0.status == 204 {
                break;
            }
            let seen = story.get(&[]);
            assert_eq!(seen.ok()["summary"], won[0].1);
            assert_eq!(seen.header("etag"), won[0].0.header("etag"));
            tag = seen.header("etag").to_owned();
        }
    }
}

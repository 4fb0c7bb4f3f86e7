//! The fast path: what it answers and what it leaves to the application, and that nobody can tell
//! the two apart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::web;
use bitting::config::Options;
use bitting::http::fast_path::FastPath;
use bitting::model::secret::SecretKind;
use serde_json::json;

use crate::support::front_door::worker_state;
use crate::support::{Answer, TestDatabase, TestServer, on_both};

on_both! {
    fn it_answers_the_ping_of_a_live_key_and_nothing_else(backend) {
        let server = TestServer::start(backend);
        let live = server.key("calls:read");
        let revoked = server.key("calls:read");
        server.revoke(&revoked);
        let expired = server.key_with("calls:read", json!({"expires_at": "2026-11-21T12:00:30Z"}));
        server.pass(std::time::Duration::from_secs(60));
        let (mistyped, made_up) = (live.mistyped(), server.made_up(SecretKind::ApiKey));
        let stopping = Arc::new(AtomicBool::new(false));
        let fast = FastPath::new(web::Data::new(worker_state(&server.bitting, &stopping)));
        let answers = |line: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{}\r\n", headers.collect::<String>());
            let mut answer = Vec::new();
            let answered = fast.answer(format!("{head}GET").as_bytes(), None, &mut answer);
            assert!(answered.is_none_or(|length| length == head.len()));
            let answered = answered.is_some();
            assert_eq!(answered, answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
            assert_eq!(answered, !answer.is_empty());
            answered
        };
        let bearer = format!("Bearer {}", live.secret);
        let with = |name, value: &str| answers("GET /v1/ping", &[(name, value)]);
        assert!(with("Authorization", &bearer));
        assert!(with("x-api-key", &live.secret));
        for secret in [&revoked.secret, &expired.secret, &mistyped, &made_up, &server.admin] {
            assert!(!with("authorization", &format!("Bearer {secret}")));
        }
        assert!(!with("accept", "*/*"));
        let twice = [("authorization", &*bearer), ("x-api-key", &*live.secret)];
        assert!(!answers("GET /v1/ping", &twice));
        for line in [
            "HEAD /v1/ping",
            "POST /v1/ping",
            "OPTIONS /v1/ping",
            "GET /v1/ping?",
            "GET /v1/ping?x=1",
            "GET /v1/ping/",
            "GET /v1/%70ing",
            "GET http://a/v1/ping",
            "GET /v1/calls",
        ] {
            assert!(!answers(line, &[("authorization", &bearer)]), "{line}");
        }
        for (name, value) in [("connection", "close"), ("content-length", "5"), ("expect", "100-continue")] {
            assert!(!answers("GET /v1/ping", &[("authorization", &bearer), (name, value)]), "{name}");
        }
        stopping.store(true, Ordering::SeqCst);
        assert!(!with("authorization", &bearer), "the application ends connections");
        drop(fast);
        server.db_flush();
        assert_eq!(server.total(&live), 2);
        assert_eq!(server.total(&revoked) + server.total(&expired), 0, "the application counts them");
    }
}

/// All of an answer that may be compared with another.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.body.clone())
}

/// What has been counted of decisions and of pings, by series.
fn counted(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| {
        line.starts_with("bitting_decisions_total") || line.contains("route=\"/v1/ping\"")
    });
    // How long they took differs.
    let lines = lines.filter(|line| !line.contains("_bucket{") && !line.contains("_sum{"));
    let series = lines.map(|line| line.rsplit_once(' ').unwrap());
    series.map(|(series, value)| (series.to_owned(), value.parse().unwrap())).collect()
}

on_both! {
    fn its_answers_counts_and_figures_are_those_of_the_application(backend) {
        let options = Options {
            metrics_listen: Some("127.0.0.1:0".into()),
            trusted_proxies: Some("127.0.0.1/32".into()),
            ..Options::default()
        };
        let server = TestServer::on(Arc::new(TestDatabase::migrated(backend)), options);
        let keys = ["/v1/ping", "/v1/ping?"].map(|path| (server.key("calls:read"), path));
        let told = keys.each_ref().map(|(key, path)| {
            let before = counted(&server.metrics());
            let forwarded = [("x-api-key", &*key.secret), ("x-forwarded-for", "203.0.113.9"), ("user-agent", "probe")];
            let answer = server.client.send("GET", path, &forwarded, None);
            assert_eq!(answer.header("x-request-id").len(), 32);
            let named = [("x-api-key", &*key.secret), ("x-request-id", "mine-1")];
            assert_eq!(server.client.send("GET", path, &named, None).header("x-request-id"), "mine-1");
            server.db_flush();
            let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
            let addresses = shown["addresses"].as_array().unwrap().clone();
            let rise = counted(&server.metrics()).into_iter().map(|(series, value)| {
                let earlier = before.get(&series).copied().unwrap_or_default();
                (series, value - earlier)
            });
            let rise: BTreeMap<_, _> = rise.filter(|(_, rise)| *rise != 0.0).collect();
            let first = addresses.iter().find(|source| source["address"] == "203.0.113.9").cloned();
            let first = first.map(|source| source["user_agent"].clone());
            let usage = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
            (comparable(&answer), first, rise, usage["24h"].clone())
        });
        assert_eq!(told[0], told[1]);
        let (answer, agent, rise, usage) = &told[0];
        assert_eq!((answer.0, agent), (200, &Some(json!("probe"))));
        assert_eq!(rise["bitting_requests_total{route=\"/v1/ping\",access=\"read\",status=\"200\"}"], 2.0);
        assert_eq!((&usage["ok"], &usage["by_resource"]["other"]["read"]), (&json!(2), &json!(2)));
    }
}

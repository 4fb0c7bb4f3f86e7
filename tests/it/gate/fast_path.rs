//! The fast path: what it answers and what it leaves to the application, and that nobody can tell
//! the two apart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_service::IntoServiceFactory;
use actix_web::{App, HttpResponse, HttpServer, web};
use bitting::config::Options;
use bitting::http::fast_path::FastPath;
use bitting::model::secret::SecretKind;
use serde_json::json;

use crate::support::client::Client;
use crate::support::front_door::{front_door, worker_state};
use crate::support::{Answer, TestDatabase, TestServer, on_both};

/// What the application behind answers here, whatever it is asked.
const TEAPOT: u16 = 418;

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
        let (bitting, stop) = (server.bitting.clone(), stopping.clone());
        let factory = move || {
            let state = web::Data::new(worker_state(&bitting, &stop));
            let teapot = App::new().default_service(web::to(HttpResponse::ImATeapot));
            FastPath::before(teapot.into_factory(), state)
        };
        let serve = move |listener| {
            let server = HttpServer::new(factory).workers(1).disable_signals();
            server.listen(listener).unwrap().run()
        };
        front_door(serve, |address| {
            let client = Client::new(&format!("http://{address}"));
            let bearer = format!("Bearer {}", live.secret);
            let with = |name, value: &str| client.send("GET", "/v1/ping", &[(name, value)], None).status;
            assert_eq!(with("authorization", &bearer), 200);
            assert_eq!(with("x-api-key", &live.secret), 200);
            for secret in [&revoked.secret, &expired.secret, &mistyped, &made_up, &server.admin] {
                assert_eq!(with("authorization", &format!("Bearer {secret}")), TEAPOT);
            }
            assert_eq!(with("accept", "*/*"), TEAPOT);
            let twice = [("authorization", &*bearer), ("x-api-key", &*live.secret)];
            assert_eq!(client.send("GET", "/v1/ping", &twice, None).status, TEAPOT);
            for (method, path) in [
                ("HEAD", "/v1/ping"),
                ("POST", "/v1/ping"),
                ("OPTIONS", "/v1/ping"),
                ("GET", "/v1/ping?"),
                ("GET", "/v1/ping?x=1"),
                ("GET", "/v1/ping/"),
                ("GET", "/v1/%70ing"),
                ("GET", "/v1/calls"),
            ] {
                let answer = client.with_key(&live.secret, method, path, None);
                assert_eq!(answer.status, TEAPOT, "{method} {path}");
            }
            stopping.store(true, Ordering::SeqCst);
            assert_eq!(with("authorization", &bearer), TEAPOT, "the application ends connections");
        });
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

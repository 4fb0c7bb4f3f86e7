//! What becomes of vendors' answers at `/via/{handle}/…`, odd ones among them.

use std::io::Write;
use std::time::Duration;

use bitting::config::ConnectionOptions;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{Operator, admin_of};
use crate::support::upstream::Seen;
use crate::support::vendors::{Reply, Vendor, aircall, callrail, clari, path};
use crate::support::{Backend, TestServer, eventually, raw};

/// An Aircall that answers the test of a connection, and the rest in this way.
fn phones(
    answer: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static,
    settings: ConnectionOptions,
) -> (Vendor, Operator, TestServer) {
    let vendor = Vendor::start(move |seen, origin| match path(seen) {
        "/v1/ping" => Reply::json(200, &json!({"ping": "pong"})),
        _ => answer(seen, origin),
    });
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    let pair = format!("{}\n{}\n", aircall::API_ID, aircall::API_TOKEN);
    ours.add("phones", "aircall", &vendor, &pair).unwrap();
    let server = ours.serve(settings);
    vendor.take();
    (vendor, ours, server)
}

#[test]
fn links_in_headers_and_ids_of_requests_lead_through_the_connection() {
    let answer = |_: &Seen, origin: &str| {
        Reply::json(302, &json!({"meta": {"next_page_link": format!("{origin}/v1/users?page=2")}}))
            .with("Location", format!("{origin}/v1/users/7"))
            .with("Link", format!("<{origin}/v1/users?page=2>; rel=\"next\""))
            .with("X-Request-Id", "theirs")
            .with("WWW-Authenticate", "Basic")
            .with("Access-Control-Allow-Origin", "*")
    };
    let (_vendor, _ours, server) = phones(answer, ConnectionOptions::default());
    let key = server.key("agents:read@phones");
    let answer = server.call(&key, "GET", "/via/phones/v1/users", None);
    let here = format!("{}/via/phones", server.client.base);
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), format!("{here}/v1/users/7"));
    assert_eq!(answer.header("link"), format!("<{here}/v1/users?page=2>; rel=\"next\""));
    assert_eq!(answer.json()["meta"]["next_page_link"], format!("{here}/v1/users?page=2"));
    assert_eq!(answer.header("x-vendor-request-id"), "theirs");
    assert_ne!(answer.header("x-request-id"), "theirs");
    for absent in ["www-authenticate", "access-control-allow-origin"] {
        assert_eq!(answer.header(absent), "");
    }
    let head = server.call(&key, "HEAD", "/via/phones/v1/users", None);
    assert_eq!((head.status, head.body.as_str()), (302, ""));
}

#[test]
fn paths_alone_lead_through_the_connection_and_what_is_ours_to_say_is_said_once() {
    let answer = |_: &Seen, _: &str| {
        Reply::json(302, &json!({}))
            .with("Location", "/v1/users/7?x=1")
            .with("Content-Location", "/v1/teams")
            .with("Link", "</v1/users?page=2>; rel=\"next\", <?page=9>; rel=\"last\"")
            .with("Link", "<../../../v1/keys>; rel=\"up\", </x/%2E./..\\v1/keys>; rel=\"up\"")
            .with("X-Request-Id", "one")
            .with("X-Request-Id", "theirs")
            .with("X-Vendor-Request-Id", "forged")
            .with("X-Vendor-Status", "200")
    };
    let (_vendor, _ours, server) = phones(answer, ConnectionOptions::default());
    let key = server.key("agents:read@phones");
    let answer = server.call(&key, "GET", "/via/phones/v1/teams", None);
    let here = format!("{}/via/phones", server.client.base);
    for (name, value) in [
        ("location", format!("{here}/v1/users/7?x=1")),
        ("content-location", format!("{here}/v1/teams")),
        ("link", format!("<{here}/v1/users?page=2>; rel=\"next\", <?page=9>; rel=\"last\"")),
        ("x-vendor-request-id", "theirs".to_owned()),
        ("x-vendor-status", String::new()),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let up = format!("<{here}/v1/keys>; rel=\"up\", <{here}/v1/keys>; rel=\"up\"");
    assert_eq!(answer.headers.get_all("link").iter().nth(1).unwrap(), up.as_str());
}

#[test]
fn what_cannot_be_read_is_no_answer_and_a_wait_is_told_in_the_usual_way() {
    let answer = |seen: &Seen, _: &str| match path(seen) {
        "/v1/users" => Reply::json(200, &json!({})).with("Content-Encoding", "br"),
        "/v1/company" => {
            let mut zip = GzEncoder::new(Vec::new(), Compression::default());
            zip.write_all(json!({"company": "x".repeat(5000)}).to_string().as_bytes()).unwrap();
            let zipped = Reply { body: zip.finish().unwrap(), ..Reply::json(200, &json!({})) };
            zipped.with("Content-Encoding", "gzip")
        }
        _ => Reply::json(429, &json!({})).with("X-AircallApi-Reset", "17"),
    };
    let (_vendor, _ours, server) = phones(answer, ConnectionOptions::default());
    let key = server.key("agents:read@phones");
    server.call(&key, "GET", "/via/phones/v1/users", None).expect(502, "vendor_answer");
    let company = server.call(&key, "GET", "/via/phones/v1/company", None);
    assert_eq!(company.ok()["company"], "x".repeat(5000));
    assert_eq!(company.header("content-encoding"), "");
    let limited = server.call(&key, "GET", "/via/phones/v1/teams", None);
    assert_eq!((limited.status, limited.header("retry-after")), (429, "17"));
    assert_eq!(limited.header("x-bitting-via"), "phones");
}

#[test]
fn a_vendor_that_is_silent_is_waited_for_no_longer_than_said() {
    let (give_up, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let answer = move |_: &Seen, _: &str| {
        let _ = wait.lock().unwrap().recv();
        Reply::json(200, &json!({}))
    };
    let settings =
        ConnectionOptions { via_timeout: Some("300ms".to_owned()), ..Default::default() };
    let (_vendor, _ours, server) = phones(answer, settings);
    let key = server.key("agents:read@phones agents:write@phones");
    let late = server.call(&key, "GET", "/via/phones/v1/users", None);
    late.expect(504, "vendor_timeout");
    assert!(!late.body.contains("may have been done"));
    let late = server.call(&key, "POST", "/via/phones/v1/teams", Some(&json!({"name": "x"})));
    late.expect(504, "vendor_timeout");
    assert!(late.body.contains("may have been done"));
    eventually("the write is in the audit log", || {
        let log = server.manage("GET", "/v1/audit?action=via.write", None).ok().to_string();
        log.contains("agents:write@phones") && log.contains("\"status\":null")
    });
    drop(give_up);
}

#[test]
fn what_outlives_a_key_is_offered_on_demand_alone() {
    let answer = |_: &Seen, _: &str| Reply::json(200, &json!({"webhook": {"token": "secret"}}));
    let (vendor, ours, server) = phones(answer, ConnectionOptions::default());
    let body = json!({"name": "x", "scopes": ["integrations:write@phones"]});
    server.manage("POST", "/v1/keys", Some(&body)).ok();
    let reader = server.key("integrations:read@phones");
    let hidden = server.call(&reader, "GET", "/via/phones/v1/webhooks/7", None).ok();
    assert_eq!(hidden["webhook"]["token"], "*");
    let writer = server.key("integrations:write@phones");
    let hook = json!({"url": "https://elsewhere.example"});
    let closed = server.call(&writer, "POST", "/via/phones/v1/webhooks", Some(&hook));
    closed.expect(405, "method_not_allowed");
    vendor.take();
    ours.connection(&["set", "phones", "--standing", "true"], "").unwrap();
    server.pass(Duration::from_secs(1));
    server.call(&writer, "POST", "/via/phones/v1/webhooks", Some(&hook)).ok();
    assert_eq!(vendor.take().len(), 1);
}

#[test]
fn a_vendors_401_is_not_told_as_ours() {
    let vendor = Vendor::start(|seen, _| match path(seen) {
        "/v4/admin/limits" => Reply::json(200, &json!({"jobs": {"concurrentLimit": 1}})),
        _ => Reply::json(401, &json!({"message": "no permission for this forecast"})),
    });
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("clari", "clari", &vendor, clari::TOKEN).unwrap();
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("analytics:read@clari");
    let answer = server.call(&key, "POST", "/via/clari/v4/export/forecast/7", Some(&json!({})));
    assert_eq!((answer.status, answer.header("x-vendor-status")), (403, "401"), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), "");
    assert!(answer.body.contains("no permission for this forecast"));
}

#[test]
fn each_row_is_opened_by_its_own_scope() {
    let vendor = Vendor::start(|_, _| Reply::json(200, &json!({"accounts": []})));
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    ours.connection(&["set", "callrail", "--standing", "true"], "").unwrap();
    let server = ours.serve(ConnectionOptions::default());
    let table = bitting::model::connections::Kind::CallRail.offered().unwrap().table;
    let scopes: std::collections::BTreeSet<String> =
        table.rows().iter().filter_map(|row| row.scope()).map(ToString::to_string).collect();
    for scope in scopes {
        let key = server.key(&format!("{scope}@callrail"));
        for row in table.rows() {
            let path = format!("/via/callrail{}", row.path().replace(['{', '}'], ""));
            let body = json!({});
            let body = (row.method() != "GET").then_some(&body);
            let answer = server.call(&key, row.method(), &path, body);
            let opened = row.scope().is_none_or(|own| own.to_string() == scope);
            assert_eq!(answer.status, if opened { 200 } else { 403 }, "{scope} {row}");
        }
    }
}

#[test]
fn a_key_that_reads_at_a_connection_for_30_days_is_one_click_away() {
    let (_vendor, _ours, server) = phones(|_, _| Reply::json(200, &json!({})), Default::default());
    let ada = admin_of(&server);
    let plain = ada.get("/keys/new").body;
    assert!(plain.contains("href=\"/keys/new?connection=phones\""), "{plain}");
    let form = ada.get("/keys/new?connection=phones").body;
    let ticked = |scope: &str| form.contains(&format!("value=\"{scope}\" checked"));
    assert!(ticked("calls:read@phones") && ticked("agents:read@phones"), "{form}");
    assert!(!ticked("calls:write@phones") && !ticked("calls:read"), "{form}");
    assert!(form.contains("value=\"30d\""), "{form}");
}

#[test]
fn requests_that_are_sent_at_once_are_answered_one_by_one() {
    let answer = |seen: &Seen, _: &str| match path(seen) {
        "/v1/users" => Reply::json(200, &json!({"users": []})),
        _ => Reply { body: Vec::new(), ..Reply::json(204, &json!({})) },
    };
    let (_vendor, _ours, server) = phones(answer, ConnectionOptions::default());
    let key = server.key("agents:read@phones").secret;
    let ask = |method: &str, path: &str, more: &str| {
        format!(
            "{method} /via/phones{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{more}\r\n"
        )
    };
    let asked = [
        ask("GET", "/v1/users", ""),
        ask("HEAD", "/v1/users", ""),
        ask("GET", "/v1/teams", ""),
        ask("GET", "/v1/users", ""),
        ask("HEAD", "/v1/users", "Connection: close\r\n"),
    ];
    let answers = raw::exchange(server.address, asked.concat().as_bytes());
    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    let bodies: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(body).collect();
    let list = "C\r\n{\"users\":[]}\r\n0\r\n\r\n";
    assert_eq!(bodies, [list, "", "", list, ""], "{answers}");
}

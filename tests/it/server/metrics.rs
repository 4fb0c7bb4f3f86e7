//! The metrics: what a scrape shows, and that dashboard and alerts ask for nothing else.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bitting::config::Options;
use serde_json::Value;

use crate::support::{Backend, TestDatabase, TestServer, eventually, on_both, tool};

fn watched(backend: Backend) -> TestServer {
    let options = Options { metrics_listen: Some("127.0.0.1:0".into()), ..Options::default() };
    TestServer::on(Arc::new(TestDatabase::migrated(backend)), options)
}

/// The value of one line, told by all that stands before it.
fn figure(page: &str, line: &str) -> f64 {
    let value = page.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {line} in {page}")).parse().unwrap()
}

fn deployed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

on_both! {
    fn a_scrape_shows_what_was_asked_and_how_it_was_answered(backend) {
        let server = watched(backend);
        let key = server.key("calls:read");
        let retired = server.key("calls:read");
        server.revoke(&retired);
        for _ in 0..3 {
            server.call(&key, "GET", "/v1/calls?limit=5", None).expect(200, "");
        }
        server.call(&key, "POST", "/v1/calls", None).expect(403, "insufficient_scope");
        server.call(&retired, "GET", "/v1/calls", None).expect(401, "key_revoked");
        server.call(&key, "GET", "/v1/calls/nothing", None).expect(404, "not_found");
        server.call(&key, "GET", "/v1/nothing", None).expect(404, "not_found");
        server.client.send("GET", "/nothing", &[], None).expect(404, "not_found");
        server.client.send("GET", "/v1/calls", &[], None).expect(401, "missing_key");
        let page = server.metrics();
        for (line, expected) in [
            ("bitting_requests_total{route=\"/v1/calls\",access=\"read\",status=\"200\"}", 3.0),
            ("bitting_requests_total{route=\"/v1/calls\",access=\"read\",status=\"401\"}", 2.0),
            ("bitting_requests_total{route=\"/v1/calls\",access=\"write\",status=\"403\"}", 1.0),
            ("bitting_requests_total{route=\"/v1/calls/{id}\",access=\"read\",status=\"404\"}", 1.0),
            ("bitting_requests_total{route=\"/v1/keys\",access=\"write\",status=\"201\"}", 2.0),
            ("bitting_requests_total{route=\"none\",access=\"read\",status=\"404\"}", 2.0),
            ("bitting_request_duration_seconds_count{route=\"/v1/calls\"}", 6.0),
            ("bitting_request_duration_seconds_bucket{le=\"+Inf\",route=\"/v1/calls\"}", 6.0),
            // Three keys' and tokens' worth of managing, three reads, one record that is not there.
            ("bitting_decisions_total{outcome=\"accepted\"}", 7.0),
            ("bitting_decisions_total{outcome=\"insufficient_scope\"}", 1.0),
            ("bitting_decisions_total{outcome=\"key_revoked\"}", 1.0),
            ("bitting_decisions_total{outcome=\"missing_key\"}", 1.0),
            ("bitting_decisions_total{outcome=\"not_found\"}", 1.0),
            ("bitting_decisions_total{outcome=\"invalid_key\"}", 0.0),
            ("bitting_credentials", 3.0),
            ("bitting_feed_read_failures_total", 0.0),
            ("bitting_build_info{version=\"0.1.0\"}", 1.0),
        ] {
            assert_eq!(figure(&page, line), expected, "{line} of {page}");
        }
        for line in ["process_resident_memory_bytes", "process_open_fds", "bitting_feed_reads_total"] {
            assert!(figure(&page, line) > 0.0, "{line} of {page}");
        }
        for part in [&key.id, &key.secret[4..], &retired.secret[4..], "/v1/nothing"] {
            assert!(!page.contains(part), "{part} in {page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
        eventually("counts are written", || {
            let page = server.metrics();
            figure(&page, "bitting_usage_flushes_total") > 0.0 && figure(&page, "bitting_usage_backlog") == 0.0
        });
        let pool = match backend { Backend::Sqlite => "readers", Backend::Postgres => "shared" };
        let waiting = format!("bitting_database_waiting{{pool=\"{pool}\"}}");
        assert_eq!(figure(&server.metrics(), &waiting), 0.0);
        server.client.send("GET", "/metrics", &[], None).expect(404, "not_found");
    }
}

#[test]
fn sessions_are_shown_as_last_counted() {
    let server = watched(Backend::Sqlite);
    assert_eq!(figure(&server.metrics(), "bitting_sessions"), 0.0);
    server.db_user("ada@example.com", serde_json::json!({}));
    let browsers = [(); 2].map(|()| server.db_browser("ada@example.com"));
    server.bitting.sweep_accounts().unwrap();
    assert_eq!(figure(&server.metrics(), "bitting_sessions"), 2.0);
    drop(browsers);
}

#[test]
fn a_database_that_is_gone_shows() {
    let server = watched(Backend::Sqlite);
    let key = server.key("calls:read");
    // Nothing is left to be written, which would fail.
    server.db_flush();
    let file = server.database.folder().join("test.db");
    std::fs::rename(&file, server.database.folder().join("aside.db")).unwrap();
    server.clock.pass(std::time::Duration::from_secs(6));
    server.call(&key, "GET", "/v1/calls", None).expect(503, "unavailable");
    eventually("it shows", || {
        let page = server.metrics();
        figure(&page, "bitting_feed_age_seconds") >= 5.0
            && figure(&page, "bitting_feed_read_failures_total") > 0.0
            && figure(&page, "bitting_usage_flush_failures_total") == 0.0
    });
    let page = server.metrics();
    assert_eq!(figure(&page, "bitting_decisions_total{outcome=\"unavailable\"}"), 1.0);
    std::fs::rename(server.database.folder().join("aside.db"), &file).unwrap();
}

/// The metrics that a query names.
fn named(query: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = query.split(|c| !word(c));
    let ours = words.filter(|word| word.starts_with("bitting_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

/// Every text under one of these names, anywhere in a JSON document.
fn texts<'a>(value: &'a Value, names: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if names.contains(&name.as_str()) => found.push(text),
                    value => texts(value, names, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, names, found)),
        _ => {}
    }
}

#[test]
fn dashboard_and_alerts_name_only_metrics_that_exist_and_every_metric_is_looked_at() {
    let server = watched(Backend::Sqlite);
    let key = server.key("calls:read");
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    let page = server.metrics();
    let name = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
    let exist: BTreeSet<String> =
        page.lines().filter(|line| !line.starts_with('#')).map(name).collect();

    let dashboard = deployed("grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut queries = Vec::new();
    texts(&dashboard, &["expr", "query"], &mut queries);
    assert!(queries.len() > 20, "{queries:?}");
    // The only places of the rules where metrics are named.
    let rules = deployed("prometheus-rules.yml");
    queries.push(&rules);
    let asked: BTreeSet<String> = queries.iter().flat_map(|query| named(query)).collect();
    let missing: Vec<_> = asked.difference(&exist).collect();
    assert!(missing.is_empty(), "asked for and not there: {missing:?} in {exist:?}");
    let family = |name: &String| {
        let name = name.trim_end_matches("_bucket").trim_end_matches("_sum");
        name.trim_end_matches("_count").to_owned()
    };
    let asked: BTreeSet<String> = asked.iter().map(family).collect();
    let idle: Vec<_> = exist.iter().filter(|name| !asked.contains(&family(name))).collect();
    assert!(idle.is_empty(), "shown and never looked at: {idle:?}");
}

#[test]
fn prometheus_own_tool_finds_no_fault() {
    let Some(promtool) = tool("promtool") else { return };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for arguments in
        [["check", "rules", "prometheus-rules.yml"], ["check", "config", "prometheus.yml"]]
    {
        let output = Command::new(&promtool).args(arguments).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let server = watched(Backend::Sqlite);
    let key = server.key("calls:read");
    server.call(&key, "GET", "/v1/calls", None).expect(200, "");
    // The tool reads the older format, in which a counter's family bears the name of its samples.
    let page = in_older_format(&server.metrics());
    let mut check = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?} of {page}");
}

fn in_older_format(page: &str) -> String {
    let words = |line| str::splitn(line, 4, ' ').collect::<Vec<_>>();
    let counters: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| match words(line).as_slice() {
            ["#", "TYPE", name, "counter"] => Some(*name),
            _ => None,
        })
        .collect();
    let line = |line| match words(line).as_slice() {
        ["#", what, name, rest] if counters.contains(name) => {
            format!("# {what} {name}_total {rest}\n")
        }
        _ => format!("{line}\n"),
    };
    page.lines().map(line).collect()
}

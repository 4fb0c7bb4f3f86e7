//! What each filter of the list of keys costs with ten thousand keys of thirty days: the request to
//! the real server, for a page of the API and for the page in a browser.
//!
//! `cargo bench --bench filters`, for SQLite; for PostgreSQL too where `BITTING_TEST_POSTGRES` names a
//! server, as `tests/run` does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected shall fail"
)]

#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the tests")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::Instant;

use serde_json::json;
use support::browser::Browser;
use support::server::start_of_time;
use support::{Backend, TestServer};

const KEYS: i64 = 10_000;
/// Hours of the last 30 days in which each key was used.
const HOURS: i64 = 40;
const ROUNDS: usize = 15;

const FILTERS: [&str; 12] = [
    "",
    "status=active",
    "status=retired",
    "q=7777",
    "owner=customer+7",
    "holder=ada@example.com",
    "holder=none",
    "scope=leads:write",
    "expires_within=14d",
    "unused_for=90d",
    "over_scoped=true",
    "over_scoped=true&unused_for=30d&expires_within=30d&scope=calls:read&q=key",
];

/// Keys as a team has them after a month: a third expires, a tenth is revoked, a fifth was not used
/// lately, half of them have a scope that they do not need.
fn db_fill(server: &TestServer) {
    let now = start_of_time().timestamp_millis();
    let day = 24 * 3_600_000_i64;
    let time = |days: &str| match server.database.backend {
        Backend::Sqlite => format!("datetime({now} / 1000 + ({days}) * 86400, 'unixepoch')"),
        Backend::Postgres => {
            format!("(to_timestamp({now} / 1000 + ({days}) * 86400) AT TIME ZONE 'UTC')")
        }
    };
    let (digest, text) = match server.database.backend {
        Backend::Sqlite => ("randomblob(32)", "printf('key_%026d', n)"),
        Backend::Postgres => {
            ("sha256(('digest ' || n)::bytea)", "'key_' || lpad(n::text, 26, '0')")
        }
    };
    let (made, ends, ended) = (time("-200 + n % 190"), time("n % 300 - 20"), time("-5"));
    let numbers = format!(
        "WITH RECURSIVE n(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM n WHERE n < {KEYS}) "
    );
    server.database.db_execute(&format!(
        "{numbers} INSERT INTO api_keys (id, digest, name, scopes, owner, user_id, display, \
         created_at, created_by_type, created_by_name, expires_at, revoked_at, revoked_by_type, \
         revoked_by_name, revision) SELECT {text}, {digest}, 'key ' || CAST(n AS TEXT), \
         'calls:read leads:write', 'customer ' || CAST(n % 1000 AS TEXT), \
         CASE n % 4 WHEN 0 THEN (SELECT MIN(id) FROM users) END, 'bt_…', {made}, 'cli', 'c', \
         CASE n % 3 WHEN 0 THEN {ends} END, CASE n % 10 WHEN 0 THEN {ended} END, \
         CASE n % 10 WHEN 0 THEN 'cli' END, CASE n % 10 WHEN 0 THEN 'c' END, n FROM n",
    ));
    server.database.db_execute(&format!(
        "{numbers}, h(h) AS (SELECT 0 UNION ALL SELECT h + 1 FROM h WHERE h < {HOURS} - 1) \
         INSERT INTO usage_hours SELECT n, {now} / 3600000 - 2 - (h * 17 + n * 7) % 716, 16, 50, \
         {now} - 7200000 FROM n, h",
    ));
    for (scope, every) in [("calls:read", 1), ("leads:write", 2)] {
        server.database.db_execute(&format!(
            "{numbers} INSERT INTO scope_uses SELECT n, '{scope}', {now} - (n % 5) * 20 * {day} \
             FROM n WHERE n % {every} = 0",
        ));
    }
    server.database.db_execute(&format!(
        "DELETE FROM key_summaries; {numbers} INSERT INTO key_summaries SELECT n, n * 7 % 5000, \
         {now} - (n % 5) * 25 * {day} FROM n",
    ));
    if server.database.backend == Backend::Postgres {
        server.database.db_execute("VACUUM ANALYZE");
    }
}

/// The median and the longest of some times, in milliseconds.
fn measure(request: impl Fn()) -> String {
    let once = || {
        let began = Instant::now();
        request();
        began.elapsed().as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| once()).collect();
    times.sort_by(f64::total_cmp);
    format!("{:.1} ms, at most {:.1} ms", times[ROUNDS / 2], times[ROUNDS - 1])
}

fn main() {
    let mut backends = vec![Backend::Sqlite];
    if std::env::var("BITTING_TEST_POSTGRES").is_ok() {
        backends.push(Backend::Postgres);
    }
    for backend in backends {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({"role": "admin"}));
        db_fill(&server);
        let admin = Browser::signed_in(&server.client.base, "ada@example.com");
        println!("\n{backend:?}, {KEYS} keys used in {HOURS} hours of 30 days each:\n");
        println!("| filter | found | `GET /v1/keys` | `/keys` |\n| --- | --- | --- | --- |");
        for filter in FILTERS {
            let (list, page) = (format!("/v1/keys?limit=50&{filter}"), format!("/keys?{filter}"));
            let found = server.manage("GET", &list, None).ok()["data"].as_array().unwrap().len();
            let api = measure(|| drop(server.manage("GET", &list, None).ok()));
            let pages = measure(|| assert_eq!(admin.get(&page).status, 200));
            println!("| `{filter}` | {found} on the first page | {api} | {pages} |");
        }
    }
}

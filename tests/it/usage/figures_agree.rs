//! The figures of a key, at one moment, wherever they are shown: the list, the key's page with its
//! chart and tables, the page of all usage, every CSV, the API and the command line.

use std::sync::Arc;
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::support::binary::run_ok;
use crate::support::html::texts;
use crate::support::server::MadeKey;
use crate::support::{Answer, Binary, Browser, TestDatabase, TestServer, eventually, on_both};

const ADMIN: &str = "ada@example.com";
const WINDOWS: [&str; 3] = ["24h", "7d", "30d"];
/// Each outcome with its words on the pages.
const OUTCOMES: [(&str, &str); 6] = [
    ("ok", "ok"),
    ("client_error", "client error"),
    ("server_error", "server error"),
    ("forbidden", "forbidden"),
    ("rate_limited", "rate limited"),
    ("retired", "after its end"),
];

/// A month that ends twelve hours ago, so that no request is near the edge of a window; returns a
/// key that is used for many things, one that was revoked and is still tried, and an admin token.
fn live_a_month(database: &Arc<TestDatabase>) -> (MadeKey, MadeKey, String) {
    let began = Utc::now() - TimeDelta::hours(29 * 24 + 12);
    let clock = Arc::new(ManualClock::at(began));
    let server = TestServer::with_clock(database.clone(), Options::default(), clock);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let busy = server.key_with("calls:read leads:read leads:write", json!({"name": "busy"}));
    let ended = server.key_with("calls:read", json!({"name": "ended"}));
    for day in 0..30 {
        for _ in 0..2 + day % 4 {
            server.call(&busy, "GET", "/v1/calls", None).ok();
        }
        server.call(&busy, "GET", "/v1/ping", None).ok();
        if day % 2 == 0 {
            server
                .call(&busy, "POST", "/v1/leads", Some(&json!({})))
                .expect(422, "validation_failed");
        }
        if day % 3 == 0 {
            server
                .call(&busy, "POST", "/v1/calls", Some(&json!({})))
                .expect(403, "insufficient_scope");
        }
        server.call(&ended, "GET", "/v1/calls", None);
        if day == 20 {
            server.revoke(&ended);
        }
        if day < 29 {
            server.pass(Duration::from_secs(24 * 3600));
        }
    }
    let token = server.admin.clone();
    server.stop();
    (busy, ended, token)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn numbers(answer: &Answer, selector: &str) -> Vec<i64> {
    texts(answer, selector).iter().map(|text| text.parse().unwrap()).collect()
}

fn totals(usage: &Value) -> Vec<i64> {
    WINDOWS.iter().map(|window| number(&usage[window]["total"])).collect()
}

/// `5 ok · 1 forbidden`
fn parts(tally: &Value) -> String {
    let part = |(outcome, words): &(&str, &str)| match number(&tally[outcome]) {
        0 => None,
        n => Some(format!("{n} {words}")),
    };
    OUTCOMES.iter().filter_map(part).collect::<Vec<_>>().join(" · ")
}

/// The lines of a CSV file, each by the names of its columns.
fn lines(answer: &Answer) -> Vec<Map<String, Value>> {
    let mut reader =
        csv::Reader::from_reader(answer.body.trim_start_matches('\u{feff}').as_bytes());
    let line = |line: Result<std::collections::HashMap<String, String>, csv::Error>| {
        line.unwrap().into_iter().map(|(name, cell)| (name, json!(cell))).collect()
    };
    reader.deserialize().map(line).collect()
}

fn column(lines: &[Map<String, Value>], name: &str) -> i64 {
    lines.iter().map(|line| line[name].as_str().unwrap().parse::<i64>().unwrap()).sum()
}

/// The figures of one window on a page: its sums, and its chart's table.
fn check_page(page: &Answer, usage: &Value, window: &str) {
    assert_eq!(numbers(page, ".sums dd:not(.small)"), totals(usage));
    let expected: Vec<String> = WINDOWS.iter().map(|window| parts(&usage[window])).collect();
    assert_eq!(texts(page, ".sums .small"), expected);
    let legend = texts(page, ".legend li");
    let cells = numbers(page, ".chart tbody td");
    let rows: Vec<&[i64]> = cells.chunks(1 + legend.len()).collect();
    let sum = |place: usize| rows.iter().map(|row| row[place]).sum::<i64>();
    let tally = &usage[window];
    assert_eq!(sum(0), number(&tally["total"]), "{window}");
    for (outcome, words) in OUTCOMES {
        let place = legend.iter().position(|known| known == words);
        let shown = place.map_or(0, |place| sum(1 + place));
        assert_eq!(shown, number(&tally[outcome]), "{window} {outcome}");
    }
}

/// A table by resource and access: every line is what the API says, and none is left out.
fn check_resources(page: &Answer, table: &str, breakdown: &Value) {
    let heads = texts(page, &format!("{table} tbody th"));
    let cells = numbers(page, &format!("{table} tbody td"));
    for (head, row) in heads.iter().zip(cells.chunks(3)) {
        let (resource, access) = match head.strip_prefix("no resource ") {
            Some(access) => ("other", access),
            None => head.split_once(' ').unwrap(),
        };
        let access = access.split(' ').next().unwrap();
        for (window, shown) in WINDOWS.iter().zip(row) {
            let expected = breakdown[window]["by_resource"][resource][access].as_i64();
            assert_eq!(*shown, expected.unwrap_or(0), "{head} {window}");
        }
    }
    let sums = (0..3).map(|window| cells.chunks(3).map(|row| row[window]).sum::<i64>());
    assert_eq!(sums.collect::<Vec<_>>(), totals(breakdown));
}

on_both! {
    fn the_figures_of_a_key_are_the_same_wherever_they_are_shown(backend) {
        let database = Arc::new(TestDatabase::new(backend));
        let (busy, ended, token) = live_a_month(&database);
        let (folder, place) = (database.folder(), ["--database-url", database.url.as_str()]);
        let server = Binary::serve(&folder, &place);
        let client = &server.client;
        for _ in 0..3 {
            client.with_key(&busy.secret, "GET", "/v1/calls", None).ok();
        }
        client.with_key(&ended.secret, "GET", "/v1/calls", None).expect(401, "key_revoked");
        let manage = |path: &str| client.with_key(&token, "GET", path, None).ok();
        let browser = Browser::signed_in(&client.base, ADMIN);
        let command = |arguments: &[&str]| run_ok(&folder, &[arguments, &place].concat());
        let exported = lines(&browser.get("/keys/export"));
        let listed = manage("/v1/keys?status=all");
        let mut all = [0; 3];

        for (key, path, name) in [(&busy, "/keys", "busy"), (&ended, "/keys/retired", "ended")] {
            let shown = manage(&format!("/v1/keys/{}", key.id));
            let usage = &shown["usage"];
            let own = totals(usage);
            assert!(0 < own[0] && own[0] < own[1] && own[1] < own[2], "the windows differ: {usage}");
            (0..3).for_each(|window| all[window] += own[window]);
            let breakdown = manage(&format!("/v1/keys/{}/usage", key.id));
            for window in WINDOWS {
                for (outcome, _) in OUTCOMES {
                    assert_eq!(breakdown[window][outcome], usage[window][outcome], "{window}");
                }
                let series = breakdown[window]["series"].as_array().unwrap().iter();
                let points = series.map(|point| number(&point["total"])).sum::<i64>();
                assert_eq!(json!(points), usage[window]["total"]);
            }
            assert_eq!(totals(&breakdown), own);
            let in_list = listed["data"].as_array().unwrap().iter().find(|one| one["id"] == *key.id);
            let in_list = in_list.unwrap();
            for member in ["usage", "lifetime_total", "last_used_at"] {
                assert_eq!(in_list[member], shown[member], "{member}");
            }
            // Another process has the counts of the last moment within a second.
            let told = || -> Value { serde_json::from_str(&command(&["key", "show", &key.id, "--json"])).unwrap() };
            eventually("the command line knows every request", || {
                told() == manage(&format!("/v1/keys/{}", key.id))
            });

            let row = browser.get(&format!("{path}?q={}", key.id));
            assert_eq!(texts(&row, "tbody a.name"), [name]);
            if path == "/keys" {
                let cells = ["24 h", "7 d", "30 d"].map(|label| numbers(&row, &format!("td[data-label=\"{label}\"]"))[0]);
                assert_eq!(cells.to_vec(), own);
                let spark = texts(&row, ".spark title").concat();
                assert!(spark.starts_with(&format!("{} requests in 30 days", own[2])), "{spark}");
            } else {
                assert_eq!(numbers(&row, "td[data-label=\"Total\"]"), [number(&shown["lifetime_total"])]);
                assert_eq!(numbers(&row, "td[data-label=\"Attempts since\"]"), [number(&usage["30d"]["retired"])]);
            }
            for window in WINDOWS {
                let page = browser.get(&format!("/keys/{}?window={window}", key.id));
                check_page(&page, usage, window);
                check_resources(&page, "section[aria-labelledby=granted]", &breakdown);
            }
            let line = exported.iter().find(|line| line["id"] == *key.id).unwrap();
            assert_eq!(WINDOWS.map(|window| line[window].as_str().unwrap().parse::<i64>().unwrap()).to_vec(), own);
            assert_eq!(line["lifetime_total"], json!(shown["lifetime_total"].to_string()));
            assert_eq!(line["last_used_at"], shown["last_used_at"]);
            let most = texts(&browser.get("/usage"), "section[aria-labelledby=most-used] tbody tr");
            let figures = own.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
            assert!(most.iter().any(|row| row.starts_with(name) && row.contains(&figures)), "{most:?}");
        }

        // All keys together: one more, which asks, and is not counted before it was answered.
        let analyst: Value = serde_json::from_str(&command(&[
            "key", "create", "--name", "analyst", "--scope", "analytics:read", "--json",
        ])).unwrap();
        let pages = WINDOWS.map(|window| browser.get(&format!("/usage?window={window}")));
        let files = WINDOWS.map(|window| ["time", "resource"].map(|by| {
            lines(&browser.get(&format!("/usage/export?window={window}&by={by}")))
        }));
        let together = client
            .with_key(analyst["key"].as_str().unwrap(), "GET", "/v1/analytics/usage", None)
            .ok();
        assert_eq!(totals(&together), all);
        for ((window, page), files) in WINDOWS.iter().zip(pages).zip(files) {
            check_page(&page, &together, window);
            check_resources(&page, "section[aria-labelledby=resources]", &together);
            for file in files {
                assert_eq!(json!(column(&file, "total")), together[window]["total"], "{window}");
                for (outcome, _) in OUTCOMES {
                    assert_eq!(json!(column(&file, outcome)), together[window][outcome], "{window}");
                }
            }
        }
        // Last, since it is a request itself, and counted once it is answered.
        let before = manage(&format!("/v1/keys/{}", busy.id));
        let who = client.with_key(&busy.secret, "GET", "/v1/whoami", None).ok();
        assert_eq!(who["usage"], before["usage"]);
        assert_eq!(totals(&who["usage"]), totals(&manage(&format!("/v1/keys/{}", busy.id))["usage"]).iter().map(|n| n - 1).collect::<Vec<_>>());
    }
}

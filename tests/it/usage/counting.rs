//! Counts as users see them: every request once, in every window, the same wherever it is shown.

use std::sync::Arc;
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use serde_json::{Value, json};

use crate::support::binary::run_ok;
use crate::support::load::{hammer, request};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Backend, Binary, TestDatabase, TestServer, eventually, on_both, rounds};

/// What a window shows when so many requests ended so.
fn figures(ok: i64, client_error: i64, forbidden: i64) -> Value {
    json!({
        "total": ok + client_error + forbidden,
        "ok": ok, "client_error": client_error, "server_error": 0,
        "forbidden": forbidden, "rate_limited": 0, "retired": 0,
    })
}

fn in_every_window(figures: Value) -> Value {
    json!({"24h": figures, "7d": figures, "30d": figures})
}

fn shown(server: &TestServer, key: &MadeKey) -> Value {
    server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok()["usage"].clone()
}

/// Twenty requests, of which 14 succeed, 3 are forbidden and 3 find nothing.
fn mixed(key: &MadeKey) -> Vec<String> {
    let mut requests = vec![request(&key.secret, "GET", "/v1/ping"); 14];
    requests.extend(vec![request(&key.secret, "POST", "/v1/calls"); 3]);
    requests.extend(vec![request(&key.secret, "GET", "/v1/nothing"); 3]);
    requests
}

/// 64 clients that send up to 1000 requests each; how often the twenty were sent in all.
fn sixty_four_clients(server: &TestServer, key: &MadeKey) -> i64 {
    let each = rounds(50, 15);
    let answers = hammer(server.address, 64, each, &mixed(key), &[200, 404, 403]);
    let sent = 64 * each as i64;
    assert_eq!(answers, [14 * sent, 3 * sent, 3 * sent]);
    sent
}

on_both! {
    fn every_request_of_64_clients_is_counted_once_and_survives_a_restart(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let sent = sixty_four_clients(&server, &key);
        let expected = in_every_window(figures(14 * sent, 3 * sent, 3 * sent));
        assert_eq!(shown(&server, &key), expected);

        let clock = server.clock.clone();
        let database = server.stop();
        assert_eq!(database.db_counted(), 20 * sent);
        let server = TestServer::with_clock(database, Options::default(), clock);
        assert_eq!(shown(&server, &key), expected);
        let document = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(document["lifetime_total"], 20 * sent);
    }
}

#[test]
fn two_servers_on_one_database_both_see_the_requests_of_both() {
    let database = Arc::new(TestDatabase::new(Backend::Postgres));
    let servers = [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
    let key = servers[0].key("calls:read");
    let sent: i64 = std::thread::scope(|scope| {
        let clients =
            servers.each_ref().map(|server| scope.spawn(|| sixty_four_clients(server, &key)));
        clients.map(|clients| clients.join().unwrap()).iter().sum()
    });
    let expected = in_every_window(figures(14 * sent, 3 * sent, 3 * sent));
    for server in &servers {
        eventually("every request is seen", || shown(server, &key) == expected);
    }
    let database = servers.map(TestServer::stop)[0].clone();
    assert_eq!(database.db_counted(), 20 * sent);
}

on_both! {
    /// 24 h to the minute, 7 and 30 days to the hour; nothing younger than a window is left out.
    fn a_request_leaves_each_window_at_its_age(backend) {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let ages = [
            30 * DAY + 2 * HOUR,
            29 * DAY + 23 * HOUR,
            7 * DAY + 2 * HOUR,
            6 * DAY + 23 * HOUR,
            DAY + 2 * MINUTE,
            DAY - MINUTE,
        ];
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        // Not on the hour, so that the edges of the windows lie inside an hour.
        server.pass(Duration::from_secs(34 * MINUTE + 56));
        for (place, age) in ages.iter().enumerate() {
            server.call(&key, "GET", "/v1/ping", None).ok();
            let next = ages.get(place + 1).copied().unwrap_or(0);
            server.pass(Duration::from_secs(age - next));
        }
        let totals = || ["24h", "7d", "30d"].map(|window| server.usage(&key, window)["total"].clone());
        assert_eq!(totals(), [1, 3, 5]);
        server.bitting.flush_usage().unwrap();
        while server.bitting.roll_up().unwrap() {}
        assert_eq!(totals(), [1, 3, 5]);
        let document = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(document["lifetime_total"], 6);
    }
}

on_both! {
    fn last_use_is_the_last_request_of_the_live_key(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let document = || server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(document()["last_used_at"], Value::Null);
        server.pass(Duration::from_millis(61_234));
        server.call(&key, "POST", "/v1/calls", None).expect(403, "insufficient_scope");
        assert_eq!(document()["last_used_at"], "2026-11-21T12:01:01.234Z");
        server.bitting.flush_usage().unwrap();
        server.pass(Duration::from_secs(3600));
        server.revoke(&key);
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        for _ in 0..2 {
            let document = document();
            assert_eq!(document["last_used_at"], "2026-11-21T12:01:01.234Z");
            assert_eq!((&document["lifetime_total"], &document["usage"]["24h"]["retired"]), (&json!(2), &json!(1)));
            server.bitting.flush_usage().unwrap();
        }
    }
}

on_both! {
    fn the_last_five_addresses_are_kept_with_their_user_agents(backend) {
        let options = Options {
            trusted_proxies: Some("127.0.0.1/32".to_owned()),
            ..Options::default()
        };
        let server = TestServer::on(Arc::new(TestDatabase::migrated(backend)), options);
        let key = server.key("calls:read");
        let bearer = format!("Bearer {}", key.secret);
        // The first address comes back at the end, with another user agent.
        for (second, host) in [1, 2, 3, 4, 5, 6, 7, 1].into_iter().enumerate() {
            server.pass(Duration::from_secs(1));
            let agent = format!("agent {second}");
            let address = format!("203.0.113.{host}");
            let headers = [
                ("authorization", bearer.as_str()),
                ("x-forwarded-for", &address),
                ("user-agent", &agent),
            ];
            server.client.send("GET", "/v1/ping", &headers, None).ok();
            server.bitting.flush_usage().unwrap();
        }
        let expected: Vec<Value> = [(1, 7), (7, 6), (6, 5), (5, 4), (4, 3)]
            .map(|(host, second): (i64, i64)| json!({
                "address": format!("203.0.113.{host}"),
                "user_agent": format!("agent {second}"),
                "at": format!("2026-11-21T12:00:0{}.000Z", second + 1),
            }))
            .into();
        let shown = || server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok()["addresses"].clone();
        eventually("the addresses are written", || shown() == json!(expected));
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM key_addresses"), 5);
    }
}

on_both! {
    fn every_place_that_shows_a_keys_figures_says_the_same(backend) {
        let database = TestDatabase::new(backend);
        let (folder, place) = (database.folder(), ["--database-url", database.url.as_str()]);
        let server = Binary::serve(&folder, &place);
        let command = |arguments: &[&str]| run_ok(&folder, &[arguments, &place].concat());
        let token = command(&["token", "create", "--name", "t", "--access", "read", "--expires", "1d"]);
        let made: Value = serde_json::from_str(&command(&[
            "key", "create", "--name", "k", "--scope", "calls:read", "--json",
        ])).unwrap();
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        for (times, method, path) in [(7, "GET", "/v1/calls"), (3, "POST", "/v1/calls"), (2, "GET", "/v1/nothing")] {
            for _ in 0..times {
                server.client.with_key(key, method, path, None);
            }
        }
        let expected = in_every_window(figures(7, 2, 3));
        let manage = |path: &str| server.client.with_key(&token, "GET", path, None).ok();

        // What another process shows comes from the database, where a count is within a second.
        let line = || -> Value { serde_json::from_str(&command(&["key", "show", id, "--json"])).unwrap() };
        eventually("the command line sees every count", || line()["usage"] == expected);
        let document = manage(&format!("/v1/keys/{id}"));
        assert_eq!(document["usage"], expected);
        assert_eq!(document, line());
        let list: Value = serde_json::from_str(&command(&["key", "list", "--json"])).unwrap();
        assert_eq!(list["usage"], expected);
        assert_eq!(manage("/v1/keys")["data"][0], list);
        for field in ["last_used_at", "lifetime_total"] {
            assert_eq!((&document[field], &list[field]), (&line()[field], &line()[field]));
        }
        assert_eq!(document["lifetime_total"], 12);

        let mut breakdown = manage(&format!("/v1/keys/{id}/usage"));
        for window in ["24h", "7d", "30d"] {
            let figures = breakdown[window].as_object_mut().unwrap();
            let by_resource = figures.remove("by_resource").unwrap();
            assert_eq!(by_resource, json!({"calls": {"read": 7, "write": 3}, "other": {"read": 2, "write": 0}}));
            let series = figures.remove("series").unwrap();
            let points = series.as_array().unwrap().iter();
            assert_eq!(points.map(|point| point["total"].as_i64().unwrap()).sum::<i64>(), 12);
        }
        assert_eq!(breakdown, expected);

        // A request's own figures do not include itself, so each of these sees the one before.
        let limits = server.client.with_key(key, "GET", "/v1/admin/limits", None).ok();
        assert_eq!(limits["usage"], expected);
        let whoami = server.client.with_key(key, "GET", "/v1/whoami", None).ok();
        assert_eq!(whoami["usage"], in_every_window(figures(8, 2, 3)));
    }
}

on_both! {
    /// Two nodes whose clocks differ: what one has rolled up in its present is the other's future.
    fn a_node_whose_clock_is_behind_counts_what_a_node_ahead_has_written_once(backend) {
        let database = Arc::new(TestDatabase::new(backend));
        let behind = TestServer::on(database.clone(), Options::default());
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let ahead = TestServer::with_clock(database, Options::default(), clock);
        let key = ahead.key("calls:read");
        behind.pass(Duration::from_secs(55 * 60));
        ahead.pass(Duration::from_secs(60 * 60));
        ahead.call(&key, "GET", "/v1/ping", None).ok();
        ahead.pass(Duration::from_secs(5 * 60));
        ahead.bitting.flush_usage().unwrap();
        while ahead.bitting.roll_up().unwrap() {}
        for server in [&ahead, &behind] {
            assert_eq!(shown(server, &key), in_every_window(figures(1, 0, 0)));
        }
    }
}

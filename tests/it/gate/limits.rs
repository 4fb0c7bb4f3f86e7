//! Limits of a key: how fast and from where it may be used. How much is in `quotas`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use serde_json::{Value, json};

use crate::keys::transfer::import_all;
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Answer, Backend, TestDatabase, TestServer, binary, eventually, on_both};

/// The fast path, and one through the application.
pub(super) const PATHS: [&str; 2] = ["/v1/ping", "/v1/calls"];

pub(super) fn get(server: &TestServer, key: &MadeKey, path: &str) -> Answer {
    server.call(key, "GET", path, None)
}

/// What is told of the limits: the policy, and what is left.
pub(super) fn told(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

/// How many of so many requests are accepted, at once.
pub(super) fn accepted(server: &TestServer, key: &MadeKey, requests: usize) -> usize {
    (0..requests).filter(|n| get(server, key, PATHS[n % 2]).status == 200).count()
}

pub(super) fn patch(server: &TestServer, key: &MadeKey, change: Value) -> Answer {
    server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&change))
}

on_both! {
    fn a_burst_is_accepted_to_the_last_request_and_refilled_on_time(backend) {
        let server = TestServer::start(backend);
        for path in PATHS {
            let key = server.key_with("calls:read", json!({"rate_limit": "5/second"}));
            for left in (0..5).rev() {
                let answer = get(&server, &key, path);
                assert_eq!(answer.status, 200);
                assert_eq!(told(&answer), ("\"rate\";q=5;w=1", &*format!("\"rate\";r={left};t=1")));
            }
            for _ in 0..3 {
                let refused = get(&server, &key, path);
                refused.expect(429, "rate_limited");
                assert_eq!(refused.header("retry-after"), "1");
                assert_eq!(told(&refused), ("\"rate\";q=5;w=1", "\"rate\";r=0;t=1"));
            }
            server.pass(Duration::from_millis(199));
            get(&server, &key, path).expect(429, "rate_limited");
            server.pass(Duration::from_millis(1));
            assert_eq!(accepted(&server, &key, 3), 1);
            server.pass(Duration::from_secs(3600));
            assert_eq!(accepted(&server, &key, 9), 5, "it holds no more");
            let usage = server.usage(&key, "24h");
            assert_eq!((&usage["ok"], &usage["rate_limited"]), (&json!(11), &json!(10)));
        }
        let free = server.key("calls:read");
        assert_eq!(told(&get(&server, &free, "/v1/ping")), ("", ""));
    }
}

on_both! {
    fn what_is_refused_for_something_else_takes_nothing(backend) {
        let server = TestServer::start(backend);
        let limits = json!({"rate_limit": "3/hour", "quota": "3/month"});
        let key = server.key_with("calls:read", limits);
        let full = "\"rate\";r=3;t=0, \"quota\";r=3;t=820800";
        for (method, path, status) in [
            ("GET", "/v1/leads", 403),
            ("POST", "/v1/calls", 403),
            ("GET", "/v1/keys", 403),
            ("GET", "/v1/nothing", 404),
            ("DELETE", "/v1/ping", 405),
        ] {
            let answer = server.call(&key, method, path, None);
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(told(&answer), ("\"rate\";q=3;w=3600, \"quota\";q=3", full));
        }
        assert_eq!(server.call(&key, "OPTIONS", "/v1/calls", None).status, 204);
        let head = server.call(&key, "HEAD", "/v1/ping", None);
        assert_eq!(told(&head).1, "\"rate\";r=2;t=1200, \"quota\";r=2;t=820800");
        assert_eq!(accepted(&server, &key, 5), 2);
        server.call(&key, "HEAD", "/v1/calls", None).expect(429, "");
        server.revoke(&key);
        let revoked = get(&server, &key, "/v1/ping");
        revoked.expect(401, "key_revoked");
        assert_eq!(told(&revoked), ("", ""));
    }
}

#[test]
fn many_clients_at_once_never_get_more() {
    let server = TestServer::start(Backend::Sqlite);
    for limits in [json!({"rate_limit": "50/hour"}), json!({"quota": "50/day"})] {
        let key = server.key_with("calls:read", limits);
        let accepted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let client = crate::support::client::Client::new(&server.client.base);
                    for path in PATHS {
                        let answer = client.with_key(&key.secret, "GET", path, None);
                        let ok = usize::from(answer.status == 200);
                        accepted.fetch_add(ok, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(accepted.into_inner(), 50);
        server.bitting.share_limits().unwrap();
        get(&server, &key, "/v1/ping").expect(429, &get(&server, &key, "/v1/ping").code());
    }
}

on_both! {
    fn a_rate_limit_that_is_taken_off_and_set_again_locks_nobody_out(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"rate_limit": "3/hour", "quota": "1000/day"}));
        assert_eq!(accepted(&server, &key, 5), 3);
        assert_eq!(patch(&server, &key, json!({"rate_limit": null})).status, 200);
        assert_eq!(accepted(&server, &key, 2), 2);
        assert_eq!(patch(&server, &key, json!({"rate_limit": "100/minute"})).status, 200);
        // Also what is refused for another reason says what is left.
        let refused = get(&server, &key, "/v1/leads");
        assert!(refused.header("ratelimit").starts_with("\"rate\";r=97;"), "{refused:#?}");
        assert_eq!(accepted(&server, &key, 5), 5);
    }
}

/// Two servers on one database, which exchange what they have counted when they are told to.
fn two_servers(backend: Backend) -> (Arc<ManualClock>, [TestServer; 2]) {
    let database = Arc::new(TestDatabase::migrated(backend));
    let clock = Arc::new(ManualClock::at(start_of_time()));
    let options = || Options { usage_flush: Some("10s".into()), ..Options::default() };
    let start = || TestServer::with_clock(database.clone(), options(), clock.clone());
    let servers = [start(), start()];
    (clock, servers)
}

on_both! {
    fn a_rate_limit_is_for_all_servers_together(backend) {
        let (clock, servers) = two_servers(backend);
        let key = servers[0].key_with("calls:read", json!({"rate_limit": "100/hour"}));
        let exchange = || {
            servers.iter().for_each(TestServer::db_flush);
            servers.iter().for_each(|server| server.bitting.share_limits().unwrap());
        };
        servers[1].bitting.read_feed().unwrap();
        for server in &servers {
            assert_eq!(accepted(server, &key, 1), 1);
        }
        exchange();
        assert_eq!(accepted(&servers[0], &key, 60), 60);
        exchange();
        for server in &servers {
            let left = told(&get(server, &key, "/v1/calls")).1.to_owned();
            assert!(left.starts_with("\"rate\";r=3"), "about 38 are left: {left}");
        }
        exchange();
        let more: usize = servers.iter().map(|server| accepted(server, &key, 100)).sum();
        assert!((37..=2 * 37).contains(&more), "each accepts at most what it believes to be left: {more}");
        exchange();
        // What was too much is worked off, at 36 s a request, before anybody is accepted again.
        let wait = |requests: usize| {
            clock.pass(Duration::from_secs(36 * requests as u64));
            servers.iter().for_each(|server| server.bitting.read_feed().unwrap());
        };
        wait(more - 37);
        for server in &servers {
            get(server, &key, "/v1/ping").expect(429, "rate_limited");
        }
        wait(1);
        assert_eq!(accepted(&servers[0], &key, 3), 1);
    }
}

on_both! {
    fn what_others_use_after_a_quiet_while_is_taken_as_of_then(backend) {
        let (clock, servers) = two_servers(backend);
        let key = servers[0].key_with("calls:read", json!({"rate_limit": "60/minute"}));
        let exchange = || {
            servers.iter().for_each(|server| server.bitting.read_feed().unwrap());
            servers.iter().for_each(TestServer::db_flush);
            servers.iter().for_each(|server| server.bitting.share_limits().unwrap());
        };
        exchange();
        for server in &servers {
            assert_eq!(accepted(server, &key, 1), 1);
        }
        exchange();
        // One of them goes on alone.
        for _ in 0..10 {
            clock.pass(Duration::from_secs(6));
            exchange();
            assert_eq!(accepted(&servers[0], &key, 1), 1);
        }
        clock.pass(Duration::from_secs(6));
        exchange();
        assert_eq!(accepted(&servers[1], &key, 30), 30);
        exchange();
        let left = told(&get(&servers[0], &key, "/v1/ping")).1.to_owned();
        assert!(left.starts_with("\"rate\";r=29;"), "30 of 60 are left, but for this request: {left}");
    }
}

on_both! {
    fn a_change_holds_on_every_server_at_once(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"rate_limit": "2/hour"}));
        let other = TestServer::on(server.database.clone(), Options::default());
        assert_eq!((accepted(&server, &key, 4), accepted(&other, &key, 4)), (2, 2));
        let looser = json!({"rate_limit": {"requests": 4}, "allowed_networks": null});
        let shown = patch(&server, &key, looser).ok();
        assert_eq!(shown["rate_limit"], json!({"requests": 4, "per": "hour"}));
        assert_eq!(accepted(&server, &key, 4), 2);
        eventually("the other server knows", || accepted(&other, &key, 1) == 1);
        patch(&server, &key, json!({"allowed_networks": ["10.0.0.0/8"]})).ok();
        get(&server, &key, "/v1/ping").expect(403, "address_not_allowed");
        eventually("the other server knows", || get(&other, &key, "/v1/ping").status == 403);
        let free = json!({"rate_limit": null, "allowed_networks": null});
        assert_eq!(patch(&server, &key, free).ok()["rate_limit"], Value::Null);
        assert_eq!(accepted(&server, &key, 9), 9);

        let events = server.manage("GET", &format!("/v1/audit?key_id={}", key.id), None).ok();
        let changed = events["data"].as_array().unwrap().iter();
        let changed = changed.filter(|event| event["action"] == "key.updated");
        let after: Vec<Value> = changed.map(|event| event["detail"]["after"].clone()).collect();
        assert_eq!(after.len(), 3, "an event each");
        assert_eq!(after[1]["allowed_networks"], json!(["10.0.0.0/8"]));
        patch(&server, &key, json!({"name": "same"})).ok();
        patch(&server, &key, json!({"rate_limit": "0/hour"})).expect(422, "validation_failed");
        patch(&server, &key, json!({"quota": {"requests": 5}})).expect(422, "validation_failed");
    }
}

on_both! {
    fn a_key_is_used_from_its_networks_alone(backend) {
        let options = Options { trusted_proxies: Some("127.0.0.1".into()), ..Options::default() };
        let server = TestServer::on(Arc::new(TestDatabase::migrated(backend)), options);
        let networks = json!(["203.0.113.0/24", "2001:db8::/32"]);
        let key = server.key_with("calls:read", json!({"allowed_networks": networks, "quota": "9/day"}));
        let bearer = format!("Bearer {}", key.secret);
        let from = |path: &str, address: &str| {
            let headers = [("authorization", &*bearer), ("x-forwarded-for", address)];
            server.client.send("GET", path, &headers, None)
        };
        for path in PATHS {
            for (address, inside) in [
                ("203.0.113.9", true),
                ("::ffff:203.0.113.9", true),
                ("[2001:db8::7]:443", true),
                ("203.0.114.9", false),
                ("2001:db9::7", false),
                ("203.0.113.9, 198.51.100.1", false),
                ("unknown", false),
            ] {
                let answer = from(path, address);
                let expected = if inside { (200, "") } else { (403, "address_not_allowed") };
                answer.expect(expected.0, expected.1);
            }
        }
        from("/v1/leads", "198.51.100.1").expect(403, "address_not_allowed");
        from("/v1/leads", "203.0.113.1").expect(403, "insufficient_scope");
        from("/v1/nothing", "198.51.100.1").expect(403, "address_not_allowed");
        let usage = server.usage(&key, "24h");
        assert_eq!((&usage["ok"], &usage["forbidden"]), (&json!(6), &json!(11)));
        assert!(told(&from("/v1/ping", "203.0.113.1")).1.starts_with("\"quota\";r=2"));
    }
}

#[test]
fn a_stranger_does_not_choose_the_address() {
    let server = TestServer::start(Backend::Sqlite);
    for (network, status) in [("203.0.113.0/24", 403), ("127.0.0.1", 200)] {
        let key = server.key_with("calls:read", json!({"allowed_networks": network}));
        let bearer = format!("Bearer {}", key.secret);
        for header in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")] {
            for path in PATHS {
                let headers = [("authorization", &*bearer), header];
                assert_eq!(server.client.send("GET", path, &headers, None).status, status);
            }
        }
    }
}

on_both! {
    fn a_key_tells_its_limits_and_what_is_left(backend) {
        let server = TestServer::start(backend);
        let limits = json!({
            "rate_limit": {"requests": 600, "per": "minute"},
            "quota": {"requests": 50_000, "per": "day"},
            "allowed_networks": ["127.0.0.0/8"],
        });
        let key = server.key_with("calls:read", limits.clone());
        let shown = |value: &Value| {
            for (field, limit) in limits.as_object().unwrap() {
                assert_eq!(&value[field], limit, "{value}");
            }
        };
        shown(&get(&server, &key, "/v1/whoami").ok());
        shown(&server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok());
        shown(&server.manage("GET", "/v1/keys", None).ok()["data"][0]);
        let left = get(&server, &key, "/v1/admin/limits").ok()["limits"].clone();
        assert_eq!(left["requests_per_minute"], 600);
        assert_eq!(left["rate_limit"], json!({"requests": 600, "per": "minute", "remaining": 598, "reset": 1}));
        assert_eq!(left["quota"], json!({"requests": 50_000, "per": "day", "remaining": 49_998, "reset": 43_200}));
        assert_eq!(left["allowed_networks"], json!(["127.0.0.0/8"]));
        let free = server.key("calls:read");
        let left = get(&server, &free, "/v1/admin/limits").ok()["limits"].clone();
        assert_eq!(left["rate_limit"], Value::Null);
        assert_eq!(left["requests_per_minute"], Value::Null);
    }
}

on_both! {
    fn limits_move_with_a_key_to_another_database(backend) {
        let server = TestServer::start(backend);
        let limits = json!({"rate_limit": "2/hour", "quota": "9/month", "allowed_networks": "127.0.0.0/8 ::1"});
        let key = server.key_with("calls:read", limits);
        for format in ["csv", "jsonl"] {
            let (folder, url) = (server.database.folder(), &server.database.url);
            let export = ["key", "export", "--with-digests", "--status", "active", "--format", format];
            let exported = binary::run_ok(&folder, &[&export[..], &["--database-url", url]].concat());
            let moved = TestServer::start(backend);
            let file = moved.database.folder().join(format!("keys.{format}"));
            std::fs::write(&file, exported).unwrap();
            let import = ["key", "import", file.to_str().unwrap(), "--database-url", &moved.database.url];
            binary::run_ok(&moved.database.folder(), &import);
            moved.bitting.read_feed().unwrap();
            let shown = get(&moved, &key, "/v1/whoami").ok();
            assert_eq!(shown["allowed_networks"], json!(["127.0.0.0/8", "::1/128"]));
            assert_eq!(shown["quota"], json!({"requests": 9, "per": "month"}));
            assert_eq!(accepted(&moved, &key, 3), 1);
        }
        // Lines of earlier exports say nothing of limits.
        let moved = TestServer::start(backend);
        import_all(&moved.database, &[crate::keys::transfer::line("old")]);
        moved.bitting.read_feed().unwrap();
        let old = MadeKey { id: String::new(), secret: "old".to_owned() };
        assert_eq!(get(&moved, &old, "/v1/whoami").ok()["quota"], Value::Null);
    }
}

on_both! {
    fn what_a_proxy_asks_takes_one_and_tells_what_is_left(backend) {
        let server = TestServer::start(backend);
        let key = server.key_with("calls:read", json!({"rate_limit": "2/hour"}));
        let bearer = format!("Bearer {}", key.secret);
        let ask = |path: &str, method: &str, uri: &str| {
            let headers = [("authorization", &*bearer), (method, "GET"), (uri, "/v1/calls")];
            server.client.send("GET", path, &headers, None)
        };
        // The first is answered by the application, the second by the fast path.
        for left in ["\"rate\";r=1;t=1800", "\"rate\";r=0;t=3600"] {
            let allowed = ask("/authz/forwarded", "x-forwarded-method", "x-forwarded-uri");
            assert_eq!((allowed.status, told(&allowed).1), (200, left));
        }
        let refused = ask("/authz/forwarded", "x-forwarded-method", "x-forwarded-uri");
        refused.expect(429, "rate_limited");
        assert_eq!(refused.header("retry-after"), "1800");
        let refused = ask("/authz/nginx", "x-original-method", "x-original-uri");
        assert_eq!((refused.status, refused.header("x-bitting-code")), (403, "rate_limited"));
        assert_eq!((refused.header("retry-after"), told(&refused).1), ("1800", "\"rate\";r=0;t=3600"));
        let usage = server.usage(&key, "24h");
        assert_eq!((&usage["ok"], &usage["rate_limited"]), (&json!(2), &json!(2)));
    }
}

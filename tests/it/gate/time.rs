//! Time: the moment a key expires, time zones, and clocks that jump.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::domain::principal::Principal;
use bitting::gate::timekeeper::Timekeeper;
use bitting::model::time::{Moment, format, parse_rfc3339};
use bitting::store::{Target, clock_reset};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::binary::command;
use crate::support::browser::PASSWORD;
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Backend, Binary, Browser, TestDatabase, TestServer, eventually, on_both};

/// A key that expires one hour after the beginning.
fn key_for_an_hour(server: &TestServer) -> (MadeKey, Moment) {
    let end = start_of_time() + TimeDelta::hours(1);
    (server.key_with("calls:read", json!({"expires_at": format(end)})), end)
}

on_both! {
    fn a_key_or_token_is_good_until_the_millisecond_before_its_expiry(backend) {
        let server = TestServer::start(backend);
        let (key, end) = key_for_an_hour(&server);
        let token = json!({"name": "t", "access": "read", "expires_at": format(end)});
        let token = server.db_token(&token);
        let with_token = || server.client.with_key(&token, "GET", "/v1/keys", None);
        let status = || server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok()["status"].clone();

        server.set_time(end - TimeDelta::milliseconds(1));
        server.call(&key, "GET", "/v1/calls", None).expect(200, "");
        with_token().expect(200, "");
        assert_eq!(status(), "active");
        server.set_time(end);
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_expired");
        with_token().expect(401, "key_expired");
        assert_eq!(status(), "expired");
    }
}

on_both! {
    fn a_clock_set_back_two_days_revives_nothing_and_spoils_no_count(backend) {
        let server = TestServer::start(backend);
        let (expired, end) = key_for_an_hour(&server);
        let (revoked, live) = (server.key("calls:read"), server.key("calls:read"));
        server.revoke(&revoked);
        server.pass(Duration::from_secs(3600));
        let use_all = |server: &TestServer| {
            server.call(&expired, "GET", "/v1/calls", None).expect(401, "key_expired");
            server.call(&revoked, "GET", "/v1/calls", None).expect(401, "key_revoked");
            server.call(&live, "GET", "/v1/calls", None).expect(200, "");
        };
        use_all(&server);
        server.set_time(end - TimeDelta::days(2));
        use_all(&server);
        assert_eq!([&expired, &revoked, &live].map(|key| server.total(key)), [2, 2, 2]);

        // Nor does a restart with the clock still behind.
        let database = server.stop();
        let clock = Arc::new(ManualClock::at(end - TimeDelta::days(2)));
        let server = TestServer::with_clock(database, Options::default(), clock);
        use_all(&server);
        server.db_flush();
        server.bitting.fold_journal().unwrap();
        while server.bitting.roll_up().unwrap() {}
        assert_eq!([&expired, &revoked, &live].map(|key| server.total(key)), [3, 3, 3]);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM usage_minutes WHERE n < 1"), 0);
    }
}

on_both! {
    /// What is gone by later is written down as of the time before the jump.
    fn a_clock_that_is_far_ahead_for_a_moment_leaves_nothing_behind(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let key = server.key_with("calls:read", json!({"quota": "3/day"}));
        let ping = || server.call(&key, "GET", "/v1/ping", None);
        let guesser = Browser::new(&server.client.base);
        let session = server.db_browser("ada@example.com");
        let set = |at: Moment| {
            server.clock.set_wall(at);
            server.bitting.time.tick();
        };
        let before = server.bitting.time.now();
        set(before + TimeDelta::days(200));
        for _ in 0..3 {
            ping().ok();
        }
        assert_eq!(guesser.log_in("bo@example.com", "guess").status, 401);
        server.bitting.sweep_accounts().unwrap();
        server.db_flush();
        set(before);
        assert_eq!(guesser.log_in("ada@example.com", PASSWORD).status, 303);
        assert_eq!(session.get("/keys").status, 200);
        ping().expect(429, "quota_exceeded");
        server.pass(Duration::from_secs(25 * 3600));
        ping().ok();
        assert_eq!(server.usage(&key, "24h")["total"], 1);
    }
}

on_both! {
    fn what_begins_while_the_clock_is_far_ahead_ends_no_later_for_that(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({"role": "admin"}));
        let make = || {
            let headers = [("authorization", format!("Bearer {}", server.admin)), ("idempotency-key", "once".to_owned()), ("content-type", "application/json".to_owned())];
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let made = server.client.send("POST", "/v1/keys", &headers, Some(r#"{"name": "k", "scopes": ["calls:read"]}"#));
            made.ok()["id"].clone()
        };
        server.clock.set_wall(start_of_time() + TimeDelta::days(20));
        server.bitting.time.tick();
        let session = server.db_browser("ada@example.com");
        assert_eq!(session.get("/keys").status, 200);
        let link = server.bitting.make_password_link(&Principal::command_line("test"), ada.id).unwrap();
        server.bitting.user_of_password_link(&link).unwrap();
        let made = make();
        assert_eq!(make(), made);
        server.clock.set_wall(start_of_time());
        server.bitting.time.tick();
        assert_eq!((session.get("/keys").status, make()), (200, made.clone()));
        server.pass(Duration::from_secs(8 * 86_400));
        assert_eq!(session.get("/keys").status, 303);
        assert!(server.bitting.user_of_password_link(&link).is_err());
        assert_ne!(make(), made);
    }
}

on_both! {
    /// What a server wrote down under a clock that was far ahead does not decide once it is mended.
    fn a_time_that_is_set_back_leaves_nothing_that_waits_for_it(backend) {
        let mended = start_of_time();
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        server.db_user("ada@example.com", json!({}));
        server.call(&key, "GET", "/v1/ping", None).ok();
        let database = server.stop();

        let ahead = Arc::new(ManualClock::at(mended + TimeDelta::days(400)));
        let server = TestServer::with_clock(database, Options::default(), ahead);
        let meanwhile = server.key("calls:read");
        let session = server.db_browser("ada@example.com");
        let guesser = Browser::new(&server.client.base);
        for _ in 0..12 {
            guesser.log_in("ada@example.com", "guess");
        }
        // Enough hours for some to be rolled up, and for minutes to be dropped.
        for _ in 0..30 {
            server.call(&key, "GET", "/v1/ping", None).ok();
            server.db_flush();
            server.bitting.fold_journal().unwrap();
            while server.bitting.roll_up().unwrap() {}
            server.pass(Duration::from_secs(3600));
        }
        server.call(&key, "GET", "/v1/ping", None).ok();
        let database = server.stop();

        let target: Target = database.url.parse().unwrap();
        let mut reset = None;
        // PostgreSQL may take a moment to notice that the server's connections are gone.
        eventually("the server is gone", || {
            reset = clock_reset::reset(&target, mended).ok();
            reset.is_some()
        });
        let reset = reset.unwrap();
        assert!(reset.before > mended + TimeDelta::days(401));
        assert_eq!((reset.keys, reset.tokens), (1, 1));
        let clock = Arc::new(ManualClock::at(mended));
        let server = TestServer::with_clock(database, Options::default(), clock);
        assert_eq!(server.bitting.time.now(), mended);
        let figures = || {
            let record = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
            let windows = ["24h", "30d"].map(|window| record["usage"][window]["total"].clone());
            (windows, record["lifetime_total"].clone())
        };
        assert_eq!(figures(), ([json!(0), json!(0)], json!(32)));
        server.call(&key, "GET", "/v1/ping", None).ok();
        server.db_flush();
        server.bitting.fold_journal().unwrap();
        assert_eq!(figures(), ([json!(1), json!(1)], json!(33)));
        let record = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(record["last_used_at"], format(mended));
        server.call(&meanwhile, "GET", "/v1/ping", None).ok();
        // The account is not locked for a year, and a session does not outlive its days.
        let later = Browser::new(&server.client.base);
        later.plant_session(&session.session());
        assert_eq!(later.get("/keys").status, 200);
        server.pass(Duration::from_secs(2 * 3600));
        let guesser = Browser::new(&server.client.base);
        assert_eq!(guesser.log_in("ada@example.com", PASSWORD).status, 303);
        server.pass(Duration::from_secs(13 * 3600));
        assert_eq!(later.get("/keys").status, 303);
        // And a day later all is in its place, by the minute and by the hour.
        for _ in 0..30 {
            server.pass(Duration::from_secs(3600));
            server.call(&key, "GET", "/v1/ping", None).ok();
            server.db_flush();
            server.bitting.fold_journal().unwrap();
            while server.bitting.roll_up().unwrap() {}
        }
        // The window has both of its ends.
        assert_eq!(figures(), ([json!(25), json!(31)], json!(63)));
        let database = server.stop();
        let check = ["check", "--database-url", &database.url];
        let check = command(&database.folder(), &check).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    }
}

/// Keeps log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_clock_set_back_is_warned_of_once_until_it_has_caught_up() {
    let clock = Arc::new(ManualClock::at(start_of_time()));
    let time = Timekeeper::new(clock.clone(), start_of_time());
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let warnings = || {
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains("WARN") && line.contains("behind")).count()
    };
    tracing::subscriber::with_default(lines, || {
        for jumps in 1..=2 {
            clock.set_wall(time.now() - TimeDelta::days(2));
            for _ in 0..5 {
                time.tick();
                clock.pass(Duration::from_millis(200));
            }
            assert_eq!(warnings(), jumps);
            clock.set_wall(time.now());
            time.tick();
        }
    });
}

on_both! {
    /// Expiries are meant in UTC wherever the program runs, also in the night in which clocks are
    /// put forward in Berlin and the one in which they are put back in New York.
    fn the_time_zone_changes_nothing(backend) {
        let expiries = [
            ("2027-03-28", "2027-03-29T00:00:00.000Z"),
            ("2027-11-07", "2027-11-08T00:00:00.000Z"),
            ("2027-03-28T02:30:00+01:00", "2027-03-28T01:30:00.000Z"),
            ("2027-11-07T01:30:00-04:00", "2027-11-07T05:30:00.000Z"),
        ];
        for zone in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"] {
            let database = TestDatabase::new(backend);
            if backend == Backend::Postgres {
                let name = database.url.rsplit_once('/').unwrap().1;
                database.db_execute(&format!("ALTER DATABASE {name} SET timezone = '{zone}'"));
            }
            let folder = database.folder();
            let in_zone = |arguments: &[&str]| {
                let arguments = [arguments, &["--database-url", database.url.as_str()]].concat();
                let mut command = command(&folder, &arguments);
                command.env("TZ", zone).env("PGTZ", zone);
                command
            };
            let run = |arguments: &[&str]| {
                let output = in_zone(arguments).output().unwrap();
                assert!(output.status.success(), "{zone}: {output:?}");
                String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
            };
            let token = run(&["token", "create", "--name", "t", "--access", "read", "--expires", "1d"]);
            let server = Binary::start(in_zone(&["serve", "--listen", "127.0.0.1:0"]));
            for (expires, expected) in expiries {
                let before = chrono::Utc::now() - TimeDelta::seconds(1);
                let made = run(&[
                    "key", "create", "--name", "k", "--scope", "calls:read", "--expires", expires,
                    "--json",
                ]);
                let made: Value = serde_json::from_str(&made).unwrap();
                server.client.with_key(made["key"].as_str().unwrap(), "GET", "/v1/calls", None).ok();
                let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
                let shown = server.client.with_key(&token, "GET", &path, None).ok();
                assert_eq!(shown["expires_at"], expected, "{zone}");
                for field in ["created_at", "last_used_at"] {
                    let at = parse_rfc3339(shown[field].as_str().unwrap()).unwrap();
                    assert!((before..=chrono::Utc::now()).contains(&at), "{zone}: {field} {at}");
                }
            }
        }
    }
}

//! Guessing passwords is slowed down by account and address and by address, and closes nothing to
//! anybody else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitting::config::Options;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;

use crate::support::browser::PASSWORD;
use crate::support::{Answer, Backend, Browser, TestDatabase, TestServer, eventually, on_both};

const EMAIL: &str = "ada@example.com";

/// A server behind a proxy on this machine, which says where a client is.
fn behind_a_proxy(backend: Backend) -> TestServer {
    let options = Options { trusted_proxies: Some("127.0.0.1".to_owned()), ..Options::default() };
    let server = TestServer::on(TestDatabase::migrated(backend).into(), options);
    server.db_user(EMAIL, json!({}));
    server
}

fn browser_at(server: &TestServer, address: &str) -> Browser {
    let mut browser = Browser::new(&server.client.base);
    browser.headers.push(("x-forwarded-for".to_owned(), address.to_owned()));
    browser
}

/// How long one has to wait, in seconds.
#[track_caller]
fn wait_of(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{answer:#?}");
    assert!(answer.body.contains("Too many attempts"), "{answer:#?}");
    answer.header("retry-after").parse().unwrap()
}

on_both! {
    fn an_account_is_closed_to_the_address_that_guesses_and_open_to_others(backend) {
        let server = behind_a_proxy(backend);
        let guesser = browser_at(&server, "203.0.113.7");
        for n in 0..5 {
            assert_eq!(guesser.log_in(EMAIL, &format!("guess {n}")).status, 401);
        }
        let before = server.bitting.hasher.hashes();
        assert_eq!(wait_of(&guesser.log_in(EMAIL, "guess")), 30);
        assert_eq!(wait_of(&guesser.log_in("ADA@example.com", PASSWORD)), 30, "the right one too");
        assert_eq!(server.bitting.hasher.hashes(), before, "nothing is hashed while one waits");
        assert_eq!(guesser.log_in("bo@example.com", "guess").status, 401, "another account");
        assert_eq!(browser_at(&server, "203.0.113.8").log_in(EMAIL, PASSWORD).status, 303);

        // Still waiting: what others do changes nothing. Each failure more doubles the wait.
        server.pass(Duration::from_millis(29_500));
        assert_eq!(wait_of(&guesser.log_in(EMAIL, PASSWORD)), 1);
        server.pass(Duration::from_millis(500));
        assert_eq!(guesser.log_in(EMAIL, "guess").status, 401);
        assert_eq!(wait_of(&guesser.log_in(EMAIL, "guess")), 60);
        server.pass(Duration::from_secs(60));
        assert_eq!(guesser.log_in(EMAIL, PASSWORD).status, 303);

        // Forgiven: five more are free.
        for n in 0..5 {
            assert_eq!(guesser.log_in(EMAIL, &format!("guess {n}")).status, 401);
        }
        assert_eq!(wait_of(&guesser.log_in(EMAIL, "guess")), 30);
        let failed = server.manage("GET", "/v1/audit?action=login.failed&limit=100", None).ok();
        assert_eq!(failed["data"].as_array().unwrap().len(), 5 + 1 + 1 + 5);
    }
}

on_both! {
    fn an_address_that_tries_many_accounts_waits_with_all_of_them(backend) {
        let server = behind_a_proxy(backend);
        let guesser = browser_at(&server, "2001:db8::1");
        for n in 0..20 {
            if n == 10 {
                // One good account does not open the others.
                assert_eq!(guesser.log_in(EMAIL, PASSWORD).status, 303);
            }
            assert_eq!(guesser.log_in(&format!("user{n}@example.com"), "guess").status, 401);
        }
        assert_eq!(wait_of(&guesser.log_in("user99@example.com", "guess")), 30);
        assert_eq!(wait_of(&guesser.log_in(EMAIL, PASSWORD)), 30);
        let neighbour = browser_at(&server, "2001:db8::ffff:1");
        assert_eq!(wait_of(&neighbour.log_in(EMAIL, PASSWORD)), 30, "the same /64");
        assert_eq!(browser_at(&server, "2001:db8:0:1::1").log_in(EMAIL, PASSWORD).status, 303);

        // On another server of the same database too.
        let other = TestServer::with_clock(
            server.database.clone(),
            Options { trusted_proxies: Some("127.0.0.1".to_owned()), ..Options::default() },
            server.clock.clone(),
        );
        assert_eq!(wait_of(&browser_at(&other, "2001:db8::1").log_in(EMAIL, PASSWORD)), 30);
    }
}

on_both! {
    fn a_forwarded_address_of_a_stranger_is_not_believed(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let statuses: Vec<u16> = (0..30)
            .map(|n| browser_at(&server, &format!("198.51.100.{n}")).log_in(EMAIL, "guess").status)
            .collect();
        assert_eq!(statuses[..5], [401; 5]);
        assert_eq!(statuses[5..], [429; 25]);
    }
}

on_both! {
    fn many_guesses_at_once_are_no_more_than_one_after_the_other(backend) {
        let server = behind_a_proxy(backend);
        let before = server.bitting.hasher.hashes();
        let (tried, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let guesser = browser_at(&server, "203.0.113.7");
                    match guesser.log_in(EMAIL, "guess").status {
                        401 => tried.fetch_add(1, Ordering::Relaxed),
                        429 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}"),
                    };
                });
            }
        });
        assert_eq!((tried.into_inner(), refused.into_inner()), (5, 11));
        assert_eq!(server.bitting.hasher.hashes() - before, 5);
    }
}

on_both! {
    fn failures_are_forgotten_after_a_day(backend) {
        let server = behind_a_proxy(backend);
        let guesser = browser_at(&server, "203.0.113.7");
        for _ in 0..4 {
            guesser.log_in(EMAIL, "guess");
        }
        server.pass(Duration::from_secs(24 * 3600));
        assert!(!server.bitting.sweep_accounts().unwrap());
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM login_failures"), 0);
        for _ in 0..5 {
            assert_eq!(guesser.log_in(EMAIL, "guess").status, 401);
        }
        assert_eq!(wait_of(&guesser.log_in(EMAIL, PASSWORD)), 30);
    }
}

/// Twenty failures from an address, and the wait after them.
fn fail_and_wait(server: &TestServer, guesser: &Browser) {
    for n in 0..20 {
        let answer = guesser.log_in(&format!("user{n}@example.com"), "guess");
        assert_eq!(answer.status, 401);
    }
    assert_eq!(wait_of(&guesser.log_in(EMAIL, PASSWORD)), 30);
    server.pass(Duration::from_secs(30));
}

on_both! {
    fn a_right_password_lets_nobody_at_its_address_wait_again(backend) {
        let server = behind_a_proxy(backend);
        server.db_user("bo@example.com", json!({}));
        let office = browser_at(&server, "203.0.113.7");
        fail_and_wait(&server, &office);
        for email in [EMAIL, "bo@example.com", EMAIL] {
            assert_eq!(office.log_in(email, PASSWORD).status, 303, "{email}");
        }
        // Nor does it keep the failures from being forgotten.
        server.pass(Duration::from_secs(24 * 3600 - 60));
        assert_eq!(office.log_in(EMAIL, PASSWORD).status, 303);
        server.pass(Duration::from_secs(30));
        fail_and_wait(&server, &office);
    }
}

on_both! {
    fn an_attempt_that_was_never_decided_lets_nobody_wait(backend) {
        let server = behind_a_proxy(backend);
        let bo = server.db_user("bo@example.com", json!({}));
        let spoil = format!("UPDATE users SET password = 'no hash' WHERE id = '{}'", bo.id);
        server.database.db_execute(&spoil);
        let office = browser_at(&server, "203.0.113.7");
        fail_and_wait(&server, &office);
        for _ in 0..10 {
            assert_eq!(office.log_in("bo@example.com", PASSWORD).status, 503);
        }
        assert_eq!(office.log_in(EMAIL, PASSWORD).status, 303);
    }
}

/// The right one waits for its turn among changes of users, and the other one fails meanwhile.
#[test]
fn a_failure_beside_a_right_password_counts_from_its_own_time() {
    let server = behind_a_proxy(Backend::Postgres);
    let office = browser_at(&server, "203.0.113.7");
    let first = server.bitting.time.now();
    assert_eq!(office.log_in("user1@example.com", "guess").status, 401);
    let mut busy = PgConnection::establish(&server.database.url).unwrap();
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    busy.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(x'62697474'::int, 5)").unwrap();
    std::thread::scope(|scope| {
        let right = scope.spawn(|| browser_at(&server, "203.0.113.7").log_in(EMAIL, PASSWORD));
        eventually("it waits", || server.database.db_number(waiting) == 1);
        server.pass(Duration::from_secs(60));
        assert_eq!(office.log_in("user2@example.com", "guess").status, 401);
        busy.batch_execute("COMMIT").unwrap();
        assert_eq!(right.join().unwrap().status, 303);
    });
    let noted = server.database.db_texts(
        "SELECT failures || ' ' || to_char(last_at, 'HH24:MI:SS') FROM login_failures ORDER BY 1",
    );
    let at = |after: i64| (first + chrono::Duration::seconds(after)).format("%H:%M:%S").to_string();
    // The address, and the account of each.
    assert_eq!(noted, [format!("1 {}", at(0)), format!("1 {}", at(60)), format!("2 {}", at(60))]);
}

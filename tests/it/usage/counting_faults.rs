//! Counting when something goes wrong: a flush that fails or whose end is unknown, a client that
//! goes away, a database out of reach.

use std::io::Write;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::model::key::KeyNumber;
use bitting::model::scope::Access;
use bitting::model::usage::{Cell, Outcome};
use bitting::server;
use bitting::store::database::migrate::Missing;
use bitting::store::usage;
use diesel::Connection;
use diesel::connection::SimpleConnection;
use serde_json::Value;

use crate::support::binary::run_ok;
use crate::support::server::start_of_time;
use crate::support::{Backend, Binary, TestDatabase, TestServer, eventually, on_both};

#[test]
fn counts_that_could_not_be_written_are_written_once_later_after_one_warning() {
    let database = TestDatabase::new(Backend::Sqlite);
    let folder = database.folder();
    let place = ["--database-url", database.url.as_str()];
    let server = Binary::serve(&folder, &place);
    let run = |arguments: &[&str]| run_ok(&folder, &[arguments, &place].concat());
    let token = run(&["token", "create", "--name", "t", "--access", "write", "--expires", "1d"]);
    let made = run(&["key", "create", "--name", "k", "--scope", "calls:read", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let mut used = 0;
    let mut use_key = || {
        for _ in 0..10 {
            server.client.with_key(key, "GET", "/v1/calls", None).expect(200, "");
        }
        used += 10;
    };
    let shown = || {
        let path = format!("/v1/keys/{id}");
        server.client.with_key(&token, "GET", &path, None).ok()["lifetime_total"].clone()
    };
    let warnings = || server.log().matches("writing counts failed").count();

    use_key();
    eventually("the first counts are written", || database.db_counted() == 10);
    let mut lock = database.db_sqlite();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();
    use_key();
    eventually("a flush fails", || warnings() == 1);
    use_key();
    assert_eq!(shown(), 30);
    // Another writer that waits its whole patience: by its end the next flush has failed too.
    let path = format!("/v1/keys/{id}/revoke");
    server.client.with_key(&token, "POST", &path, None).expect(503, "unavailable");
    assert_eq!(database.db_counted(), 10);
    lock.batch_execute("ROLLBACK").unwrap();
    eventually("both batches are written", || database.db_counted() == 30);
    assert_eq!(shown(), 30);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("writing counts failed").count(), 1, "{log}");
    assert_eq!((database.db_counted(), used), (30, 30));
}

on_both! {
    /// The same batch comes twice when nobody knows whether its first commit went through.
    fn a_batch_is_taken_once_however_often_it_comes(backend) {
        let database = TestDatabase::new(backend);
        let settings = Options { database_url: Some(database.url.clone()), ..Options::default() };
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let bitting = server::open(&server::settings(settings).unwrap(), clock, Missing::Create).unwrap();
        eventually("there is a connection", || bitting.has_users().is_ok());
        let taken = |process: &str, sequence| {
            let now = bitting.time.now();
            let write = |connection: &mut _| usage::raise_mark(connection, process, sequence, now);
            bitting.database.write(write).unwrap()
        };
        assert_eq!([taken("a", 1), taken("a", 1), taken("b", 1)], [true, false, true]);
        assert_eq!([taken("a", 2), taken("a", 1), taken("a", 2)], [true, false, false]);
    }
}

on_both! {
    fn many_flushes_at_once_write_each_count_once(backend) {
        let server = TestServer::start(backend);
        let (worker, cell) = (server.bitting.meter.worker(), Cell::new(None, Access::Read, Outcome::Ok));
        for round in 1..=50 {
            worker.count(KeyNumber(1), cell, server.bitting.time.now(), None, || None);
            std::thread::scope(|scope| for _ in 0..4 {
                scope.spawn(|| server.bitting.flush_usage().unwrap());
            });
            server.db_flush();
            assert_eq!(server.database.db_counted(), round);
        }
    }
}

#[test]
fn a_batch_whose_first_try_is_still_under_way_is_not_written_again() {
    // The server's own flush must not come in between.
    let options = Options { usage_flush: Some("10s".to_owned()), ..Options::default() };
    let server = TestServer::on(TestDatabase::migrated(Backend::Postgres).into(), options);
    let (worker, cell) =
        (server.bitting.meter.worker(), Cell::new(None, Access::Read, Outcome::Ok));
    for round in 1..=2 {
        // The connection was lost, and its transaction commits while the batch is tried again.
        worker.count(KeyNumber(1), cell, server.bitting.time.now(), None, || None);
        server.db_flush();
        worker.count(KeyNumber(1), cell, server.bitting.time.now(), None, || None);
        let mut lost = diesel::PgConnection::establish(&server.database.url).unwrap();
        let process = server.bitting.meter.process();
        lost.batch_execute(&format!(
            "BEGIN; UPDATE usage_marks SET sequence = sequence + 1 WHERE process = '{process}'; \
             INSERT INTO usage_journal SELECT part, process, sequence + 1, n, counts FROM usage_journal \
             WHERE process = '{process}' ORDER BY sequence DESC LIMIT 1;"
        ))
        .unwrap();
        std::thread::scope(|scope| {
            let again = scope.spawn(|| server.bitting.flush_usage().unwrap());
            let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                           AND datname = current_database()";
            eventually("the second try waits", || server.database.db_number(waiting) > 0);
            lost.batch_execute("COMMIT").unwrap();
            again.join().unwrap();
        });
        server.db_flush();
        let written = server.database.db_counted();
        assert_eq!(written, 2 * round);
        assert_eq!(server.bitting.usage_of_key(KeyNumber(1)).unwrap().lifetime.total(), written);
    }
}

#[test]
fn two_servers_that_note_the_same_addresses_at_once_do_not_hinder_each_other() {
    let database = Arc::new(TestDatabase::new(Backend::Postgres));
    let servers = [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
    for round in 0..20u8 {
        std::thread::scope(|scope| {
            for (server, access) in servers.iter().zip(Access::ALL) {
                // Different counters, which do not already make one wait for the other.
                let cell = Cell::new(None, access, Outcome::Ok);
                let worker = server.bitting.meter.worker();
                for key in 1..=50 {
                    let address = IpAddr::from([192, 0, 2, round]);
                    let now = server.bitting.time.now();
                    worker.count(KeyNumber(key), cell, now, Some(address), || Some("agent"));
                }
                scope.spawn(|| server.bitting.flush_usage().unwrap());
            }
        });
    }
    for server in &servers {
        server.db_flush();
        assert_eq!(server.bitting.addresses_of_key(KeyNumber(50)).unwrap().len(), 5);
    }
    assert_eq!(database.db_counted(), 2 * 20 * 50);
}

#[test]
fn a_client_that_goes_away_before_its_answer_is_counted_as_client_error() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:write");
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"direction\"",
        key.secret
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    eventually("the request is counted", || server.total(&key) == 1);
    assert_eq!(server.usage(&key, "24h")["client_error"], 1);
}

on_both! {
    fn a_key_is_found_in_a_large_batch_before_it_is_folded_and_after(backend) {
        // The server's own flushes and folds must not come in between.
        let options = Options { usage_flush: Some("10s".to_owned()), ..Options::default() };
        let server = TestServer::on(TestDatabase::migrated(backend).into(), options);
        let bitting = &server.bitting;
        let (worker, cell) = (bitting.meter.worker(), Cell::new(None, Access::Read, Outcome::Ok));
        for number in 1..=2_000 {
            for _ in 0..number % 7 {
                worker.count(KeyNumber(number), cell, bitting.time.now(), None, || None);
            }
        }
        let check = || {
            let total = |number| bitting.usage_of_key(KeyNumber(number)).unwrap().lifetime.total();
            for number in [1, 2, 7, 16, 17, 1_000, 1_999, 2_000, 2_001] {
                let expected = if number > 2_000 { 0 } else { i64::from(number % 7) };
                assert_eq!(total(number), expected, "{number}");
            }
            let all: i64 = (1..=2_000).map(|number| i64::from(number % 7)).sum();
            assert_eq!(server.database.db_counted(), all);
        };
        server.db_flush();
        let rows = |table: &str| server.database.db_number(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!((rows("usage_journal"), rows("usage_minutes")), (64, 0));
        check();
        // As an earlier program has left it.
        let former = "UPDATE usage_journal SET process = process || part, part = (part - 17) % 16";
        server.database.db_execute(former);
        server.database.db_execute(include_str!(
            "../../../migrations/sqlite/2026-11-30-000030_journal_parts/up.sql"
        ));
        check();
        bitting.fold_journal().unwrap();
        assert_eq!(rows("usage_journal"), 0);
        check();
    }
}

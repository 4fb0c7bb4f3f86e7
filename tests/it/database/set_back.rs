//! A database that is set back under running servers: restored, or failed over to a standby that
//! lacked the last commits.

use std::sync::Arc;

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::domain::Bitting;
use bitting::domain::keys::keyring::IssuedKey;
use bitting::domain::principal::Principal;
use bitting::gate::key_index::Holder;
use bitting::model::key::{KeyNumber, NewKey, Status};
use bitting::model::scope::Access;
use bitting::model::usage::{Cell, Outcome};
use bitting::records::model::resources;
use bitting::server;
use bitting::store::database::migrate::Missing;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use serde_json::{Value, json};

use crate::support::postgres::{Cluster, can_start_servers, copy};
use crate::support::relay::Relay;
use crate::support::restore::{SET_POSTGRES_BACK, db_save, db_set_back};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Backend, TestDatabase, TestServer, eventually, on_both};

/// Servers of one database, and the credentials that the story is about.
struct Story {
    servers: [TestServer; 2],
    kept: MadeKey,
    revoked: MadeKey,
    revived: MadeKey,
    lost: Vec<MadeKey>,
    /// Whether row numbers of what was lost are given out anew at once.
    same_numbers: bool,
}

impl Story {
    fn begin(database: TestDatabase) -> Self {
        let database = Arc::new(database);
        let options =
            || Options { metrics_listen: Some("127.0.0.1:0".to_owned()), ..Options::default() };
        let servers = [(); 2].map(|()| TestServer::on(database.clone(), options()));
        let [kept, revoked, revived] = [(); 3].map(|()| servers[0].key("calls:read"));
        servers[0].revoke(&revoked);
        Self { servers, kept, revoked, revived, lost: Vec::new(), same_numbers: true }
    }

    /// Changes that will be lost: so many events of keys, the first one a revocation. Both servers
    /// know of them.
    fn go_on(&mut self, events: usize) {
        self.servers[0].revoke(&self.revived);
        self.lost = (1..events).map(|n| self.servers[n % 2].key("calls:read")).collect();
        for server in &self.servers {
            eventually("the revocation is known", || {
                server.call(&self.revived, "GET", "/v1/ping", None).status == 401
            });
            for key in &self.lost {
                server.call(key, "GET", "/v1/ping", None).expect(200, "");
            }
        }
    }

    /// Waits until a read that began after now has ended well on both servers.
    fn read(&self) {
        for server in &self.servers {
            let (begun, failed) =
                (server.bitting.gate.freshness.reads(), server.bitting.gate.freshness.failures());
            eventually("the feed is read", || {
                let failures = server.bitting.gate.freshness.failures() - failed;
                server.bitting.gate.freshness.reads() > begun + 1 + failures
            });
        }
    }

    /// What must hold after the next read.
    fn check_all_is_as_the_database_says(&self) {
        for server in &self.servers {
            let send = |key: &MadeKey| server.call(key, "GET", "/v1/ping", None);
            send(&self.kept).expect(200, "");
            send(&self.revoked).expect(401, "key_revoked");
            send(&self.revived).expect(200, "");
            for key in &self.lost {
                send(key).expect(401, "invalid_key");
            }
            assert_eq!(server.bitting.set_backs.times(), 1);
            let metrics = server.metrics();
            assert!(metrics.contains("\nbitting_database_set_back_total 1\n"), "{metrics}");
            server.client.send("GET", "/readyz", &[], None).expect(200, "");
        }
        self.check_that_life_goes_on();
        self.check_that_it_is_said();
    }

    /// Keys are made, revoked and counted, whichever numbers they get.
    fn check_that_life_goes_on(&self) {
        for (here, there) in [(0, 1), (1, 0)] {
            let (here, there) = (&self.servers[here], &self.servers[there]);
            let new = here.key("calls:read calls:write");
            let number = here
                .database
                .db_number(&format!("SELECT number FROM api_keys WHERE id = '{}'", new.id));
            assert!(number < 6 || !self.same_numbers, "a number of what was lost: {number}");
            for _ in 0..3 {
                there.call(&new, "GET", "/v1/calls", None).expect(200, "");
                here.call(&new, "GET", "/v1/calls", None).expect(200, "");
            }
            self.servers.iter().for_each(TestServer::db_flush);
            assert_eq!(here.total(&new), 6);
            for server in [here, there] {
                let call = json!({"direction": "inbound", "caller": "+14155550100"});
                server.call(&new, "POST", "/v1/calls", Some(&call)).expect(201, "");
            }
            here.revoke(&new);
            here.call(&new, "GET", "/v1/ping", None).expect(401, "key_revoked");
            eventually("the revocation is known", || {
                there.call(&new, "GET", "/v1/ping", None).status == 401
            });
        }
        // What is lost is found, and can be ended again.
        self.servers[1].revoke(&self.revived);
        self.servers[1].call(&self.revived, "GET", "/v1/ping", None).expect(401, "key_revoked");
    }

    fn check_that_it_is_said(&self) {
        let events = || {
            let listed = self.servers[0].manage("GET", "/v1/audit?action=database.set_back", None);
            listed.ok()["data"].as_array().unwrap().clone()
        };
        eventually("it is recorded", || !events().is_empty());
        // Both have had the time to record it.
        self.servers.iter().for_each(|server| server.bitting.record_set_backs().unwrap());
        let events = events();
        assert_eq!(events.len(), 1, "{events:?}");
        let detail = &events[0]["detail"];
        let mut lost: Vec<&str> = self.lost.iter().map(|key| key.id.as_str()).collect();
        lost.sort_unstable();
        assert_eq!(detail["unknown"], json!(lost));
        assert_eq!(detail["unknown_in_all"], lost.len());
        assert_eq!(detail["revived"], json!([self.revived.id]));
        assert_eq!(events[0]["actor"]["type"], "server");
    }
}

on_both! {
    fn a_database_set_back_without_a_break_is_read_anew(backend) {
        for events in [1, 60] {
            let mut story = Story::begin(TestDatabase::new(backend));
            db_save(&story.servers[0].database);
            story.go_on(events);
            db_set_back(&story.servers[0].database);
            story.read();
            story.check_all_is_as_the_database_says();
        }
    }
}

#[test]
fn a_backup_that_takes_the_place_of_a_database_in_use_is_read_anew() {
    if !can_start_servers() {
        return;
    }
    // Its own, since pg_dump refuses a server that is newer than itself.
    let server = Cluster::new();
    server.execute("postgres", "CREATE DATABASE bitting");
    let mut story = Story::begin(TestDatabase::at(Backend::Postgres, server.url("bitting")));
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let file = folder.path().join("backup");
    copy("pg_dump", &server.url("bitting"), &file);
    story.go_on(60);
    server.execute("postgres", "CREATE DATABASE restored");
    copy("pg_restore", &server.url("restored"), &file);
    server.put_in_place("restored", "bitting");
    story.read();
    story.check_all_is_as_the_database_says();
}

#[test]
fn a_standby_that_lacks_the_last_commits_is_read_anew_when_it_takes_over() {
    if !can_start_servers() {
        return;
    }
    for events in [1, 60] {
        let mut primary = Cluster::new();
        primary.execute("postgres", "CREATE DATABASE bitting");
        let relay = Relay::to(primary.port);
        let url = format!("postgres://bitting@127.0.0.1:{}/bitting", relay.port);
        let mut story = Story::begin(TestDatabase::at(Backend::Postgres, url));
        let mut standby = primary.standby();
        standby.stop();
        // A standby goes on with numbers further up.
        story.same_numbers = false;
        story.go_on(events);
        primary.stop();
        standby.start();
        standby.promote();
        relay.lead_to(standby.port);
        story.read();
        story.check_all_is_as_the_database_says();
        // The servers end before what they stand on.
        drop(story);
    }
}

/// The application without a server's threads, so that nothing is read or written unasked.
fn db_open(database: &TestDatabase) -> (Bitting, Arc<ManualClock>) {
    let settings = Options { database_url: Some(database.url.clone()), ..Options::default() };
    let clock = Arc::new(ManualClock::at(start_of_time()));
    let opened = server::open(&server::settings(settings).unwrap(), clock.clone(), Missing::Create);
    let bitting = opened.unwrap_or_else(|why| panic!("{why}"));
    bitting.read_feed().unwrap();
    (bitting, clock)
}

fn db_issue(bitting: &Bitting) -> IssuedKey {
    let Value::Object(new) = json!({"name": "test", "scopes": ["calls:read"]}) else {
        unreachable!()
    };
    let new = NewKey::from_object(&new, &resources::catalog(), bitting.time.now()).unwrap();
    bitting.issue_key(new, &Principal::command_line("test"), None).unwrap()
}

fn status(bitting: &Bitting, key: &IssuedKey) -> Option<Status> {
    let entry = bitting.gate.index.find(&key.key.digest)?;
    Some(entry.status(bitting.time.timestamp()))
}

/// What requests of a key are counted under.
fn number(bitting: &Bitting, key: &IssuedKey) -> KeyNumber {
    match bitting.gate.index.find(&key.key.digest).unwrap().holder() {
        Holder::ApiKey { number, .. } => number,
        Holder::AdminToken { .. } => panic!("a token"),
    }
}

on_both! {
    fn a_change_that_was_answered_and_lost_before_the_next_read_is_noticed(backend) {
        let database = TestDatabase::new(backend);
        let (bitting, _) = db_open(&database);
        let [first, second] = [(); 2].map(|()| db_issue(&bitting));
        bitting.read_feed().unwrap();
        db_save(&database);
        bitting.revoke_key(first.key.id, None, &Principal::command_line("test"), None).unwrap();
        let third = db_issue(&bitting);
        db_set_back(&database);
        bitting.read_feed().unwrap();
        assert_eq!(bitting.set_backs.times(), 1);
        assert_eq!(status(&bitting, &first), Some(Status::Active));
        assert_eq!(status(&bitting, &second), Some(Status::Active));
        assert_eq!(status(&bitting, &third), None);
        // It is no news any longer.
        bitting.read_feed().unwrap();
        assert_eq!(bitting.set_backs.times(), 1);
    }
}

on_both! {
    /// Also where the number has been given to another key before the loss is noticed.
    fn requests_of_a_lost_key_are_not_counted_to_whoever_has_its_number(backend) {
        let database = TestDatabase::new(backend);
        let (here, _) = db_open(&database);
        let kept = db_issue(&here);
        db_save(&database);
        let lost = db_issue(&here);
        let cell = Cell::new(None, Access::Read, Outcome::Ok);
        let (worker, of_lost) = (here.meter.worker(), number(&here, &lost));
        let count = |key| worker.count(key, cell, here.time.now(), None, || None);
        for _ in 0..5 {
            [of_lost, number(&here, &kept)].into_iter().for_each(count);
        }
        db_set_back(&database);
        let (there, _) = db_open(&database);
        let new = db_issue(&there);
        assert_eq!(new.key.number, lost.key.number);
        assert!(here.flush_usage().is_err(), "nothing is written to a database that was set back");
        here.read_feed().unwrap();
        // One request of the lost key was still under way.
        [of_lost, number(&here, &new)].into_iter().for_each(count);
        while here.flush_usage().unwrap() {}
        for folded in [false, true] {
            if folded {
                here.fold_journal().unwrap();
            }
            let total = |key: &IssuedKey| here.usage_of_key(key.key.number).unwrap().lifetime.total();
            assert_eq!((total(&kept), total(&new)), (5, 1));
        }
        here.record_set_backs().unwrap();
        let said = database.db_texts("SELECT detail FROM audit_events WHERE action = 'database.set_back'");
        let said: Value = serde_json::from_str(&said[0]).unwrap();
        assert_eq!(said["requests_set_aside"], 5);
        assert_eq!(said["unknown"], json!([lost.key.id]));
    }
}

/// SQLite has one writer: there the batch is written before or after.
#[test]
fn counts_that_wait_for_a_database_to_be_set_back_are_not_written_to_it() {
    let database = TestDatabase::new(Backend::Postgres);
    let (here, _) = db_open(&database);
    let cell = Cell::new(None, Access::Read, Outcome::Ok);
    let worker = here.meter.worker();
    let count =
        |key: &IssuedKey| worker.count(number(&here, key), cell, here.time.now(), None, || None);
    let kept = db_issue(&here);
    count(&kept);
    here.flush_usage().unwrap();
    db_save(&database);
    let lost = db_issue(&here);
    count(&lost);
    let mut restoring = PgConnection::establish(&database.url).unwrap();
    restoring.batch_execute("BEGIN; SELECT 1 FROM usage_marks FOR UPDATE").unwrap();
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| here.flush_usage());
        eventually("the batch waits", || {
            database.db_number("SELECT COUNT(*) FROM pg_locks WHERE NOT granted") > 0
        });
        restoring.batch_execute(&format!("{SET_POSTGRES_BACK}; COMMIT")).unwrap();
        assert!(
            flush.join().unwrap().is_err(),
            "nothing is written to a database that was set back"
        );
    });
    assert!(here.flushes.are_taken(), "it takes what is written as soon as it has been read");
    here.read_feed().unwrap();
    let new = db_issue(&here);
    assert_eq!(new.key.number, lost.key.number);
    while here.flush_usage().unwrap() {}
    assert_eq!(here.usage_of_key(new.key.number).unwrap().lifetime.total(), 0);
}

on_both! {
    /// Batches go on where this process was, whatever number the database remembers.
    fn counts_go_on_after_a_set_back(backend) {
        let database = TestDatabase::new(backend);
        let (bitting, _) = db_open(&database);
        let key = db_issue(&bitting);
        let (worker, cell) = (bitting.meter.worker(), Cell::new(None, Access::Read, Outcome::Ok));
        let use_key = |times| {
            for _ in 0..times {
                worker.count(key.key.number, cell, bitting.time.now(), None, || None);
                assert!(bitting.flush_usage().unwrap());
            }
        };
        let total = || bitting.usage_of_key(key.key.number).unwrap().lifetime.total();
        use_key(3);
        db_save(&database);
        use_key(4);
        let _lost = db_issue(&bitting);
        assert_eq!(total(), 7);
        db_set_back(&database);
        bitting.read_feed().unwrap();
        assert_eq!(total(), 3, "what was written is lost with the database");
        use_key(2);
        assert_eq!(total(), 5);
        bitting.fold_journal().unwrap();
        assert_eq!(total(), 5);
    }
}

#[derive(diesel::QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    log: i32,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    checkpointed: i32,
}

#[test]
fn a_backup_copied_over_an_sqlite_file_in_use_is_read_anew() {
    let mut story = Story::begin(TestDatabase::new(Backend::Sqlite));
    let database = &story.servers[0].database.clone();
    db_save(database);
    story.go_on(60);
    // Only once the log is written back, and while nobody adds to it: what is in it would be mixed
    // into the copy.
    let mut alone = database.db_sqlite();
    alone.batch_execute("BEGIN IMMEDIATE").unwrap();
    eventually("the log is written back", || {
        let state: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint")
            .get_result(&mut database.db_sqlite())
            .unwrap();
        state.log == state.checkpointed
    });
    let folder = database.folder();
    std::fs::copy(folder.join("saved.db"), folder.join("test.db")).unwrap();
    alone.batch_execute("ROLLBACK").unwrap();
    story.read();
    story.check_all_is_as_the_database_says();
}

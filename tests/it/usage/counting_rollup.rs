//! Ageing counts: whatever is counted, written, rolled up or late, the figures are those of a plain
//! model.

use bitting::records::model::resources;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::domain::Bitting;
use bitting::gate::worker_tally::WorkerTally;
use bitting::model::catalog::ResourceNumber;
use bitting::model::key::KeyNumber;
use bitting::model::scope::Access;
use bitting::model::time::{Moment, format};
use bitting::model::usage::{Cell, KeySelection, Outcome};
use bitting::model::words::Word;
use bitting::server;
use bitting::store::database::migrate::Missing;
use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::server::start_of_time;
use crate::support::{Backend, SetAtEnd, TestDatabase, on_both, rounds};
use crate::usage::counting_model::{Counted, model};

/// The application without HTTP and without its background threads.
pub struct Application {
    pub bitting: Arc<Bitting>,
    clock: Arc<ManualClock>,
    worker: Arc<WorkerTally>,
    pub database: TestDatabase,
    counted: Vec<Counted>,
}

/// The last key of the roll-up's first step, and one of its second.
pub const KEYS: [KeyNumber; 2] = [KeyNumber(5000), KeyNumber(6000)];

impl Application {
    pub fn on(backend: Backend) -> Self {
        let database = TestDatabase::migrated(backend);
        let settings = Options { database_url: Some(database.url.clone()), ..Options::default() };
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let settings = server::settings(settings).unwrap();
        let bitting = server::open(&settings, clock.clone(), Missing::Create).unwrap();
        let worker = bitting.meter.worker();
        let bitting = Arc::new(bitting);
        let application = Self { bitting, clock, worker, database, counted: Vec::new() };
        for KeyNumber(number) in KEYS {
            application.db_make_key(number);
        }
        application
    }

    fn db_make_key(&self, number: u32) {
        let overriding = match self.database.backend {
            Backend::Sqlite => "",
            Backend::Postgres => "OVERRIDING SYSTEM VALUE",
        };
        let digest = match self.database.backend {
            Backend::Sqlite => format!("x'{number:064}'"),
            Backend::Postgres => format!("'\\x{number:064}'"),
        };
        self.database.db_execute(&format!(
            "INSERT INTO api_keys (number, id, digest, name, scopes, display, created_at, \
             created_by_type, created_by_name, revision) {overriding} VALUES ({number}, \
             'key_{number}', {digest}, 'k', 'calls:read', 'd', '2026-11-21 12:00:00', 'cli', 'c', \
             {number})"
        ));
    }

    pub fn count(&mut self, counted: Counted) {
        let Counted { key, resource, access, outcome, at } = counted;
        self.worker.count(key, Cell::new(resource, access, outcome), at, None, || None);
        self.counted.push(counted);
    }

    pub fn pass(&self, time: Duration) {
        self.clock.pass(time);
        self.bitting.time.tick();
    }

    /// What the application shows of a key, and what a plain model makes of the same requests.
    fn shown_and_expected(&self, key: KeyNumber) -> (Value, Value) {
        let usage = self.bitting.usage_of_key(key).unwrap();
        let breakdown = self.bitting.usage_breakdown(KeySelection::Only(&[key])).unwrap();
        let shown = json!({
            "figures": usage.windows,
            "breakdown": breakdown,
            "lifetime": usage.lifetime,
            "last_used_at": usage.last_used_at().map(format),
        });
        (shown, model(&self.counted, &[key], self.bitting.time.now()))
    }

    /// The breakdown of both keys and that of all keys, and what it should be.
    fn together_and_expected(&self) -> ([Value; 2], Value) {
        let expected = model(&self.counted, &KEYS, self.bitting.time.now());
        let shown = [KeySelection::Only(&KEYS), KeySelection::All]
            .map(|keys| json!(self.bitting.usage_breakdown(keys).unwrap()));
        (shown, expected["breakdown"].clone())
    }

    #[track_caller]
    fn check(&self) {
        let (shown, expected) = self.together_and_expected();
        assert_eq!(shown, [expected.clone(), expected]);
        for key in KEYS {
            let (shown, expected) = self.shown_and_expected(key);
            assert_eq!(shown, expected, "{key:?}");
        }
    }
}

on_both! {
    /// With many resources of an operator's own, one key can have more counts than a step reads.
    fn a_key_with_many_counts_in_a_minute_does_not_hold_up_the_roll_up(backend) {
        let application = Application::on(backend);
        let minute = start_of_time().timestamp() / 60;
        let rows = |KeyNumber(key): KeyNumber, minute, cells: i64| {
            let at = minute * 60_000;
            (0..cells).map(move |cell| format!("({minute}, {key}, {}, 1, {at})", cell / 6 * 8 + cell % 6))
        };
        let [one, other] = KEYS;
        let rows: Vec<String> = rows(one, minute, 700)
            .chain(rows(one, minute + 1, 128))
            .chain(rows(other, minute + 1, 6000))
            .chain(rows(other, minute + 2, 3))
            .collect();
        for rows in rows.chunks(500) {
            application.database.db_execute(&format!(
                "INSERT INTO usage_minutes (minute, key_number, cell, n, last_at) VALUES {}", rows.join(", ")
            ));
        }
        application.pass(Duration::from_secs(3 * 3600));
        let steps = (0..200).take_while(|_| application.bitting.roll_up().unwrap()).count();
        assert!(steps < 200, "the roll-up does not come to an end");
        let sum = |key: KeyNumber| {
            application.database.db_number(&format!("SELECT SUM(n) FROM usage_hours WHERE key_number = {}", key.0))
        };
        assert_eq!((sum(one), sum(other)), (828, 6003));
        assert_eq!(application.database.db_number("SELECT COUNT(*) FROM usage_minutes"), 6831);
        application.pass(Duration::from_secs(40 * 3600));
        let steps = (0..200).take_while(|_| application.bitting.roll_up().unwrap()).count();
        assert!(steps < 200, "the minutes are not cleared");
        assert_eq!(application.database.db_number("SELECT COUNT(*) FROM usage_minutes"), 0);
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A request so many seconds ago: nearly always now, sometimes late.
    Count {
        key: usize,
        seconds_ago: i64,
        cell: (usize, usize, usize),
    },
    Flush,
    Fold,
    RollUpOnce,
    RollUpAll,
    PassMinutes(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ago = prop_oneof![6 => 0i64..300, 2 => 0i64..3 * 3600, 1 => 0i64..40 * 86_400];
    let cell = (0usize..=7, 0usize..2, 0usize..6);
    let step = prop_oneof![
        12 => (0usize..2, ago, cell).prop_map(|(key, seconds_ago, cell)| Step::Count { key, seconds_ago, cell }),
        3 => Just(Step::Flush),
        2 => Just(Step::Fold),
        3 => Just(Step::RollUpOnce),
        1 => Just(Step::RollUpAll),
        4 => (0u64..90).prop_map(Step::PassMinutes),
        2 => (0u64..3 * 1440).prop_map(Step::PassMinutes),
    ];
    prop::collection::vec(step, 150..300)
}

on_both! {
    fn the_figures_are_those_of_a_plain_model_at_every_moment_of_forty_days(backend) {
        let cases = rounds(6, 1) as u32;
        let cases = Config { cases, failure_persistence: None, ..Config::default() };
        TestRunner::new(cases).run(&steps(), |steps| {
            let mut application = Application::on(backend);
            let bitting = application.bitting.clone();
            // Nothing was ever counted before the database was made.
            application.pass(Duration::from_secs(41 * 86_400));
            for step in steps {
                match step {
                    Step::Count { key, seconds_ago, cell: (resource, access, outcome) } => {
                        application.count(Counted {
                            key: KEYS[key],
                            resource: Some(ResourceNumber(resource as u16)).filter(|number| number.0 > 0),
                            access: Access::ALL[access],
                            outcome: Outcome::ALL[outcome],
                            at: bitting.time.now() - TimeDelta::seconds(seconds_ago),
                        });
                        continue;
                    }
                    Step::Flush => drop(bitting.flush_usage().unwrap()),
                    Step::Fold => bitting.fold_journal().unwrap(),
                    Step::RollUpOnce => drop(bitting.roll_up().unwrap()),
                    Step::RollUpAll => while bitting.roll_up().unwrap() {},
                    Step::PassMinutes(minutes) => application.pass(Duration::from_secs(minutes * 60 + 7)),
                }
                for key in KEYS {
                    let (shown, expected) = application.shown_and_expected(key);
                    prop_assert_eq!(shown, expected);
                }
                let (shown, expected) = application.together_and_expected();
                prop_assert_eq!(shown, [expected.clone(), expected]);
            }
            Ok(())
        }).unwrap();
    }
}

pub fn one_request(key: KeyNumber, at: Moment) -> Counted {
    let (access, outcome) = (Access::Read, Outcome::Ok);
    Counted { key, resource: Some(resources::CALLS), access, outcome, at }
}

on_both! {
    fn the_roll_up_changes_no_figure_at_any_step_and_clears_what_is_old(backend) {
        let mut application = Application::on(backend);
        for _ in 0..40 * 4 {
            application.pass(Duration::from_secs(6 * 3600));
            let now = application.bitting.time.now();
            for key in KEYS {
                application.count(one_request(key, now));
            }
        }
        application.bitting.flush_usage().unwrap();
        application.check();
        application.bitting.fold_journal().unwrap();
        application.pass(Duration::from_secs(3 * 3600 + 17 * 60));
        application.check();

        let (mut between_keys, mut step) = (false, 0);
        while application.bitting.roll_up().unwrap() {
            // Every step moves one key of one hour, or one minute: a look at some of them will do.
            step += 1;
            if step % 13 == 0 {
                application.check();
            }
            let key = || application.database.db_number("SELECT key_number FROM usage_rollup");
            if !between_keys && key() > 0 {
                application.check();
                between_keys = true;
            }
        }
        assert!(between_keys, "the roll-up was never seen between two keys");
        application.check();

        let now = application.bitting.time.now();
        let rows = |table: &str, column: &str, before: i64| application.database.db_number(
            &format!("SELECT COUNT(*) FROM {table} WHERE {column} < {before}")
        );
        assert_eq!(rows("usage_minutes", "minute", (now - TimeDelta::hours(27)).timestamp() / 60), 0);
        assert_eq!(rows("usage_hours", "hour", (now - TimeDelta::days(32)).timestamp() / 3600), 0);
        let moved = application.database.db_number("SELECT SUM(n) FROM usage_totals");
        assert!((2 * 4 * 8..2 * 4 * 10).contains(&moved), "{moved} moved");
        let hours = application.database.db_number("SELECT SUM(n) FROM usage_hours");
        assert_eq!(moved + hours, 2 * 40 * 4);
        assert_eq!(rows("usage_sums", "hour", (now - TimeDelta::days(32)).timestamp() / 3600), 0);
    }
}

on_both! {
    /// More rows than a step takes, in one minute and in many, of keys that lie close together.
    fn the_roll_up_stops_between_keys_where_there_are_many_rows_and_loses_none(backend) {
        const MANY: u32 = 250;
        let application = Application::on(backend);
        for key in 1..=MANY {
            application.db_make_key(key);
        }
        let now = application.bitting.time.now();
        let (mut sent, mut most) = (0, 0);
        for key in 1..=MANY {
            for (place, outcome) in Outcome::ALL.iter().enumerate() {
                // Every fourth key in all minutes but few, the others in one.
                let minutes = if key % 4 == 0 { 3 } else { 1 };
                for minute in 0..minutes {
                    let at = now + TimeDelta::minutes(minute + place as i64);
                    let cell = Cell::new(Some(resources::LEADS), Access::Write, *outcome);
                    application.worker.count(KeyNumber(key), cell, at, None, || None);
                    sent += 1;
                }
            }
        }
        application.pass(Duration::from_secs(2 * 3600));
        while application.bitting.flush_usage().unwrap() {}
        let number = |sql: &str| application.database.db_number(sql);
        let total = || -> i64 {
            let keys: Vec<KeyNumber> = (1..=MANY).map(KeyNumber).collect();
            let usage = application.bitting.usage_of(&keys).unwrap();
            usage.values().map(|usage| usage.windows.day.total()).sum()
        };
        // All hours age at once: what is moved out is bounded too.
        for (hours, moved) in [(0, "usage_hours"), (33 * 24, "usage_totals")] {
            application.pass(Duration::from_secs(hours * 3600));
            application.worker.count(
                KEYS[1], Cell::new(None, Access::Read, Outcome::Ok), application.bitting.time.now(), None, || None
            );
            while application.bitting.flush_usage().unwrap() {}
            application.bitting.fold_journal().unwrap();
            application.pass(Duration::from_secs(2 * 3600));
            let of_table = format!("SELECT COUNT(*) FROM {moved} WHERE key_number <= {MANY}");
            let mut before = number(&of_table);
            while application.bitting.roll_up().unwrap() {
                let now = number(&of_table);
                most = most.max(now - before);
                before = now;
                assert_eq!(total(), if hours == 0 { sent } else { 0 });
            }
            assert_eq!(before, i64::from(MANY) * 6);
            assert_eq!(number(&format!("SELECT SUM(n) FROM {moved} WHERE key_number <= {MANY}")), sent);
        }
        assert!((1..=1000).contains(&most), "{most} at once");
        assert_eq!(number(&format!("SELECT COUNT(*) FROM usage_hours WHERE key_number <= {MANY}")), 0);
        let lifetime = application.bitting.usage_of_key(KeyNumber(4)).unwrap().lifetime.total();
        assert_eq!(lifetime, 18);
    }
}

on_both! {
    fn figures_read_while_counts_are_written_and_rolled_up_are_never_too_low_or_too_high(backend) {
        let application = Application::on(backend);
        let bitting = &application.bitting;
        let (begun, done) = (AtomicI64::new(0), AtomicI64::new(0));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| while !stop.load(Ordering::SeqCst) {
                bitting.flush_usage().unwrap();
            });
            scope.spawn(|| while !stop.load(Ordering::SeqCst) {
                bitting.fold_journal().unwrap();
            });
            scope.spawn(|| while !stop.load(Ordering::SeqCst) {
                bitting.roll_up().unwrap();
            });
            scope.spawn(|| while !stop.load(Ordering::SeqCst) {
                begun.fetch_add(1, Ordering::SeqCst);
                let cell = Cell::new(None, Access::Read, Outcome::Ok);
                application.worker.count(KEYS[1], cell, bitting.time.now(), None, || None);
                if done.fetch_add(1, Ordering::SeqCst) % 50 == 0 {
                    application.pass(Duration::from_secs(10));
                }
                std::thread::yield_now();
            });
            let _end = SetAtEnd(&stop);
            for _ in 0..300 {
                let least = done.load(Ordering::SeqCst);
                let lifetime = bitting.usage_of_key(KEYS[1]).unwrap().lifetime.total();
                let most = begun.load(Ordering::SeqCst);
                assert!((least..=most).contains(&lifetime), "{lifetime} is not in {least}..={most}");
            }
        });
        while bitting.flush_usage().unwrap() {}
        assert_eq!(bitting.usage_of_key(KEYS[1]).unwrap().lifetime.total(), begun.into_inner());
    }
}

on_both! {
    fn a_clock_that_jumps_far_ahead_by_mistake_makes_no_count_old(backend) {
        let mut application = Application::on(backend);
        application.count(one_request(KEYS[0], start_of_time()));
        application.bitting.flush_usage().unwrap();
        application.pass(Duration::from_secs(2 * 3600));
        while application.bitting.roll_up().unwrap() {}
        application.count(one_request(KEYS[0], application.bitting.time.now()));
        application.bitting.flush_usage().unwrap();
        application.clock.set_wall(start_of_time() + TimeDelta::days(400));
        application.bitting.time.tick();
        while application.bitting.roll_up().unwrap() {}
        application.clock.set_wall(start_of_time() + TimeDelta::hours(2));
        application.bitting.time.tick();
        application.check();
    }
}

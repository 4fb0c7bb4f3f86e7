//! What counting costs beside a large database: a flush, each step of the roll-up, a key's figures
//! and a page of them, how far the tables grow, and what `/v1/ping` feels of clients that write.
//!
//! `cargo bench --bench counting`, for SQLite; for PostgreSQL too where `BITTING_TEST_POSTGRES` names
//! a server, as `tests/run` does. `-- --help` lists the sizes. On SQLite times are CPU time of the
//! thread, which holds the writer all that time; PostgreSQL works elsewhere, so there they are on
//! the clock.
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

use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::domain::Bitting;
use bitting::domain::principal::Principal;
use bitting::gate::worker_tally::WorkerTally;
use bitting::model::key::KeyNumber;
use bitting::model::key_filter::{KeyFilter, KeyOrder, KeySort};
use bitting::model::scope::Access;
use bitting::model::usage::{Cell, Minute, Outcome};
use bitting::records::model::resources;
use bitting::server;
use bitting::store::database::migrate::Missing;
use bitting::store::usage;
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use support::binary::{Binary, run_ok};
use support::server::start_of_time;
use support::{Backend, TestDatabase};

/// Measures what counting costs.
#[derive(Parser)]
struct Sizes {
    /// Keys in the database
    #[arg(long, default_value_t = 100_000)]
    keys: i64,
    /// Minute rows in it, spread over 26 hours
    #[arg(long, default_value_t = 7_000_000)]
    minute_rows: i64,
    /// Hours of the last 30 days in which each key was used
    #[arg(long, default_value_t = 40)]
    hours: i64,
    /// Counters that are changed in a flush
    #[arg(long, default_value_t = 10_000)]
    counters: i64,
    /// Days that are played to see the tables grow
    #[arg(long, default_value_t = 45)]
    days: u64,
    /// Keys that are used in each hour of those days
    #[arg(long, default_value_t = 300)]
    used: u32,
    /// Turns of `/v1/ping` without and with writers
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

const MINUTES: i64 = 26 * 60;
/// With so many of the usual size the journal is as long as it may become.
const FLUSHES_TO_A_FOLD: usize = 10;

/// The application without its threads.
struct Bench {
    backend: Backend,
    database: TestDatabase,
    clock: Arc<ManualClock>,
    bitting: Bitting,
    worker: Arc<WorkerTally>,
}

impl Bench {
    fn on(backend: Backend) -> Self {
        let database = TestDatabase::new(backend);
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let options = Options { database_url: Some(database.url.clone()), ..Options::default() };
        let settings = server::settings(options).unwrap();
        let bitting = server::open(&settings, clock.clone(), Missing::Create).unwrap();
        let worker = bitting.meter.worker();
        Self { backend, database, clock, bitting, worker }
    }

    /// Milliseconds that something takes.
    fn time<T>(&self, work: impl FnOnce() -> T) -> (f64, T) {
        let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let (began, cpu_before) = (Instant::now(), cpu());
        let result = work();
        let took = match self.backend {
            Backend::Sqlite => cpu() - cpu_before,
            Backend::Postgres => began.elapsed(),
        };
        (took.as_secs_f64() * 1e3, result)
    }

    fn pass(&self, time: Duration) {
        self.clock.pass(time);
        self.bitting.time.tick();
    }

    fn db_make_keys(&self, keys: i64) {
        let digest = match self.backend {
            Backend::Sqlite => "randomblob(32)",
            Backend::Postgres => "sha256(n::text::bytea)",
        };
        self.database.db_execute(&format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {keys}) \
             INSERT INTO api_keys (id, digest, name, scopes, display, created_at, \
             created_by_type, created_by_name, revision) \
             SELECT 'key_' || substr('{}' || CAST(n AS TEXT), 1 + length(CAST(n AS TEXT))), \
             {digest}, 'key ' || CAST(n AS TEXT), 'calls:read', 'd', '2026-10-01 12:00:00', \
             'cli', 'c', n FROM n",
            "0".repeat(26),
        ));
    }

    /// Fills the usage tables as weeks of use leave them, with an hour to roll up, an hour of all
    /// keys that is too old by the hour, and one that is too old by the minute.
    fn db_fill(&self, sizes: &Sizes) {
        self.db_make_keys(sizes.keys);
        let now = Minute::of(start_of_time()).0;
        let (hour, first) = (now / 60, now - MINUTES);
        let (in_a_minute, keys) = (sizes.minute_rows / MINUTES, sizes.keys);
        let stride = (keys / in_a_minute.max(1)).max(1);
        let series = |name: &str, from: i64, to: i64| {
            format!(
                "{name}({name}) AS (SELECT CAST({from} AS BIGINT) UNION ALL \
                 SELECT {name} + 1 FROM {name} WHERE {name} < {to})"
            )
        };
        self.database.db_execute(&format!(
            "WITH RECURSIVE {}, {} INSERT INTO usage_minutes SELECT m, \
             (k * {stride} + m * 7) % {keys} + 1, 16, 3, m * 60000 FROM m, k",
            series("m", first, now - 1),
            series("k", 0, in_a_minute - 1),
        ));
        self.database.db_execute(&format!(
            "WITH RECURSIVE {}, {} INSERT INTO usage_hours SELECT k, \
             CASE WHEN h = 0 THEN {hour} - 744 ELSE {hour} - 1 - (h * 17 + k * 7) % 718 END, \
             16, 50, {} FROM k, h",
            series("k", 1, keys),
            series("h", 0, sizes.hours - 1),
            (hour - 2) * 3_600_000,
        ));
        self.database.db_execute(&format!(
            "DELETE FROM usage_hours WHERE hour = {hour} - 1; \
             UPDATE usage_rollup SET hour = {hour} - 1, minutes_from = {first}; \
             INSERT INTO usage_sums SELECT hour, cell, SUM(n) FROM usage_hours GROUP BY hour, cell; \
             UPDATE key_summary_position SET minute = {now} - 3",
        ));
        if self.backend == Backend::Postgres {
            self.database.db_execute("VACUUM ANALYZE");
        }
    }

    fn count(&self, numbers: impl Iterator<Item = u32>, address: Option<IpAddr>) {
        let cell = Cell::new(Some(resources::CALLS), Access::Read, Outcome::Ok);
        for number in numbers {
            self.worker.count(KeyNumber(number), cell, self.bitting.time.now(), address, || {
                Some("bench/1.0")
            });
        }
    }

    /// Flushes, and moving into the rows what ten of them wrote: rows that are new, and rows that
    /// are there.
    fn flushes(&self, sizes: &Sizes) {
        let (mut flushes, mut new, mut present) = (Vec::new(), Vec::new(), Vec::new());
        let stride = (sizes.keys / sizes.counters).max(1);
        for round in 0..12 {
            if round % 2 == 0 {
                self.pass(Duration::from_secs(60));
            }
            for _ in 0..FLUSHES_TO_A_FOLD {
                self.count((0..sizes.counters).map(|n| (n * stride + 1) as u32), None);
                flushes.push(self.time(|| self.bitting.flush_usage().unwrap()).0);
            }
            let (took, ()) = self.time(|| self.bitting.fold_journal().unwrap());
            if round % 2 == 0 { new.push(took) } else { present.push(took) }
        }
        row(&format!("a flush of {} counters", sizes.counters), &flushes);
        row("folding ten of them, rows new", &new);
        row("the same, rows there already", &present);
        let mut sources = Vec::new();
        for host in 1..=6 {
            self.pass(Duration::from_secs(60));
            let address = [192, 0, 2, host].into();
            self.count((0..sizes.counters).map(|n| (n * stride + 1) as u32), Some(address));
            while let (took, true) = self.time(|| self.bitting.flush_usage().unwrap()) {
                sources.push(took);
            }
        }
        row("a flush while one more address of each key waits to be noted", &sources);
    }

    /// Every step of the roll-up until there is nothing more to do.
    fn steps(&self) {
        self.pass(Duration::from_secs(5 * 60));
        let position = || self.bitting.database.read(usage::position).unwrap();
        let (mut hours, mut dropped) = (Vec::new(), Vec::new());
        loop {
            let before = position();
            let (took, more) = self.time(|| self.bitting.roll_up().unwrap());
            let after = position();
            if (before.hour, before.key) == (after.hour, after.key)
                && after.minutes_from != before.minutes_from
            {
                dropped.push(took);
            } else {
                hours.push(took);
            }
            if !more {
                break;
            }
        }
        row("a step that adds an hour, or moves out what is too old", &hours);
        row("a step that drops old minutes", &dropped);
        let mut summaries = Vec::new();
        for _ in 0..100 {
            summaries.push(self.time(|| self.bitting.summarize_keys().unwrap()).0);
        }
        row("a step of the summaries, with counting 100 keys afresh", &summaries);
    }

    fn figures(&self, sizes: &Sizes) {
        for _ in 0..FLUSHES_TO_A_FOLD {
            self.count((1..=sizes.counters).map(|n| n as u32), None);
            self.bitting.flush_usage().unwrap();
        }
        let number = |n: i64| KeyNumber((n * 7919 % sizes.keys + 1) as u32);
        let one = (0..500).map(|n| self.time(|| self.bitting.usage_of_key(number(n)).unwrap()).0);
        row("the figures of one key, ten flushes in the journal", &one.collect::<Vec<f64>>());
        let page = (0..50).map(|page| {
            let keys: Vec<KeyNumber> = (0..50).map(|n| number(page * 50 + n)).collect();
            self.time(|| self.bitting.usage_of(&keys).unwrap()).0
        });
        row("the figures of a page of 50 keys", &page.collect::<Vec<f64>>());
        let principal = Principal::command_line("bench");
        for (name, sort) in [("newest", KeySort::Newest), ("most used", KeySort::MostUsed)] {
            let table = (1..=20).map(|page| {
                let (filter, order) = (KeyFilter::default(), KeyOrder::by(sort));
                let table = || self.bitting.key_table(&principal, &filter, order, page * 50);
                self.time(|| table().unwrap()).0
            });
            let what = format!("a page of 50 keys, {name} first, with everything on it");
            row(&what, &table.collect::<Vec<f64>>());
        }
    }

    /// Plays days in which the same keys are used every hour.
    fn growth(sizes: &Sizes) {
        let bench = Self::on(Backend::Sqlite);
        bench.db_make_keys(sizes.used.into());
        println!("\n| day | minute rows | hour rows | rows of totals | file |");
        println!("| --- | --- | --- | --- | --- |");
        for hour in 1..=sizes.days * 24 {
            for _ in 0..4 {
                bench.count(1..=sizes.used, None);
                bench.bitting.flush_usage().unwrap();
                bench.bitting.fold_journal().unwrap();
                bench.pass(Duration::from_secs(15 * 60));
            }
            while bench.bitting.roll_up().unwrap() {}
            if hour % (5 * 24) == 0 {
                let rows = ["minutes", "hours", "totals"].map(|table| {
                    bench.database.db_number(&format!("SELECT COUNT(*) FROM usage_{table}"))
                });
                bench.database.db_execute("PRAGMA wal_checkpoint(TRUNCATE)");
                let path = bench.database.folder().join("test.db");
                let megabytes = std::fs::metadata(path).unwrap().len() as f64 / 1e6;
                let [minutes, hours, totals] = rows;
                println!("| {} | {minutes} | {hours} | {totals} | {megabytes:.1} MB |", hour / 24);
            }
        }
    }
}

fn row(what: &str, times: &[f64]) {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let [median, most] = [times.len() / 2, times.len() - 1].map(|place| times[place]);
    println!("| {what} | {} | {median:.2} ms | {most:.2} ms |", times.len());
}

/// The load of wrk: a script over so many connections.
fn wrk(script: &str, connections: u32, url: &str, keys: &Path, seconds: u64) -> Command {
    let mut command = Command::new("wrk");
    command
        .args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}s")])
        .arg(format!("-s{}/benches/{script}", env!("CARGO_MANIFEST_DIR")))
        .arg(url)
        .env("BENCH_KEYS", keys)
        .stdout(Stdio::piped());
    command
}

/// What wrk measured: the 99th percentile in milliseconds, and requests a second.
fn measured(load: std::io::Result<Output>) -> (f64, f64) {
    let said = String::from_utf8(load.expect("wrk is needed").stdout).unwrap();
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("{said}")).trim().to_owned()
    };
    let p99 = humantime::parse_duration(&whole(&value("99%"))).unwrap();
    (p99.as_secs_f64() * 1e3, value("Requests/sec:").parse().unwrap())
}

/// wrk's `1.23ms` in nanoseconds, since only whole numbers are understood.
fn whole(time: &str) -> String {
    let unit = time.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = time[..time.len() - unit.len()].parse().unwrap();
    let factor = match unit {
        "us" => 1e3,
        "ms" => 1e6,
        _ => 1e9,
    };
    format!("{}ns", (number * factor) as u64)
}

/// The real server: `/v1/ping` alone, and while 64 clients write records.
fn protected_reads(backend: Backend, sizes: &Sizes) {
    let database = TestDatabase::new(backend);
    let (folder, place) = (database.folder(), ["--database-url", database.url.as_str()]);
    let server = Binary::serve(&folder, &[&["--log-level", "warn"], &place[..]].concat());
    let create = ["key", "create", "--name", "k", "--scope", "calls:write", "--json"];
    let made: Value =
        serde_json::from_str(&run_ok(&folder, &[&create, &place[..]].concat())).unwrap();
    let key = made["key"].as_str().unwrap();
    let keys = folder.join("keys");
    std::fs::write(&keys, key).unwrap();
    let base = &server.client.base;
    let ping = |seconds| wrk("keys.lua", 16, &format!("{base}/v1/ping"), &keys, seconds).output();
    let calls = format!("{base}/v1/calls");
    measured(ping(1));
    let (mut alone, mut beside, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sizes.rounds {
        alone.push(measured(ping(sizes.seconds)));
        // They begin before and end after it.
        let writers = wrk("write.lua", 64, &calls, &keys, sizes.seconds + 2).spawn();
        std::thread::sleep(Duration::from_secs(1));
        beside.push(measured(ping(sizes.seconds)));
        written.push(measured(writers.and_then(Child::wait_with_output)).1);
    }
    let median = |values: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = values.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "\n{backend:?}, the real server, medians of {} turns of {} s:\n",
        sizes.rounds, sizes.seconds
    );
    println!("| `/v1/ping` over 16 connections | 99th percentile | answered a second |");
    println!("| --- | --- | --- |");
    for (what, values) in [("alone", &alone), ("while 64 clients write records", &beside)] {
        println!("| {what} | {:.2} ms | {:.0} |", median(values, |v| v.0), median(values, |v| v.1));
    }
    println!("\nRecords those clients wrote a second: {:.0?}", written);
}

fn main() {
    let sizes = Sizes::parse();
    let postgres = std::env::var("BITTING_TEST_POSTGRES").is_ok().then_some(Backend::Postgres);
    for backend in std::iter::once(Backend::Sqlite).chain(postgres) {
        let bench = Bench::on(backend);
        bench.db_fill(&sizes);
        println!(
            "\n{backend:?}, {} keys used in {} hours of 30 days each, {} minute rows:\n\n\
             | what | measured | median | most |\n| --- | --- | --- | --- |",
            sizes.keys, sizes.hours, sizes.minute_rows
        );
        bench.flushes(&sizes);
        bench.steps();
        bench.figures(&sizes);
        drop(bench);
        protected_reads(backend, &sizes);
    }
    Bench::growth(&sizes);
}

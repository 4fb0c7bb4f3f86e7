//! How the database finds a key's figures: by seeks.

use std::sync::Arc;
use std::time::Duration;

use bitting::domain::principal::Principal;
use bitting::model::imported_key::ImportedKey;
use bitting::model::key::{KeyLabel, KeyNumber};
use bitting::model::limits::KeyLimits;
use bitting::model::secret::Digest;
use bitting::model::usage::{KeySelection, Usage, Windows};
use bitting::store::usage;
use bitting::store::usage::ledger::UsageRows;
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;

use super::counting_rollup::{Application, KEYS, one_request};
use crate::support::plans::LISTS;
use crate::support::server::start_of_time;
use crate::support::{Backend, TestDatabase, TestServer};

/// The plan of every statement on a usage table.
fn db_plans(
    application: &Application,
    run: impl FnOnce(&mut bitting::store::AnyConnection),
) -> Vec<String> {
    let statements = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut session = application.bitting.database.dedicated().unwrap();
    session
        .read(|connection| -> bitting::store::Result<()> {
            let seen = statements.clone();
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    seen.lock().unwrap().push(query.to_string());
                }
            });
            run(connection);
            Ok(())
        })
        .unwrap();
    let statements = statements.lock().unwrap().clone();
    let mut plans = Vec::new();
    for statement in statements.iter().filter(|text| text.contains("usage_")) {
        let statement = statement.split(" -- binds").next().unwrap();
        plans.extend(db_plan(&application.database, statement));
    }
    plans
}

fn db_plan(database: &TestDatabase, statement: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let mut connection = database.db_sqlite();
    let lines: Vec<Line> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut connection).unwrap();
    lines.into_iter().map(|line| line.detail).collect()
}

#[test]
fn figures_are_read_by_seeks_and_never_by_scans() {
    let mut application = Application::on(Backend::Sqlite);
    application.count(one_request(KEYS[0], start_of_time()));
    application.bitting.flush_usage().unwrap();
    application.bitting.fold_journal().unwrap();
    // With the roll-up close behind, and far behind.
    for hours in [1, 100] {
        application.pass(Duration::from_secs(hours * 3600));
        let windows = Windows::ending(application.bitting.time.now());
        let plans = db_plans(&application, |connection| {
            let position = usage::position(connection).unwrap();
            let figures = usage::figures(connection, &KEYS, &windows, &position).unwrap();
            assert_eq!(
                figures.values().map(|usage: &Usage| usage.lifetime.total()).sum::<i64>(),
                1
            );
            for keys in [KeySelection::Only(&KEYS[..1]), KeySelection::All] {
                UsageRows::read(connection, keys, &windows, &position).unwrap();
            }
        });
        for table in ["usage_minutes", "usage_hours", "usage_totals", "usage_sums"] {
            let sought = format!("SEARCH {table} USING PRIMARY KEY");
            assert!(plans.iter().any(|line| line.starts_with(&sought)), "{table}: {plans:#?}");
        }
        // The position is one row.
        let short = || LISTS.into_iter().chain(["SCAN usage_rollup"]);
        let is_short = |line: &&String| short().any(|scan| line.starts_with(scan));
        let scans = plans.iter().filter(|line| line.contains("SCAN") && !is_short(line));
        assert_eq!(scans.collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

/// PostgreSQL reads a list of keys once, not for each row: so many would take longer than a statement may.
#[test]
fn the_figures_of_many_keys_in_use_are_read_in_time() {
    let server = TestServer::start(Backend::Postgres);
    let minute = start_of_time().timestamp() / 60;
    let key = |n: u32| ImportedKey {
        label: KeyLabel { name: format!("key {n}"), description: None, owner: None },
        scopes: "calls:read".parse().unwrap(),
        expires_at: None,
        limits: KeyLimits::default(),
        digest: Digest::of(format!("key {n}").as_bytes()),
        display: format!("btk_…{n:04}"),
    };
    let cli = Principal::command_line("ops");
    for start in [0, 1000] {
        server.bitting.import_keys((start..start + 1000).map(key).collect(), &cli).unwrap();
    }
    server.database.db_execute(&format!(
        "INSERT INTO usage_minutes SELECT minute, number, 32, 1, CAST(minute AS BIGINT) * 60000 FROM api_keys \
         CROSS JOIN generate_series({minute}, {minute} + 59) AS minute; ANALYZE"
    ));
    server.pass(Duration::from_secs(59 * 60));
    let numbers: Vec<KeyNumber> = (1..=1000).map(KeyNumber).collect();
    let figures = server.bitting.usage_of(&numbers).unwrap();
    assert_eq!(figures.len(), numbers.len());
    let counted: i64 = figures.values().map(|usage| usage.windows.day.total()).sum();
    assert_eq!(counted, 60 * 1000);
}

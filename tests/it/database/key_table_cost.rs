//! What lists cost where there is much to list: they are read by seeks, which the plans show, and the
//! file they are read from stops growing.

use bitting::records::model::resources;
use std::sync::Arc;
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::domain::Bitting;
use bitting::domain::principal::Principal;
use bitting::model::actor::ActorKind;
use bitting::model::audit::{ActorIs, AuditFilter};
use bitting::model::key::{KeyNumber, NewKey};
use bitting::model::key_filter::{KeyFilter, KeyOrder, KeySort, StatusFilter};
use bitting::model::page::{Cursor, Limit, PageRequest};
use bitting::model::scope::Access;
use bitting::model::token::TokenFilter;
use bitting::model::usage::{Cell, Outcome};
use bitting::model::user::UserFilter;
use bitting::model::words::Word;
use bitting::server;
use bitting::store::database::migrate::Missing;
use serde_json::json;

use crate::support::crowd::{db_crowd, db_staff};
use crate::support::plans::{LISTS, db_plans, note_statements, noted};
use crate::support::server::start_of_time;
use crate::support::{Backend, TestDatabase, TestServer};

#[test]
fn a_page_of_keys_seeks_the_use_of_its_own_keys_and_reads_no_others() {
    note_statements();
    let server = TestServer::start(Backend::Sqlite);
    db_crowd(&server, 200);
    let operator = Principal::command_line("test");
    for status in [StatusFilter::Active, StatusFilter::Retired] {
        for sort in KeySort::ALL {
            let filter = KeyFilter::of_status(status);
            let statements = noted(|| {
                let table =
                    server.bitting.key_table(&operator, &filter, KeyOrder::by(*sort), 1).unwrap();
                assert!(!table.rows.is_empty());
                server.bitting.key_counts(&operator).unwrap();
            });
            assert!(statements.iter().any(|one| one.contains("usage_hours")), "{statements:#?}");
            for statement in statements {
                let plan = db_plans(&server.database, &statement).concat();
                for line in plan.lines().filter(|line| line.contains("SCAN ")) {
                    // All keys are gone through once, for their order; the rest is small.
                    let small = [
                        "api_keys",
                        "usage_rollup",
                        "usage_journal",
                        "VALUES",
                        "CONSTANT ROW",
                        "SCAN d",
                        "key_summar",
                        "sums",
                    ];
                    assert!(
                        small.iter().chain(&LISTS).any(|name| line.contains(name)),
                        "{line}: {statement:.400}\n{plan}"
                    );
                    assert!(
                        !line.contains("usage_hours")
                            && !line.contains("usage_minutes")
                            && !line.contains("usage_totals"),
                        "{plan}"
                    );
                }
                if statement.contains("FROM usage_hours h") {
                    assert!(
                        plan.contains(
                            "SEARCH h USING PRIMARY KEY (key_number=? AND hour>? AND hour<?)"
                        ),
                        "{plan}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_page_of_users_seeks_the_keys_of_its_own_users() {
    note_statements();
    let server = TestServer::start(Backend::Sqlite);
    db_crowd(&server, 200);
    server.db_user("first@example.com", json!({}));
    db_staff(&server, 60, 60);
    let operator = Principal::command_line("test");
    let statements = noted(|| {
        let users = server.bitting.user_table(&operator, &UserFilter::default(), 2).unwrap();
        assert_eq!((users.rows.len(), users.place.total), (11, 61));
        let active = TokenFilter { status: Some(StatusFilter::Active), text: None };
        let tokens = server.bitting.token_table(&operator, &active, 1).unwrap();
        assert_eq!((tokens.rows.len(), tokens.place.total), (41, 41));
    });
    let of_keys = statements.iter().find(|statement| statement.contains("api_keys"));
    let plan = db_plans(&server.database, of_keys.unwrap()).concat();
    assert!(plan.contains("SEARCH api_keys USING") && !plan.contains("SCAN"), "{plan}");
}

#[test]
fn the_audit_log_goes_by_an_index_that_has_its_order() {
    note_statements();
    let server = TestServer::start(Backend::Sqlite);
    db_crowd(&server, 300);
    let operator = Principal::command_line("test");
    let any = AuditFilter::default;
    let named = ActorIs::Named("ops".to_owned());
    let with_id = ActorIs::WithId("user_00000000000000000000000000".to_owned());
    for (filter, index) in [
        (AuditFilter { actor_kind: Some(ActorKind::Cli), ..any() }, "audit_events_actor_type"),
        (AuditFilter { actor: Some(named.clone()), ..any() }, "audit_events_actor_name"),
        (
            AuditFilter { actor: Some(named), actor_kind: Some(ActorKind::Cli), ..any() },
            "audit_events_actor_",
        ),
        (AuditFilter { actor: Some(with_id), ..any() }, "audit_events_actor_id"),
        (AuditFilter { key_id: Some("key_1".to_owned()), ..any() }, "audit_events_key"),
        (any(), "audit_events"),
    ] {
        for cursor in [None, Some(Cursor("200".to_owned()))] {
            let wanted = PageRequest { limit: Limit::PAGE, cursor };
            let statements =
                noted(|| server.bitting.list_audit(&operator, &filter, &wanted).unwrap());
            assert_eq!(statements.len(), 1, "{statements:#?}");
            let plan = db_plans(&server.database, &statements[0]).concat();
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}

/// Makes so many keys; the first has the row number 1.
fn db_issue(bitting: &Bitting, keys: usize) {
    for n in 1..=keys {
        let new = json!({"name": format!("key {n}"), "scopes": ["calls:read"]});
        let new = NewKey::from_object(
            new.as_object().unwrap(),
            &resources::catalog(),
            bitting.time.now(),
        )
        .unwrap();
        let made = bitting.issue_key(new, &Principal::command_line("test"), None).unwrap();
        assert_eq!(made.key.number.0 as usize, n);
    }
}

#[test]
fn steady_use_makes_the_file_grow_no_more_once_a_month_is_in_it() {
    let database = TestDatabase::new(Backend::Sqlite);
    let settings = Options { database_url: Some(database.url.clone()), ..Options::default() };
    let clock = Arc::new(ManualClock::at(start_of_time()));
    let settings = server::settings(settings).unwrap();
    let bitting = server::open(&settings, clock.clone(), Missing::Create).unwrap();
    db_issue(&bitting, 25);
    let worker = bitting.meter.worker();
    let pages = || database.db_number("SELECT page_count FROM pragma_page_count");
    let log = || std::fs::metadata(database.folder().join("test.db-wal")).unwrap().len();
    let empty = pages();
    let mut sizes = Vec::new();
    for _day in 0..80 {
        for _ in 0..8 {
            clock.pass(Duration::from_secs(3 * 3600));
            bitting.time.tick();
            let now = bitting.time.now();
            for key in 1..=25 {
                for (access, outcome) in [
                    (Access::Read, Outcome::Ok),
                    (Access::Write, Outcome::Ok),
                    (Access::Write, Outcome::Forbidden),
                ] {
                    let cell = Cell::new(Some(resources::CALLS), access, outcome);
                    worker.count(KeyNumber(key), cell, now, None, || None);
                }
            }
            bitting.flush_usage().unwrap();
            bitting.fold_journal().unwrap();
            while bitting.roll_up().unwrap() {}
        }
        sizes.push((pages(), log()));
    }
    let (month, end) = (sizes[34], sizes[79]);
    assert!(month.0 - empty > 50, "the month is in it: {sizes:?}");
    // A tree of the same rows may be split in a few more pages.
    assert!(end.0 <= month.0 + month.0 / 20, "{sizes:?}");
    assert!(end.1 < 8 << 20, "the log beside it too: {sizes:?}");
    // Nothing was lost: what left the hours is in the totals.
    let counted = database
        .db_number("SELECT (SELECT SUM(n) FROM usage_hours) + (SELECT SUM(n) FROM usage_totals)");
    let waiting = database.db_number(
        "SELECT COALESCE(SUM(n), 0) FROM usage_minutes WHERE minute >= (SELECT hour FROM usage_rollup) * 60",
    );
    assert_eq!(counted + waiting, 80 * 8 * 25 * 3);
}

//! How a database would run what the application sends to it, noted on its way there.

use std::cell::RefCell;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;

use super::database::{Backend, TestDatabase};

/// What a plan goes through that is no table: a statement's own lists of what it seeks.
pub const LISTS: [&str; 3] = ["SCAN number ", "SCAN json_each ", "SCAN needed"];

thread_local! {
    /// What this thread sends to a database, while it is noted.
    static SENT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

struct Note;

impl Instrumentation for Note {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            SENT.with_borrow_mut(|sent| {
                if let Some(sent) = sent {
                    sent.push(query.to_string());
                }
            });
        }
    }
}

/// From now on, what is sent over new connections can be noted.
pub fn note_statements() {
    set_default_instrumentation(|| Some(Box::new(Note))).unwrap();
}

/// What this thread sends to a database meanwhile, each statement with its values.
pub fn noted<T>(run: impl FnOnce() -> T) -> Vec<String> {
    SENT.set(Some(Vec::new()));
    run();
    let mut sent = SENT.take().unwrap();
    // The pool asks the first of a connection before it hands it out; the others are around a snapshot.
    let other = ["SELECT  NOT (pg_is_in_recovery()), ", "BEGIN", "COMMIT"];
    sent.retain(|statement| !other.iter().any(|other| statement.starts_with(other)));
    sent
}

/// The values behind a statement, as SQL.
fn values(noted: &str) -> Vec<String> {
    let (mut values, mut value, mut depth, mut quoted) = (Vec::new(), String::new(), 0, false);
    let mut characters = noted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.extend(characters.next()),
            '"' => quoted = !quoted,
            '[' => depth += 1,
            ']' => depth -= 1,
            ' ' if !quoted => {}
            ',' if depth == 1 && !quoted => values.push(std::mem::take(&mut value)),
            other => value.push(other),
        }
        if character == '[' && depth == 2 {
            value.push('{');
        }
        if character == ']' && depth == 1 {
            value.push('}');
        }
    }
    values.push(value);
    values.into_iter().map(|value| format!("'{value}'")).collect()
}

#[derive(QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresStep {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    step: String,
}

/// How the database would run a statement: on PostgreSQL for these values, and for any.
pub fn db_plans(database: &TestDatabase, noted: &str) -> Vec<String> {
    let (sql, noted) = noted.split_once(" -- binds: ").unwrap_or((noted, ""));
    if database.backend == Backend::Sqlite {
        let query = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps: Vec<SqliteStep> = query.load(&mut database.db_sqlite()).unwrap();
        return vec![steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")];
    }
    let mut connection = PgConnection::establish(&database.url).unwrap();
    diesel::sql_query(format!("PREPARE page AS {sql}")).execute(&mut connection).unwrap();
    let explain = format!("EXPLAIN EXECUTE page ({})", values(noted).join(", "));
    let plan = |mode: &str| {
        let mode = format!("SET plan_cache_mode = force_{mode}_plan");
        diesel::sql_query(mode).execute(&mut connection).unwrap();
        let steps: Vec<PostgresStep> = diesel::sql_query(&explain).load(&mut connection).unwrap();
        steps.into_iter().map(|step| step.step).collect::<Vec<_>>().join("\n")
    };
    ["custom", "generic"].map(plan).to_vec()
}

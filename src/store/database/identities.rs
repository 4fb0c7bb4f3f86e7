//! The numbers that PostgreSQL gives out by itself. A database that was moved by logical replication
//! has its rows and not its sequences: numbers would be given out a second time, and refused.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::any_connection::AnyConnection;
use super::ownership::OUR_SCHEMA;
use super::target::Target;
use super::transaction::AdvisoryLock;
use crate::model::finding::Finding;
use crate::store::error::Result;

const REPAIR: &str = "if the database was moved by logical replication, which leaves them behind, run \
                      `bitting check --repair`, which sets them; if it was restored, restore it again, \
                      into an empty database";

/// A column whose next number is in its table already.
struct Behind {
    column: String,
    table: String,
    sequence: String,
    state: State,
}

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = BigInt)]
    given: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
}

/// One of our columns that PostgreSQL numbers. All names come quoted from the catalogue.
#[derive(Debug, QueryableByName)]
struct Numbered {
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    sequence: String,
    /// Whether this user may see the sequence.
    #[diesel(sql_type = Bool)]
    seen: bool,
}

fn numbered(connection: &mut AnyConnection) -> Result<Vec<Numbered>> {
    let AnyConnection::Postgres(connection) = connection else { return Ok(Vec::new()) };
    let columns = diesel::sql_query(format!(
        "SELECT *, has_sequence_privilege(sequence, 'SELECT') AS seen FROM \
         (SELECT quote_ident(c.attname) AS column, CAST(t.oid::regclass AS TEXT) AS table, \
         pg_get_serial_sequence(CAST(t.oid::regclass AS TEXT), c.attname) AS sequence \
         FROM pg_catalog.pg_attribute AS c JOIN pg_catalog.pg_class AS t ON t.oid = c.attrelid \
         WHERE t.relnamespace = {OUR_SCHEMA} AND c.attidentity <> '' AND NOT c.attisdropped \
         AND has_table_privilege(t.oid, 'SELECT') ORDER BY t.relname, c.attname) AS numbered"
    ));
    Ok(columns.load(connection)?)
}

/// The columns of our tables whose sequence is behind them, as far as this user may see it; none on
/// SQLite.
fn behind(connection: &mut AnyConnection, columns: Vec<Numbered>) -> Result<Vec<Behind>> {
    let mut behind = Vec::new();
    for Numbered { column, table, sequence, .. } in columns.into_iter().filter(|each| each.seen) {
        let state: State = diesel::sql_query(format!(
            "SELECT (SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {sequence}) \
             AS given, COALESCE((SELECT MAX({column}) FROM {table}), 0) AS held"
        ))
        .get_result(connection)?;
        if state.held > state.given {
            behind.push(Behind { column, table, sequence, state });
        }
    }
    Ok(behind)
}

/// What is wrong with the numbers that are given out next, or cannot be seen of them, if anything is.
pub fn finding(connection: &mut AnyConnection) -> Result<Option<Finding>> {
    let columns = numbered(connection)?;
    let unseen = columns.iter().filter(|column| !column.seen).count();
    let behind = behind(connection, columns)?;
    let told = |Behind { column, table, state: State { given, held }, .. }: &Behind| {
        format!("{table}.{column} goes on after {given}, and {held} is taken")
    };
    if !behind.is_empty() {
        let told: Vec<_> = behind.iter().map(told).collect();
        return Ok(Some(Finding::wrong("sequences", told.join("; "), REPAIR)));
    }
    Ok((unseen > 0).then(|| {
        Finding::warning(
            "sequences",
            format!("this user may not see {unseen}, so whether they are behind is not known"),
            "GRANT SELECT ON ALL SEQUENCES IN SCHEMA … TO this user, and check again",
        )
    }))
}

/// Sets every sequence that is behind its column; says how many those were.
///
/// # Errors
/// Also when this user may not.
pub fn repair(target: &Target) -> Result<usize> {
    target.open()?.write(|connection| {
        AdvisoryLock::Keys.acquire(connection)?;
        let columns = numbered(connection)?;
        let behind = behind(connection, columns)?;
        for Behind { column, table, sequence, .. } in &behind {
            diesel::sql_query(format!(
                "SELECT setval('{sequence}', (SELECT MAX({column}) FROM {table}))"
            ))
            .execute(connection)?;
        }
        Result::Ok(behind.len())
    })
}

//! The numbers that PostgreSQL gives out by itself. A database that was moved by logical replication
//! has its rows and not its sequences: numbers would be given out a second time, and refused.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::any_connection::AnyConnection;
use super::target::Target;
use super::transaction::AdvisoryLock;
use crate::model::finding::Finding;
use crate::store::error::Result;

/// A column whose next number is in its table already.
#[derive(Debug, QueryableByName)]
pub struct Behind {
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    sequence: String,
    #[diesel(sql_type = BigInt)]
    given: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
}

/// The columns of our tables whose sequence is behind them, as far as this user may see it; none on
/// SQLite.
pub fn behind(connection: &mut AnyConnection) -> Result<Vec<Behind>> {
    let AnyConnection::Postgres(connection) = connection else { return Ok(Vec::new()) };
    // All names come quoted from the catalogue.
    let columns: Vec<Behind> = diesel::sql_query(
        "SELECT quote_ident(c.attname) AS column, CAST(t.oid::regclass AS TEXT) AS table, \
         pg_get_serial_sequence(CAST(t.oid::regclass AS TEXT), c.attname) AS sequence, \
         CAST(0 AS BIGINT) AS given, CAST(0 AS BIGINT) AS held \
         FROM pg_catalog.pg_attribute AS c JOIN pg_catalog.pg_class AS t ON t.oid = c.attrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace \
         WHERE n.nspname = current_schema() AND c.attidentity <> '' AND NOT c.attisdropped \
         AND has_table_privilege(t.oid, 'SELECT') AND has_sequence_privilege(\
         pg_get_serial_sequence(CAST(t.oid::regclass AS TEXT), c.attname), 'SELECT') \
         ORDER BY t.relname, c.attname",
    )
    .load(connection)?;
    let mut behind = Vec::new();
    for Behind { column, table, sequence, .. } in columns {
        let state: Behind = diesel::sql_query(format!(
            "SELECT '' AS column, '' AS table, '' AS sequence, \
             (SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {sequence}) AS given, \
             COALESCE((SELECT MAX({column}) FROM {table}), 0) AS held"
        ))
        .get_result(connection)?;
        if state.held > state.given {
            behind.push(Behind { column, table, sequence, ..state });
        }
    }
    Ok(behind)
}

/// What is wrong with the numbers that are given out next, if anything is.
pub fn finding(connection: &mut AnyConnection) -> Result<Option<Finding>> {
    let behind = behind(connection)?;
    let told = |Behind { column, table, given, held, .. }: &Behind| {
        format!("{table}.{column} goes on after {given}, and {held} is taken")
    };
    let told: Vec<_> = behind.iter().map(told).collect();
    let remedy = "run `bitting check --repair`, which sets the sequences: moving a database by logical \
                  replication leaves them behind";
    Ok((!told.is_empty()).then(|| Finding::wrong("sequences", told.join("; "), remedy)))
}

/// Sets every sequence that is behind its column; says how many those were.
///
/// # Errors
/// Also when this user may not.
pub fn repair(target: &Target) -> Result<usize> {
    target.open()?.write(|connection| {
        AdvisoryLock::Keys.acquire(connection)?;
        let behind = behind(connection)?;
        for Behind { column, table, sequence, .. } in &behind {
            diesel::sql_query(format!(
                "SELECT setval('{sequence}', (SELECT MAX({column}) FROM {table}))"
            ))
            .execute(connection)?;
        }
        Result::Ok(behind.len())
    })
}

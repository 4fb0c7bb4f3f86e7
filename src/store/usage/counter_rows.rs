//! Adding counts to rows that may be there already, in the cheapest way each database has.
//!
//! A flush adds thousands of rows four times a second, so this is what counting costs. Diesel keeps
//! a prepared statement only when its text cannot vary, so for SQLite the statements here have a
//! fixed number of rows, each with its type: they are parsed once a connection, which saves a third
//! to a half of the time. PostgreSQL gets all rows in one statement, as an array for each column.

use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt};
use diesel::sqlite::Sqlite;

use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;

/// Rows in one statement on SQLite; the rest is added row by row. More rows save nothing.
const ROWS_PER_STATEMENT: usize = 100;
/// Rows in one statement on PostgreSQL.
const ROWS_PER_ARRAY: usize = 10_000;

/// A row: the three numbers of its primary key, the number of requests, and the last of them in
/// milliseconds since 1970.
pub(in crate::store) type Row = [i64; 5];

/// A table of counts.
pub(in crate::store) trait CountTable: 'static {
    const NAME: &'static str;
    /// The columns of the table's primary key.
    const KEY: &'static str;
}

/// The table of counts by the minute.
pub(in crate::store) struct Minutes;

impl CountTable for Minutes {
    const NAME: &'static str = "usage_minutes";
    const KEY: &'static str = "minute, key_number, cell";
}

/// The table of counts by the hour.
pub(in crate::store) struct Hours;

impl CountTable for Hours {
    const NAME: &'static str = "usage_hours";
    const KEY: &'static str = "key_number, hour, cell";
}

/// The end of an INSERT of counts that adds to what is there, behind the columns of the key.
pub(in crate::store) const ADD_UP: &str = ") DO UPDATE SET n = present.n + excluded.n, last_at = CASE WHEN \
     excluded.last_at > present.last_at THEN excluded.last_at ELSE present.last_at END";

/// Adds counts to the rows of a table, in this order; no row may occur twice.
pub(in crate::store) fn add<T: CountTable>(
    connection: &mut AnyConnection,
    rows: &[Row],
) -> Result<()> {
    match connection {
        AnyConnection::Sqlite(connection) => {
            let statements = rows.chunks_exact(ROWS_PER_STATEMENT);
            let rest = statements.remainder().chunks(1);
            for rows in statements {
                Adding::<T, ROWS_PER_STATEMENT>(rows, PhantomData).execute(connection)?;
            }
            for row in rest {
                Adding::<T, 1>(row, PhantomData).execute(connection)?;
            }
        }
        AnyConnection::Postgres(connection) => {
            for rows in rows.chunks(ROWS_PER_ARRAY) {
                add_arrays::<T>(connection, rows)?;
            }
        }
    }
    Ok(())
}

/// An INSERT of `N` rows: as many as the slice has.
struct Adding<'a, T, const N: usize>(&'a [Row], PhantomData<T>);

impl<T: CountTable, const N: usize> QueryId for Adding<'_, T, N> {
    type QueryId = Adding<'static, T, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T: CountTable, const N: usize> QueryFragment<Sqlite> for Adding<'_, T, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for part in ["INSERT INTO ", T::NAME, " AS present (", T::KEY, ", n, last_at) VALUES "] {
            out.push_sql(part);
        }
        for (place, row) in self.0.iter().enumerate() {
            out.push_sql(if place == 0 { "(" } else { ",(" });
            for (column, value) in row.iter().enumerate() {
                if column > 0 {
                    out.push_sql(",");
                }
                out.push_bind_param::<BigInt, _>(value)?;
            }
            out.push_sql(")");
        }
        for part in [" ON CONFLICT (", T::KEY, ADD_UP] {
            out.push_sql(part);
        }
        Ok(())
    }
}

impl<T, const N: usize> RunQueryDsl<SqliteConnection> for Adding<'_, T, N> {}

fn add_arrays<T: CountTable>(connection: &mut PgConnection, rows: &[Row]) -> Result<()> {
    let column = |place: usize| rows.iter().map(|row| row[place]).collect::<Vec<i64>>();
    diesel::sql_query(format!(
        "INSERT INTO {} AS present ({key}, n, last_at) SELECT * FROM unnest($1, $2, $3, $4, $5) \
         ON CONFLICT ({key}{ADD_UP}",
        T::NAME,
        key = T::KEY,
    ))
    .bind::<Array<BigInt>, _>(column(0))
    .bind::<Array<BigInt>, _>(column(1))
    .bind::<Array<BigInt>, _>(column(2))
    .bind::<Array<BigInt>, _>(column(3))
    .bind::<Array<BigInt>, _>(column(4))
    .execute(connection)?;
    Ok(())
}

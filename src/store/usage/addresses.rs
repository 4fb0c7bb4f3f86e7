//! The last addresses each key was used from, in the database.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::Source;
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;
use crate::store::schema::key_addresses as table;

/// How many addresses are kept per key.
pub const KEPT: i64 = 5;

/// Rows in one statement on SQLite, as in `counter_rows`.
const ROWS_PER_STATEMENT: usize = 100;
/// Keys whose addresses are counted in one statement.
const KEYS_PER_STATEMENT: usize = 500;

/// A row to be written: key, address, user agent, and when it was seen.
type Row<'a> = (i64, &'a str, Option<&'a str>, i64);

/// Records the addresses that keys were used from, each key and address once, and drops all but the
/// last ones of each key. They are written in this order.
pub fn note(connection: &mut AnyConnection, sources: &[(KeyNumber, Source)]) -> Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = sources
        .iter()
        .map(|(key, source)| {
            let at = source.at.timestamp_millis();
            (key.0.into(), source.address.as_str(), source.user_agent.as_deref(), at)
        })
        .collect();
    match connection {
        AnyConnection::Sqlite(connection) => {
            let statements = rows.chunks_exact(ROWS_PER_STATEMENT);
            let rest = statements.remainder().chunks(1);
            for rows in statements {
                Noting::<ROWS_PER_STATEMENT>(rows).execute(connection)?;
            }
            for row in rest {
                Noting::<1>(row).execute(connection)?;
            }
        }
        AnyConnection::Postgres(connection) => note_arrays(connection, &rows)?,
    }
    let mut keys: Vec<i64> = rows.iter().map(|row| row.0).collect();
    keys.dedup();
    for keys in keys.chunks(KEYS_PER_STATEMENT) {
        // Few keys have too many: they are found first.
        Statement::<()>::on(connection)
            .sql(
                "DELETE FROM key_addresses WHERE key_number IN (SELECT key_number \
                 FROM key_addresses WHERE key_number",
            )
            .among(keys.iter().copied())
            .sql(format!(
                " GROUP BY key_number HAVING COUNT(*) > {KEPT}) \
                 AND {KEPT} <= (SELECT COUNT(*) FROM key_addresses AS later \
                 WHERE later.key_number = key_addresses.key_number AND (later.last_at > \
                 key_addresses.last_at OR (later.last_at = key_addresses.last_at \
                 AND later.address > key_addresses.address)))"
            ))
            .execute(connection)?;
    }
    Ok(())
}

const INSERT: &str =
    "INSERT INTO key_addresses AS present (key_number, address, user_agent, last_at) ";
/// Updates a row unless it is newer. Two processes may record the same address at once, so one
/// statement has to do it.
const UNLESS_LATER: &str = " ON CONFLICT (key_number, address) DO UPDATE SET \
     user_agent = excluded.user_agent, last_at = excluded.last_at \
     WHERE present.last_at <= excluded.last_at";

/// An INSERT of `N` rows: as many as the slice has.
struct Noting<'a, const N: usize>(&'a [Row<'a>]);

impl<const N: usize> QueryId for Noting<'_, N> {
    type QueryId = Noting<'static, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize> QueryFragment<Sqlite> for Noting<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(INSERT);
        for (place, (key, address, user_agent, at)) in self.0.iter().enumerate() {
            out.push_sql(if place == 0 { "VALUES (" } else { ",(" });
            out.push_bind_param::<BigInt, _>(key)?;
            out.push_sql(",");
            out.push_bind_param::<Text, _>(address)?;
            out.push_sql(",");
            out.push_bind_param::<Nullable<Text>, _>(user_agent)?;
            out.push_sql(",");
            out.push_bind_param::<BigInt, _>(at)?;
            out.push_sql(")");
        }
        out.push_sql(UNLESS_LATER);
        Ok(())
    }
}

impl<const N: usize> RunQueryDsl<SqliteConnection> for Noting<'_, N> {}

fn note_arrays(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<()> {
    diesel::sql_query(format!("{INSERT}SELECT * FROM unnest($1, $2, $3, $4){UNLESS_LATER}"))
        .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.2).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.3).collect::<Vec<_>>())
        .execute(connection)?;
    Ok(())
}

/// The last addresses of a key, the newest first.
pub fn list(connection: &mut AnyConnection, key: KeyNumber) -> Result<Vec<Source>> {
    let rows: Vec<(String, Option<String>, i64)> = table::table
        .filter(table::key_number.eq(i64::from(key.0)))
        .order((table::last_at.desc(), table::address.desc()))
        .limit(KEPT)
        .select((table::address, table::user_agent, table::last_at))
        .load(connection)?;
    let source = |(address, user_agent, last_at)| Source {
        address,
        user_agent,
        at: Moment::from_timestamp_millis(last_at).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(source).collect())
}

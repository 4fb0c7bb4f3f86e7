//! Moving minute rows into hour rows, and old rows out, in small steps.
//!
//! Each function is one step inside the caller's transaction and does a bounded amount of work,
//! so that nothing else waits long. The position only ever moves forward.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::connection::AnyConnection;
use super::error::Result;
use super::schema::{usage_rollup, usage_sums};
use super::usage::{Position, SUM_UP, number_list};
use super::usage_rows::ADD_UP;
use crate::model::usage::{Hour, Minute};

/// How many row numbers of keys one step covers.
const KEYS_PER_STEP: i64 = 5000;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

fn number(connection: &mut AnyConnection, statement: String) -> Result<Option<i64>> {
    Ok(diesel::sql_query(statement).get_result::<Number>(connection)?.number)
}

fn set_position(connection: &mut AnyConnection, position: &Position) -> Result<()> {
    diesel::update(usage_rollup::table)
        .set((
            usage_rollup::hour.eq(position.hour.0),
            usage_rollup::key_number.eq(position.key),
            usage_rollup::minutes_from.eq(position.minutes_from.0),
        ))
        .execute(connection)?;
    Ok(())
}

/// Rolls up one step of the hours before `end`, and drops hour rows before `oldest` of the keys it
/// passes, adding them to the totals. Returns whether there is more to do.
///
/// # Errors
/// When the database fails.
pub fn step(
    connection: &mut AnyConnection,
    position: Position,
    end: Hour,
    oldest: Hour,
) -> Result<bool> {
    if position.hour >= end {
        return Ok(false);
    }
    let begun = position.key > 0;
    let first = number(
        connection,
        format!(
            "SELECT MIN(minute) AS number FROM usage_minutes WHERE minute >= {}",
            position.hour.first_minute().0
        ),
    )?;
    let next = first.map_or(end, |minute| Minute(minute).hour()).min(end);
    if !begun && next > position.hour {
        set_position(connection, &Position { hour: next, ..position })?;
        return Ok(next < end);
    }
    let last = number(connection, "SELECT MAX(number) AS number FROM api_keys".to_owned())?;
    let (from, to) = (position.key, position.key + KEYS_PER_STEP);
    add_hour(connection, position.hour, from, to)?;
    expire_hours(connection, from, to, oldest)?;
    let done = last.is_none_or(|last| to >= last);
    let moved = if done {
        Position { hour: Hour(position.hour.0 + 1), key: 0, ..position }
    } else {
        Position { key: to, ..position }
    };
    set_position(connection, &moved)?;
    Ok(moved.hour < end)
}

fn add_hour(connection: &mut AnyConnection, hour: Hour, from: i64, to: i64) -> Result<()> {
    let first = hour.first_minute().0;
    let rows = format!(
        "FROM usage_minutes WHERE minute IN ({}) AND key_number > {from} AND key_number <= {to}",
        number_list(first..first + 60),
    );
    diesel::sql_query(format!(
        "INSERT INTO usage_hours AS present (key_number, hour, cell, n, last_at) \
         SELECT key_number, {}, cell, CAST(SUM(n) AS BIGINT), MAX(last_at) {rows} \
         GROUP BY key_number, cell ON CONFLICT (key_number, hour, cell{ADD_UP}",
        hour.0,
    ))
    .execute(connection)?;
    diesel::sql_query(format!(
        "INSERT INTO usage_sums (hour, cell, n) \
         SELECT {}, cell, CAST(SUM(n) AS BIGINT) {rows} GROUP BY cell{SUM_UP}",
        hour.0,
    ))
    .execute(connection)?;
    Ok(())
}

fn expire_hours(connection: &mut AnyConnection, from: i64, to: i64, oldest: Hour) -> Result<()> {
    // CROSS JOIN makes SQLite go from key to key and seek each one's oldest rows.
    let moved = diesel::sql_query(format!(
        "INSERT INTO usage_totals AS present (key_number, cell, n, last_at) \
         SELECT h.key_number, h.cell, CAST(SUM(h.n) AS BIGINT), MAX(h.last_at) \
         FROM api_keys k CROSS JOIN usage_hours h \
         WHERE k.number > {from} AND k.number <= {to} \
         AND h.key_number = k.number AND h.hour < {} \
         GROUP BY h.key_number, h.cell ON CONFLICT (key_number, cell{ADD_UP}",
        oldest.0,
    ))
    .execute(connection)?;
    diesel::delete(usage_sums::table.filter(usage_sums::hour.lt(oldest.0))).execute(connection)?;
    if moved > 0 {
        diesel::sql_query(format!(
            "DELETE FROM usage_hours WHERE hour < {} AND key_number IN \
             (SELECT number FROM api_keys WHERE number > {from} AND number <= {to})",
            oldest.0,
        ))
        .execute(connection)?;
    }
    Ok(())
}

/// Drops the minute rows of the oldest minute before `end`; they must have been rolled up. Returns
/// whether there is more to do.
///
/// # Errors
/// When the database fails.
pub fn drop_minute(
    connection: &mut AnyConnection,
    position: Position,
    end: Minute,
) -> Result<bool> {
    let end = end.min(position.hour.first_minute());
    let oldest = number(
        connection,
        format!("SELECT MIN(minute) AS number FROM usage_minutes WHERE minute < {}", end.0),
    )?;
    let Some(oldest) = oldest else {
        if position.minutes_from < end {
            set_position(connection, &Position { minutes_from: end, ..position })?;
        }
        return Ok(false);
    };
    diesel::sql_query(format!("DELETE FROM usage_minutes WHERE minute = {oldest}"))
        .execute(connection)?;
    let minutes_from = position.minutes_from.max(Minute(oldest + 1));
    set_position(connection, &Position { minutes_from, ..position })?;
    Ok(true)
}

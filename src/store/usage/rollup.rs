//! Moving minute rows into hour rows, and old rows out, in small steps.
//!
//! Each function is one step inside the caller's transaction and touches a bounded number of rows,
//! however many keys there are and however often they are used, so that nothing else waits long.
//! The position only ever moves forward, but for a clock that was ahead.

use diesel::dsl::{max, min};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::counter_rows::ADD_UP;
use super::{Position, add_to_hours, counts};
use crate::model::usage::{Count, Hour, Minute};
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;
use crate::store::schema::{api_keys, usage_hours, usage_minutes, usage_rollup, usage_sums};

/// The most row numbers of keys that one step covers.
const KEYS_PER_STEP: i64 = 1000;
/// Rows that one step reads per minute of its hour. A key that has more in one is done alone, with all
/// of them: as many as there are resources and connections that it asked for, by access and outcome.
const ROWS_OF_A_MINUTE: usize = 128;
/// Hour rows that one step adds to or drops. A key's rows are done together.
const HOUR_ROWS_PER_STEP: usize = 1000;
/// Minute rows that one step drops.
const DROPPED_PER_STEP: i64 = 5000;

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
    let first: Option<i64> = usage_minutes::table
        .filter(usage_minutes::minute.ge(position.hour.first_minute().0))
        .select(min(usage_minutes::minute))
        .first(connection)?;
    let next = first.map_or(end, |minute| Minute(minute).hour()).min(end);
    if !begun && next > position.hour {
        set_position(connection, &Position { hour: next, ..position })?;
        return Ok(next < end);
    }
    let last: Option<i64> = api_keys::table.select(max(api_keys::number)).first(connection)?;
    let (from, to) = (position.key, position.key + KEYS_PER_STEP);
    if !expire_hours(connection, from, to, oldest)? {
        return Ok(true);
    }
    let passed = add_hour(connection, position.hour, from, to)?;
    let done = passed == to && last.is_none_or(|last| to >= last);
    let moved = if done {
        Position { hour: Hour(position.hour.0 + 1), key: 0, ..position }
    } else {
        Position { key: passed, ..position }
    };
    set_position(connection, &moved)?;
    Ok(moved.hour < end)
}

/// Rolls up an hour of the first keys after `from`; returns up to which key.
fn add_hour(connection: &mut AnyConnection, hour: Hour, from: i64, to: i64) -> Result<i64> {
    let key_of = |count: &Count| i64::from(count.key.0);
    let bound = format!(" LIMIT {ROWS_OF_A_MINUTE}");
    let mut counts = rows_of_hour(connection, hour, from, to, &bound)?;
    let mut complete = to;
    counts.sort_unstable_by_key(|count| (count.minute, count.key));
    for rows in counts.chunk_by(|one, next| one.minute == next.minute) {
        if let Some(last) = rows.last()
            && rows.len() == ROWS_OF_A_MINUTE
        {
            complete = complete.min(key_of(last) - 1);
        }
    }
    if let Some(first) = counts.iter().map(key_of).min().filter(|first| complete < *first) {
        complete = first;
        counts = rows_of_hour(connection, hour, first - 1, first, "")?;
    }
    counts.retain(|count| key_of(count) <= complete);
    counts.sort_unstable_by_key(|count| (count.key, count.cell));
    let places = counts.chunk_by(|one, next| (one.key, one.cell) == (next.key, next.cell));
    let beyond = places.map(|same| key_of(&same[0])).nth(HOUR_ROWS_PER_STEP);
    if let (Some(beyond), Some(first)) = (beyond, counts.first()) {
        complete = (beyond - 1).max(key_of(first));
        counts.retain(|count| key_of(count) <= complete);
    }
    add_to_hours(connection, &counts)?;
    Ok(complete)
}

/// The counts of an hour of the keys after `from` up to `to`: of each minute so many as the bound has, the
/// lowest keys first. Each minute is sought, in one statement.
fn rows_of_hour(
    connection: &mut AnyConnection,
    hour: Hour,
    from: i64,
    to: i64,
    bound: &str,
) -> Result<Vec<Count>> {
    let first = hour.first_minute().0;
    let mut statement = Statement::on(connection);
    for minute in 0..60 {
        statement = statement
            .sql(if minute > 0 { " UNION ALL " } else { "" })
            .sql(
                "SELECT * FROM (SELECT minute, key_number, cell, n, last_at FROM usage_minutes \
                 WHERE minute = ",
            )
            .number(first + minute)
            .sql(" AND key_number > ")
            .number(from)
            .sql(" AND key_number <= ")
            .number(to)
            .sql(format!(" ORDER BY key_number, cell{bound}) AS m{minute}"));
    }
    counts(connection, statement)
}

/// Moves hours of these keys that are too old to the totals; `false` if there is more.
fn expire_hours(connection: &mut AnyConnection, from: i64, to: i64, oldest: Hour) -> Result<bool> {
    diesel::delete(usage_sums::table.filter(usage_sums::hour.lt(oldest.0))).execute(connection)?;
    // CROSS JOIN makes SQLite go from key to key and seek each one's oldest rows.
    let of_keys = |statement: Statement<BigInt>, to: i64| {
        statement
            .sql(" FROM api_keys k CROSS JOIN usage_hours h WHERE k.number > ")
            .number(from)
            .sql(" AND k.number <= ")
            .number(to)
            .sql(" AND h.key_number = k.number AND h.hour < ")
            .number(oldest.0)
    };
    let old = of_keys(Statement::on(connection).sql("SELECT h.key_number"), to)
        .sql(format!(" ORDER BY k.number LIMIT {}", HOUR_ROWS_PER_STEP + 1));
    let old: Vec<i64> = old.load(connection)?;
    let Some(&first) = old.first() else { return Ok(true) };
    let beyond = old.get(HOUR_ROWS_PER_STEP);
    let upto = beyond.map_or(to, |beyond| (beyond - 1).max(first));
    let adding = Statement::on(connection).sql(
        "INSERT INTO usage_totals AS present (key_number, cell, n, last_at) \
         SELECT h.key_number, h.cell, CAST(SUM(h.n) AS BIGINT), MAX(h.last_at)",
    );
    of_keys(adding, upto)
        .sql(format!(" GROUP BY h.key_number, h.cell ON CONFLICT (key_number, cell{ADD_UP}"))
        .execute(connection)?;
    Statement::<()>::on(connection)
        .sql("DELETE FROM usage_hours WHERE hour < ")
        .number(oldest.0)
        .sql(" AND key_number IN (SELECT number FROM api_keys WHERE number >= ")
        .number(first)
        .sql(" AND number <= ")
        .number(upto)
        .sql(")")
        .execute(connection)?;
    Ok(beyond.is_none())
}

/// Moves what is counted of later hours than this one to the totals, and the position to its end: for
/// a clock that was ahead.
pub fn set_back(connection: &mut AnyConnection, hour: Hour) -> Result<()> {
    let before = super::position(connection)?;
    let next = Hour(hour.0 + 1);
    let minute = next.first_minute();
    let rolled = before.hour.first_minute();
    Statement::<()>::on(connection)
        .sql(
            "INSERT INTO usage_totals AS present (key_number, cell, n, last_at) \
             SELECT key_number, cell, CAST(SUM(n) AS BIGINT), MAX(last_at) FROM (\
             SELECT key_number, cell, n, last_at FROM usage_hours WHERE hour >= ",
        )
        .number(next.0)
        .sql(" UNION ALL SELECT key_number, cell, n, last_at FROM usage_minutes WHERE minute >= ")
        .number(minute.max(rolled).0)
        // The opposite of `Position::covers`.
        .sql(" AND (key_number > ")
        .number(before.key)
        .sql(" OR minute >= ")
        .number(rolled.0 + 60)
        .sql(format!(")) AS later GROUP BY key_number, cell ON CONFLICT (key_number, cell{ADD_UP}"))
        .execute(connection)?;
    diesel::delete(usage_hours::table.filter(usage_hours::hour.ge(next.0))).execute(connection)?;
    diesel::delete(usage_sums::table.filter(usage_sums::hour.ge(next.0))).execute(connection)?;
    let minutes = usage_minutes::table.filter(usage_minutes::minute.ge(minute.0));
    diesel::delete(minutes).execute(connection)?;
    if before.hour < next {
        return Ok(());
    }
    let minutes_from = before.minutes_from.min(minute);
    set_position(connection, &Position { hour: next, key: 0, minutes_from })
}

/// Drops minute rows of the oldest minute before `end`; they must have been rolled up. Returns
/// whether there is more to do.
pub fn drop_minute(
    connection: &mut AnyConnection,
    position: Position,
    end: Minute,
) -> Result<bool> {
    let end = end.min(position.hour.first_minute());
    let oldest: Option<i64> = usage_minutes::table
        .filter(usage_minutes::minute.lt(end.0))
        .select(min(usage_minutes::minute))
        .first(connection)?;
    let Some(oldest) = oldest else {
        if position.minutes_from < end {
            set_position(connection, &Position { minutes_from: end, ..position })?;
        }
        return Ok(false);
    };
    let beyond: Option<i64> = usage_minutes::table
        .filter(usage_minutes::minute.eq(oldest))
        .order((usage_minutes::key_number, usage_minutes::cell))
        .select(usage_minutes::key_number)
        .offset(DROPPED_PER_STEP)
        .first(connection)
        .optional()?;
    let of_minute = usage_minutes::minute.eq(oldest);
    let these = usage_minutes::key_number.lt(beyond.unwrap_or(i64::MAX));
    let these = diesel::delete(usage_minutes::table.filter(of_minute).filter(these));
    if these.execute(connection)? == 0
        && let Some(only) = beyond
    {
        // One key alone has more.
        let its = usage_minutes::key_number.eq(only);
        diesel::delete(usage_minutes::table.filter(of_minute).filter(its)).execute(connection)?;
    }
    let minutes_from = position.minutes_from.max(Minute(oldest + 1));
    set_position(connection, &Position { minutes_from, ..position })?;
    Ok(true)
}

//! A few figures of every key, stored so that lists can be sorted by them.
//!
//! They are a minute behind and nearly right; what is shown is always counted from the usage
//! tables themselves.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::model::key::KeyNumber;
use crate::model::usage::{Count, Minute, Outcome, Usage};
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;
use crate::store::rows;
use crate::store::schema::{api_keys, key_summary_position as position, usage_minutes};
use crate::store::usage::{key_number, numbers};

/// How many rows one statement inserts.
const MOST_ROWS: usize = 500;

/// Up to where the summaries have been computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryPosition {
    /// Every earlier minute has been added.
    pub minute: Minute,
    /// In this round, the keys up to this one have been recounted.
    pub key: i64,
}

/// Reads up to where the summaries have been computed.
pub fn position(connection: &mut AnyConnection) -> Result<SummaryPosition> {
    let (minute, key): (i64, i64) =
        position::table.select((position::minute, position::key_number)).first(connection)?;
    Ok(SummaryPosition { minute: Minute(minute), key })
}

/// Moves the position on; `false` if another process has done so in the meantime.
pub fn advance(
    connection: &mut AnyConnection,
    from: SummaryPosition,
    to: SummaryPosition,
) -> Result<bool> {
    let unmoved = position::table
        .filter(position::minute.eq(from.minute.0))
        .filter(position::key_number.eq(from.key));
    let moved = diesel::update(unmoved)
        .set((position::minute.eq(to.minute.0), position::key_number.eq(to.key)))
        .execute(connection)?;
    Ok(moved > 0)
}

/// The first minute from this one on that has counts.
pub fn next_minute(connection: &mut AnyConnection, from: Minute) -> Result<Option<Minute>> {
    let minute: Option<i64> = usage_minutes::table
        .filter(usage_minutes::minute.ge(from.0))
        .order(usage_minutes::minute)
        .select(usage_minutes::minute)
        .first(connection)
        .optional()?;
    Ok(minute.map(Minute))
}

/// What becomes of the requests of a summary that is there already.
const ADDED: &str = "key_summaries.month + excluded.month";
const REPLACED: &str = "excluded.month";

/// What becomes of such a summary. Its last use is never an earlier one.
fn on_conflict(month: &str) -> String {
    format!(
        " ON CONFLICT (key_number) DO UPDATE SET month = {month}, last_used_at = CASE \
         WHEN key_summaries.last_used_at > excluded.last_used_at OR excluded.last_used_at IS NULL \
         THEN key_summaries.last_used_at ELSE excluded.last_used_at END"
    )
}

/// Adds the rows of a minute to the summaries.
pub fn add_minute(connection: &mut AnyConnection, minute: Minute) -> Result<()> {
    Statement::<()>::on(connection)
        .sql(
            "INSERT INTO key_summaries (key_number, month, last_used_at) \
             SELECT key_number, CAST(SUM(n) AS BIGINT), MAX(CASE WHEN cell % 8 <> ",
        )
        .number(Outcome::Retired as i64)
        .sql(" THEN last_at END) FROM usage_minutes WHERE minute = ")
        .number(minute.0)
        .sql(" GROUP BY key_number")
        .sql(on_conflict(ADDED))
        .execute(connection)?;
    Ok(())
}

/// Adds those of these counts whose minute was added before they came.
pub fn add_late(connection: &mut AnyConnection, counts: &[Count]) -> Result<()> {
    let from = position(connection)?.minute;
    let mut late: BTreeMap<KeyNumber, (i64, Option<i64>)> = BTreeMap::new();
    for count in counts.iter().filter(|count| count.minute < from) {
        let (month, last_used_at) = late.entry(count.key).or_default();
        *month += count.n;
        let used = (count.cell.outcome() != Outcome::Retired).then_some(count.last_at);
        *last_used_at = used.max(*last_used_at);
    }
    let rows: Vec<_> = late.into_iter().map(|(key, (month, used))| (key, month, used)).collect();
    for rows in rows.chunks(MOST_ROWS) {
        insert(connection, rows, ADDED)?;
    }
    Ok(())
}

/// Inserts rows of a key's number, its requests of 30 days and its last use.
fn insert(
    connection: &mut AnyConnection,
    rows: &[(KeyNumber, i64, Option<i64>)],
    month_there: &str,
) -> Result<()> {
    let mut statement =
        "INSERT INTO key_summaries (key_number, month, last_used_at) VALUES ".to_owned();
    for (place, (key, month, used)) in rows.iter().enumerate() {
        let separator = if place == 0 { "" } else { "," };
        let used = used.map(|at| at.to_string());
        let used = used.as_deref().unwrap_or("NULL");
        // Writing to a String cannot fail.
        let _ = write!(statement, "{separator}({},{month},{used})", key.0);
    }
    statement.push_str(&on_conflict(month_there));
    diesel::sql_query(statement).execute(connection)?;
    Ok(())
}

/// The row numbers of keys after this one, in order.
pub fn keys_after(connection: &mut AnyConnection, key: i64, most: i64) -> Result<Vec<KeyNumber>> {
    let numbers: Vec<i64> = api_keys::table
        .filter(api_keys::number.gt(key))
        .order(api_keys::number)
        .limit(most)
        .select(api_keys::number)
        .load(connection)?;
    numbers.into_iter().map(|number| rows::row_number(number).map(KeyNumber)).collect()
}

/// How many requests of some keys stand in these minutes.
pub fn of_minutes(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    minutes: RangeInclusive<i64>,
) -> Result<HashMap<KeyNumber, i64>> {
    let counts = Statement::<(BigInt, BigInt)>::on(connection)
        .sql("SELECT key_number, CAST(SUM(n) AS BIGINT) FROM ")
        .number_table(minutes)
        .sql(" CROSS JOIN usage_minutes WHERE minute = number.value AND key_number")
        .among(numbers(keys))
        .sql(" GROUP BY key_number");
    let counts: Vec<(i64, i64)> = counts.load(connection)?;
    counts.into_iter().map(|(key, n)| Ok((key_number(key)?, n))).collect()
}

/// Replaces the summaries of some keys by recounted ones, without what is counted of minutes that are
/// still to be added. What came late meanwhile has raised the last use.
pub fn replace(
    connection: &mut AnyConnection,
    figures: &HashMap<KeyNumber, Usage>,
    to_be_added: &HashMap<KeyNumber, i64>,
) -> Result<()> {
    let row = |(key, usage): (&KeyNumber, &Usage)| {
        let month = usage.windows.month.total() - to_be_added.get(key).unwrap_or(&0);
        (*key, month, usage.last_used_at().map(|at| at.timestamp_millis()))
    };
    let mut rows: Vec<_> = figures.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    // In the order that late counts are added in, so that two servers never wait for each other.
    rows.sort_unstable_by_key(|(key, ..)| key.0);
    insert(connection, &rows, REPLACED)
}

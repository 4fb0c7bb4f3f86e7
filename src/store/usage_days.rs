//! Requests of some keys by day: what the small charts of a list are drawn from.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::connection::AnyConnection;
use super::error::Result;
use super::usage::{key_number, minutes, number_list, position};
use crate::model::key::KeyNumber;
use crate::model::usage::{DAYS, Days, Windows};

#[derive(QueryableByName)]
struct DayRow {
    #[diesel(sql_type = BigInt)]
    key_number: i64,
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The last 30 days of some keys, as far as they are written; together, a key's days are its
/// figure of the 30-day window.
///
/// # Errors
/// When the database fails.
pub fn days(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    windows: &Windows,
) -> Result<HashMap<KeyNumber, Days>> {
    let mut days: HashMap<KeyNumber, Days> = keys.iter().map(|key| (*key, [0; DAYS])).collect();
    let list = number_list(keys.iter().map(|key| i64::from(key.0)));
    let first = windows.month.0;
    let hours = diesel::sql_query(format!(
        "SELECT key_number, day, CAST(SUM(n) AS BIGINT) AS n FROM \
         (SELECT key_number, (hour - {first}) / 24 AS day, n FROM usage_hours \
          WHERE key_number IN ({list}) AND hour >= {first}) AS hours GROUP BY key_number, day"
    ));
    for row in hours.load::<DayRow>(connection)? {
        let day = usize::try_from(row.day).unwrap_or(0).min(DAYS - 1);
        days.entry(key_number(row.key_number)?).or_insert([0; DAYS])[day] += row.n;
    }
    let position = position(connection)?;
    for count in minutes(connection, &list, windows, &position)? {
        let day = windows.day_of(count.minute.hour());
        if let Some(day) = day.filter(|_| !position.covers(count.key, count.minute)) {
            days.entry(count.key).or_insert([0; DAYS])[day] += count.n;
        }
    }
    Ok(days)
}

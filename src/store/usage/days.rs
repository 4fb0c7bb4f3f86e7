//! Requests of some keys by day: what the small charts of a list are drawn from.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{key_number, minutes, number_list, position};
use crate::model::key::KeyNumber;
use crate::model::usage::{DAYS, Days, Windows};
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;

#[derive(QueryableByName)]
struct DayRow {
    #[diesel(sql_type = BigInt)]
    key_number: i64,
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The last 30 days of some keys, as far as they are written; a key's days add up to its 30-day
/// window.
pub fn days(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    windows: &Windows,
) -> Result<HashMap<KeyNumber, Days>> {
    let mut days: HashMap<KeyNumber, Days> = keys.iter().map(|key| (*key, [0; DAYS])).collect();
    let list = number_list(keys.iter().map(|key| i64::from(key.0)));
    let first = windows.month.0;
    let numbers: Vec<String> = (0..DAYS).map(|day| format!("({day})")).collect();
    // A range of the primary key for each day of each key: grouping them would sort every row.
    let hours = diesel::sql_query(format!(
        "WITH days(day) AS (VALUES {}) SELECT key_number, day, n FROM ( \
         SELECT k.number AS key_number, CAST(d.day AS BIGINT) AS day, \
         (SELECT CAST(SUM(h.n) AS BIGINT) FROM usage_hours h WHERE h.key_number = k.number \
          AND h.hour >= {first} + 24 * d.day \
          AND h.hour < {first} + 24 * d.day + CASE WHEN d.day = {} THEN 1000000 ELSE 24 END) AS n \
         FROM api_keys k CROSS JOIN days d WHERE k.number IN ({list})) AS sums WHERE n > 0",
        numbers.join(","),
        DAYS - 1,
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

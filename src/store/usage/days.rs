//! Requests of some keys by day: what the small charts of a list are drawn from.

use std::collections::HashMap;

use diesel::sql_types::BigInt;

use super::{Position, key_number, numbers, open_minutes};
use crate::model::key::KeyNumber;
use crate::model::usage::{DAYS, Days, Windows};
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;

/// The last 30 days of some keys, as far as they are written; a key's days add up to its 30-day
/// window.
pub fn days(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    windows: &Windows,
    position: &Position,
) -> Result<HashMap<KeyNumber, Days>> {
    let mut days: HashMap<KeyNumber, Days> = keys.iter().map(|key| (*key, [0; DAYS])).collect();
    let first = windows.month.0;
    let all_days: Vec<String> = (0..DAYS).map(|day| format!("({day})")).collect();
    // A range of the primary key for each day of each key: grouping them would sort every row.
    let hours = Statement::<(BigInt, BigInt, BigInt)>::on(connection)
        .sql(format!(
            "WITH days(day) AS (VALUES {}) SELECT key_number, day, n FROM ( \
             SELECT k.number AS key_number, CAST(d.day AS BIGINT) AS day, \
             (SELECT CAST(SUM(h.n) AS BIGINT) FROM usage_hours h WHERE h.key_number = k.number \
              AND h.hour >= 24 * d.day + ",
            all_days.join(","),
        ))
        .number(first)
        .sql(" AND h.hour < 24 * d.day + ")
        .number(first)
        .sql(format!(
            " + CASE WHEN d.day = {} THEN 1000000 ELSE 24 END) AS n \
             FROM api_keys k CROSS JOIN days d WHERE k.number",
            DAYS - 1,
        ))
        .among(numbers(keys))
        .sql(") AS sums WHERE n > 0");
    for (key, day, n) in hours.load::<(i64, i64, i64)>(connection)? {
        let day = usize::try_from(day).unwrap_or(0).min(DAYS - 1);
        days.entry(key_number(key)?).or_insert([0; DAYS])[day] += n;
    }
    for count in open_minutes(connection, keys, windows, position)? {
        if let Some(day) = windows.day_of(count.minute.hour()) {
            days.entry(count.key).or_insert([0; DAYS])[day] += count.n;
        }
    }
    Ok(days)
}

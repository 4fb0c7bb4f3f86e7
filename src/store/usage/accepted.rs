//! How many requests of some keys were accepted since a time, as far as is written, whoever accepted
//! them: what limits are shared by.

use std::collections::HashMap;

use diesel::sql_types::BigInt;

use super::{journal, key_number, numbers, open_minutes, position};
use crate::model::key::KeyNumber;
use crate::model::usage::{Cell, Hour, KeySelection, Outcome, Windows};
use crate::model::words::Word;
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;

/// Counts the accepted requests of some keys since an hour began; those without any are left out.
/// To be read in a snapshot.
pub fn accepted_since(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    from: Hour,
    windows: &Windows,
) -> Result<HashMap<KeyNumber, i64>> {
    let accepted = Outcome::ALL.iter().filter(|outcome| outcome.is_accepted());
    // The lowest three bits of a cell are its outcome.
    let hours = Statement::<(BigInt, BigInt)>::on(connection)
        .sql("SELECT key_number, CAST(SUM(n) AS BIGINT) FROM usage_hours WHERE key_number")
        .among(numbers(keys))
        .sql(" AND hour >= ")
        .number(from.0)
        .sql(" AND (cell & 7)")
        .among(accepted.map(|outcome| *outcome as i64))
        .sql(" AND NOT cell")
        .among(Cell::of_nothing().map(Cell::number))
        .sql(" GROUP BY key_number");
    let mut sums = HashMap::new();
    for (key, n) in hours.load::<(i64, i64)>(connection)? {
        sums.insert(key_number(key)?, n);
    }
    let position = position(connection)?;
    let mut counts = open_minutes(connection, keys, windows, &position)?;
    counts.extend(journal::counts(connection, KeySelection::Only(keys))?);
    for count in counts {
        if count.minute >= from.first_minute() && count.cell.is_accepted() {
            *sums.entry(count.key).or_default() += count.n;
        }
    }
    Ok(sums)
}

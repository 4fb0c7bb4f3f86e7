//! How many requests of some keys were accepted since a time, as far as is written, whoever accepted
//! them: what limits are shared by.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{journal, key_number, minutes, number_list, position};
use crate::model::key::KeyNumber;
use crate::model::usage::{Hour, KeySelection, Outcome, Windows};
use crate::model::words::Word;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;

#[derive(QueryableByName)]
struct SumRow {
    #[diesel(sql_type = BigInt)]
    key_number: i64,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Counts the accepted requests of some keys since an hour began; those without any are left out.
/// To be read in a snapshot.
pub fn accepted_since(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    from: Hour,
    windows: &Windows,
) -> Result<HashMap<KeyNumber, i64>> {
    let list = number_list(keys.iter().map(|key| i64::from(key.0)));
    let accepted = Outcome::ALL.iter().filter(|outcome| outcome.is_accepted());
    // The lowest three bits of a cell are its outcome.
    let hours = diesel::sql_query(format!(
        "SELECT key_number, CAST(SUM(n) AS BIGINT) AS n FROM usage_hours WHERE \
         key_number IN ({list}) AND hour >= {} AND (cell & 7) IN ({}) GROUP BY key_number",
        from.0,
        number_list(accepted.map(|outcome| *outcome as i64)),
    ));
    let mut sums = HashMap::new();
    for row in hours.load::<SumRow>(connection)? {
        sums.insert(key_number(row.key_number)?, row.n);
    }
    let position = position(connection)?;
    let mut counts = minutes(connection, &list, windows, &position)?;
    counts.retain(|count| !position.covers(count.key, count.minute));
    counts.extend(journal::counts(connection, KeySelection::Only(keys))?);
    for count in counts {
        if count.minute >= from.first_minute() && count.cell.outcome().is_accepted() {
            *sums.entry(count.key).or_default() += count.n;
        }
    }
    Ok(sums)
}

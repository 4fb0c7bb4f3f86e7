//! Keys that were reported as leaked.

use diesel::prelude::*;

use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::schema::api_keys as table;

/// Marks a key as leaked since a moment.
pub fn set_leaked(
    connection: &mut AnyConnection,
    number: KeyNumber,
    at: Moment,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
        .set((table::leaked_at.eq(at.naive_utc()), table::revision.eq(revision)))
        .execute(connection)?;
    Ok(())
}

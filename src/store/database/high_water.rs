//! The highest time that any process has seen, which is remembered across restarts.

use diesel::prelude::*;

use super::any_connection::AnyConnection;
use crate::model::time::Moment;
use crate::store::error::Result;
use crate::store::schema::bitting;

/// Stores the highest time seen; a lower one changes nothing.
pub fn raise_high_water(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    let now = now.naive_utc();
    diesel::update(bitting::table.filter(bitting::high_water.lt(now)))
        .set(bitting::high_water.eq(now))
        .execute(connection)?;
    Ok(())
}

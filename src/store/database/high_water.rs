//! The highest time that any process has seen: remembering it, and setting it back after a clock that
//! was far ahead has been mended.

use diesel::prelude::*;

use super::any_connection::AnyConnection;
use super::migrate;
use super::target::Target;
use crate::model::time::Moment;
use crate::store::error::{Error, Result};
use crate::store::schema::bitting;
use crate::store::servers;

/// Sets the highest time seen to `now`; returns what it was.
///
/// # Errors
/// [`Error::Refused`] while another process has the database open: a running server keeps the time
/// in memory and would write it again.
pub fn reset(target: &Target, now: Moment) -> Result<Moment> {
    let mut session = target.open_alone()?;
    let in_use = || {
        Error::Refused(format!(
            "{target}: in use by another process, which would write its own time back; stop every server first"
        ))
    };
    // SQLite says so itself, below.
    if matches!(target, Target::Postgres(_)) && servers::any_runs(&mut session)? {
        return Err(in_use());
    }
    let result = session.write(|connection| {
        let before = migrate::look(connection, target)?.mark.high_water;
        diesel::update(bitting::table)
            .set(bitting::high_water.eq(now.naive_utc()))
            .execute(connection)?;
        Result::Ok(before)
    });
    match (result, target) {
        (Err(Error::Statement(why)), Target::Sqlite(_)) if why.to_string().contains("locked") => {
            Err(in_use())
        }
        (result, _) => result,
    }
}

/// Stores the highest time seen; a lower one changes nothing.
pub fn raise_high_water(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    let now = now.naive_utc();
    diesel::update(bitting::table.filter(bitting::high_water.lt(now)))
        .set(bitting::high_water.eq(now))
        .execute(connection)?;
    Ok(())
}

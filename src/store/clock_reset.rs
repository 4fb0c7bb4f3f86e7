//! Setting the time back, after a clock that was far ahead has been mended: the highest time seen, and
//! every later time that something goes by or that is shown as the last one.
//!
//! When something was changed, and until when a key or token is good, stays as it was recorded.

use diesel::prelude::*;

use super::database::any_connection::AnyConnection;
use super::database::migrate;
use super::database::target::Target;
use super::error::{Error, Result};
use super::schema::{
    admin_tokens, api_keys, bitting, connections, expiry_scan, idempotency, key_addresses,
    key_errors, key_summaries, key_summary_position, login_failures, notifications, one_time_links,
    scope_uses, servers as running, sessions, usage_hours, usage_minutes, usage_totals, users,
};
use super::servers;
use super::usage::{journal, rollup};
use crate::model::time::Moment;
use crate::model::usage::Minute;
use crate::model::warnings::WarningKind;
use crate::model::words::Word;

/// What was found when the time was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReset {
    /// The highest time seen until then.
    pub before: Moment,
    /// How many keys were made at a time that has not come yet; their ends are as much too late.
    pub keys: i64,
    /// The same of admin tokens.
    pub tokens: i64,
}

/// Sets the time back to `now`. What was counted at later times stays in the counts of a key's whole
/// life, and leaves its windows.
///
/// # Errors
/// [`Error::Refused`] while another process has the database open: a running server keeps the time
/// in memory and would write it again.
pub fn reset(target: &Target, now: Moment) -> Result<ClockReset> {
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
        let look = migrate::look(connection, target)?;
        if look.outdated {
            return Err(Error::Refused(format!(
                "{target}: an older version's; run `bitting migrate` first"
            )));
        }
        let before = look.mark.high_water;
        diesel::update(bitting::table)
            .set(bitting::high_water.eq(now.naive_utc()))
            .execute(connection)?;
        journal::fold(connection)?;
        rollup::set_back(connection, Minute::of(now).hour())?;
        forget_early_warnings(connection, now)?;
        set_back_columns(connection, now)?;
        // Those that run note themselves again.
        diesel::delete(running::table).execute(connection)?;
        let at = now.naive_utc();
        let keys = api_keys::table.filter(api_keys::created_at.gt(at));
        let tokens = admin_tokens::table.filter(admin_tokens::created_at.gt(at));
        Result::Ok(ClockReset {
            before,
            keys: keys.count().get_result(connection)?,
            tokens: tokens.count().get_result(connection)?,
        })
    });
    match (result, target) {
        (Err(Error::Statement(why)), Target::Sqlite(_)) if why.to_string().contains("locked") => {
            Err(in_use())
        }
        (result, _) => result,
    }
}

/// Sets columns that are later than a value to it.
macro_rules! at_most {
    ($connection:ident, $value:expr; $($table:ident: $($column:ident),+;)+) => {$($(
        diesel::update($table::table.filter($table::$column.gt($value)))
            .set($table::$column.eq($value))
            .execute($connection)?;
    )+)+};
}

fn set_back_columns(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    at_most! { connection, now.naive_utc();
        admin_tokens: last_used_at;
        connections: test_since, tested_at;
        login_failures: last_at;
        notifications: created_at, due_at;
        sessions: created_at, last_seen_at;
        users: last_login_at;
    }
    at_most! { connection, now.timestamp_millis();
        key_addresses: last_at;
        key_errors: at;
        key_summaries: last_used_at;
        scope_uses: last_at;
        usage_hours: last_at;
        usage_minutes: last_at;
        usage_totals: last_at;
    }
    at_most! { connection, Minute::of(now).0; key_summary_position: minute; }
    // Each is good for a day at most.
    let tomorrow = (now + chrono::Duration::days(1)).naive_utc();
    at_most! { connection, tomorrow;
        idempotency: expires_at;
        one_time_links: expires_at;
    }
    Ok(())
}

/// Has keys that were warned of far too early warned of once more, when it is time.
fn forget_early_warnings(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    let now = now.naive_utc();
    let early = notifications::table
        .filter(notifications::kind.eq(WarningKind::KeyExpiring.as_str()))
        .filter(notifications::created_at.gt(now));
    diesel::delete(early).execute(connection)?;
    diesel::update(expiry_scan::table.filter(expiry_scan::expires_at.gt(now)))
        .set((expiry_scan::expires_at.eq(now), expiry_scan::key_number.eq(0)))
        .execute(connection)?;
    Ok(())
}

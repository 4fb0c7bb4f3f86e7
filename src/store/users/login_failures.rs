//! Failed logins in a row, in the database.

use diesel::prelude::*;

use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows::MomentColumn;
use crate::store::schema::login_failures as table;

/// The failed logins of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// How many failed in a row.
    pub failures: i64,
    /// When the last one failed.
    pub last_at: Moment,
}

/// The failures recorded for a subject.
pub fn find(connection: &mut AnyConnection, subject: &Digest) -> Result<Option<Failures>> {
    let found: Option<(i64, MomentColumn)> = table::table
        .filter(table::subject.eq(subject.as_bytes().to_vec()))
        .select((table::failures, table::last_at))
        .first(connection)
        .optional()?;
    Ok(found.map(|(failures, last_at)| Failures { failures, last_at: last_at.0 }))
}

/// Notes how often a subject failed; the caller holds [`AdvisoryLock::Logins`], so that nobody else
/// does meanwhile.
///
/// [`AdvisoryLock::Logins`]: crate::store::database::transaction::AdvisoryLock::Logins
pub fn set(connection: &mut AnyConnection, subject: &Digest, now: Failures) -> Result<()> {
    let subject = subject.as_bytes().to_vec();
    let values = (table::failures.eq(now.failures), table::last_at.eq(now.last_at.naive_utc()));
    let changed = diesel::update(table::table.filter(table::subject.eq(subject.clone())))
        .set(values)
        .execute(connection)?;
    if changed == 0 {
        diesel::insert_into(table::table)
            .values((
                table::subject.eq(subject),
                table::failures.eq(now.failures),
                table::last_at.eq(now.last_at.naive_utc()),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// Drops the failures of a subject.
pub fn delete(connection: &mut AnyConnection, subject: &Digest) -> Result<()> {
    diesel::delete(table::table.filter(table::subject.eq(subject.as_bytes().to_vec())))
        .execute(connection)?;
    Ok(())
}

/// Drops some subjects that have not failed since `since`; returns how many.
pub fn delete_older(connection: &mut AnyConnection, since: Moment, limit: i64) -> Result<usize> {
    let old: Vec<Vec<u8>> = table::table
        .filter(table::last_at.le(since.naive_utc()))
        .select(table::subject)
        .limit(limit)
        .load(connection)?;
    for subject in &old {
        diesel::delete(table::table.filter(table::subject.eq(subject))).execute(connection)?;
    }
    Ok(old.len())
}

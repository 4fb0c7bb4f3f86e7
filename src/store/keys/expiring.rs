//! Keys that are about to expire, looked through in the order of their ends.

use diesel::prelude::*;

use super::{Row, keys_of};
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows::{self, MomentColumn};
use crate::store::schema::{api_keys as table, expiry_scan as scan};

/// Up to which key those that expire in so many days have been looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanPosition {
    /// The end of the last key that was looked at.
    pub expires_at: Moment,
    /// Its row number.
    pub key: KeyNumber,
}

/// How far the keys have been looked through so many days ahead.
pub fn position(connection: &mut AnyConnection, days: i64) -> Result<ScanPosition> {
    let (end, number): (MomentColumn, i64) = scan::table
        .filter(scan::days.eq(days))
        .select((scan::expires_at, scan::key_number))
        .first(connection)?;
    Ok(ScanPosition { expires_at: end.0, key: KeyNumber(rows::row_number(number)?) })
}

/// Moves the position on.
pub fn advance(connection: &mut AnyConnection, days: i64, to: ScanPosition) -> Result<()> {
    diesel::update(scan::table.filter(scan::days.eq(days)))
        .set((
            scan::expires_at.eq(to.expires_at.naive_utc()),
            scan::key_number.eq(i64::from(to.key.0)),
        ))
        .execute(connection)?;
    Ok(())
}

/// Moves a position that is at a key or behind it back to before that key, whose end has come nearer.
pub fn step_back(connection: &mut AnyConnection, days: i64, key: ScanPosition) -> Result<()> {
    let (end, number) = (key.expires_at.naive_utc(), i64::from(key.key.0));
    let at_or_behind =
        scan::expires_at.gt(end).or(scan::expires_at.eq(end).and(scan::key_number.ge(number)));
    diesel::update(scan::table.filter(scan::days.eq(days)).filter(at_or_behind))
        .set((scan::expires_at.eq(end), scan::key_number.eq(number - 1)))
        .execute(connection)?;
    Ok(())
}

/// Keys behind the position that expire up to `until`, in the order of their ends, without those
/// that were revoked or rotated.
pub fn after(
    connection: &mut AnyConnection,
    position: ScanPosition,
    until: Moment,
    limit: i64,
) -> Result<Vec<ApiKey>> {
    let (end, number) = (position.expires_at.naive_utc(), i64::from(position.key.0));
    let behind = table::expires_at
        .gt(end)
        .or(table::expires_at.eq(end).and(table::number.gt(number)))
        .assume_not_null();
    let rows: Vec<Row> = table::table
        .filter(table::revoked_at.is_null())
        // What the index is searched by.
        .filter(table::expires_at.ge(end).assume_not_null())
        .filter(table::expires_at.le(until.naive_utc()).assume_not_null())
        .filter(behind)
        .filter(table::replaced_by.is_null())
        .order((table::expires_at, table::number))
        .limit(limit)
        .load(connection)?;
    keys_of(connection, rows)
}

/// How many keys that were not revoked expire between these moments.
pub fn count(connection: &mut AnyConnection, from: Moment, to: Moment) -> Result<i64> {
    Ok(table::table
        .filter(table::revoked_at.is_null())
        .filter(table::expires_at.gt(from.naive_utc()).assume_not_null())
        .filter(table::expires_at.le(to.naive_utc()).assume_not_null())
        .count()
        .get_result(connection)?)
}

//! The last failed requests of each key, in the database.

use diesel::prelude::*;

use crate::model::failed_request::{FailedRequest, KEPT};
use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;
use crate::store::rows::unreadable;
use crate::store::schema::key_errors as table;

/// Rows added by one statement: 7 parameters each.
const ROWS_PER_STATEMENT: usize = 500;

/// Adds failed requests, which come sorted by key, and drops all but the last ones of each key.
pub fn note(connection: &mut AnyConnection, failed: &[(KeyNumber, FailedRequest)]) -> Result<()> {
    for some in failed.chunks(ROWS_PER_STATEMENT) {
        let row = |(key, failed): &(KeyNumber, FailedRequest)| {
            (
                table::key_number.eq(i64::from(key.0)),
                table::at.eq(failed.at.timestamp_millis()),
                table::method.eq(failed.method.clone()),
                table::route.eq(failed.route.clone()),
                table::status.eq(i64::from(failed.status)),
                table::code.eq(failed.code.clone()),
                table::address.eq(failed.address.clone()),
            )
        };
        let rows: Vec<_> = some.iter().map(row).collect();
        crate::store::database::any_connection::on_either!(connection => {
            diesel::insert_into(table::table).values(rows).execute(connection)?
        });
    }
    let mut keys: Vec<i64> = failed.iter().map(|(key, _)| key.0.into()).collect();
    keys.dedup();
    if !keys.is_empty() {
        Statement::<()>::on(connection)
            .sql(
                "DELETE FROM key_errors WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER \
                 (PARTITION BY key_number ORDER BY at DESC, id DESC) AS place FROM key_errors \
                 WHERE key_number",
            )
            .among(keys)
            .sql(format!(") AS placed WHERE place > {KEPT})"))
            .execute(connection)?;
    }
    Ok(())
}

/// The last failed requests of a key, the newest first.
pub fn list(connection: &mut AnyConnection, key: KeyNumber) -> Result<Vec<FailedRequest>> {
    type Row = (i64, String, Option<String>, i64, String, Option<String>);
    let rows: Vec<Row> = table::table
        .filter(table::key_number.eq(i64::from(key.0)))
        .order((table::at.desc(), table::id.desc()))
        .limit(KEPT as i64)
        .select((
            table::at,
            table::method,
            table::route,
            table::status,
            table::code,
            table::address,
        ))
        .load(connection)?;
    let failed = |(at, method, route, status, code, address): Row| {
        Ok(FailedRequest {
            at: Moment::from_timestamp_millis(at).unwrap_or_default(),
            method,
            route,
            status: u16::try_from(status).map_err(|_| unreadable("status", &status.to_string()))?,
            code,
            address,
        })
    };
    rows.into_iter().map(failed).collect()
}

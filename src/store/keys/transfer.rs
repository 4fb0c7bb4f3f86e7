//! Keys moving in and out of the database, many at a time.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::listing::matching;
use super::{NewRow, Row, demand_knowledge_of, keys_of};
use crate::model::id::KeyId;
use crate::model::key::ApiKey;
use crate::model::key_filter::KeyFilter;
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::store::database::any_connection::{AnyConnection, on_either};
use crate::store::error::Result;
use crate::store::rows::{DigestColumn, Parsed};
use crate::store::schema::api_keys as table;

/// Digests looked up by one statement.
const DIGESTS_PER_STATEMENT: usize = 500;
/// Keys stored by one statement: 19 parameters each, of which SQLite takes 32,766.
const ROWS_PER_STATEMENT: usize = 500;

/// Stores many new keys; their own `number` is not looked at.
pub fn insert_many(connection: &mut AnyConnection, keys: &[ApiKey]) -> Result<()> {
    if let AnyConnection::Sqlite(connection) = connection {
        // Digests lie anywhere in their index. So all of it is wanted at hand, and a page that is
        // changed again and again is to be written to the file once: 64 MiB for either.
        connection
            .batch_execute("PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16384")?;
    }
    if let Some(limited) = keys.iter().find(|key| !key.limits.is_empty()) {
        demand_knowledge_of(connection, &limited.limits)?;
    }
    for some in keys.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<_> = some.iter().map(NewRow::of).collect();
        on_either!(connection => {
            diesel::insert_into(table::table).values(rows).execute(connection)?
        });
    }
    Ok(())
}

/// Which of these digests belong to keys, and to which.
pub fn ids_of_digests(
    connection: &mut AnyConnection,
    digests: &[Digest],
) -> Result<Vec<(Digest, KeyId)>> {
    let mut found = Vec::new();
    for some in digests.chunks(DIGESTS_PER_STATEMENT) {
        let some = some.iter().map(|digest| digest.as_bytes().to_vec());
        let rows: Vec<(DigestColumn, Parsed<KeyId>)> = table::table
            .filter(table::digest.eq_any(some))
            .select((table::digest, table::id))
            .load(connection)?;
        found.extend(rows.into_iter().map(|(digest, id)| (digest.0, id.0)));
    }
    Ok(found)
}

/// Lifts the time limits of this transaction, whose reader may be as slow as they like.
pub fn disable_timeouts(connection: &mut AnyConnection) -> Result<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(connection) => {
            Ok(connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0")?)
        }
    }
}

/// Up to `limit` keys after a row number that a filter lets through, the oldest first.
pub fn after(
    connection: &mut AnyConnection,
    filter: &KeyFilter,
    last: i64,
    limit: i64,
    now: Moment,
) -> Result<Vec<ApiKey>> {
    let rows: Vec<Row> = matching(filter, None, now)
        .filter(table::number.gt(last))
        .select(table::all_columns)
        .order(table::number)
        .limit(limit)
        .load(connection)?;
    keys_of(connection, rows)
}

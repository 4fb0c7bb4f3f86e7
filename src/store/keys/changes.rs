//! What has changed of keys, for those who keep them in memory.

use diesel::prelude::*;

use super::limits;
use crate::model::id::KeyId;
use crate::model::key::{KeyChange, KeyNumber};
use crate::model::scope::ScopeSet;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows;
use crate::store::rows::{DigestColumn, MomentColumn, Parsed};
use crate::store::schema::api_keys as table;

type ChangeRow = (
    (DigestColumn, i64, Parsed<KeyId>, Parsed<ScopeSet>, Option<MomentColumn>, bool, i64, bool),
    (Option<String>, Option<String>, Option<String>),
);

/// The keys that were changed after a revision, in the order of their changes.
pub fn changed_since(
    connection: &mut AnyConnection,
    revision: i64,
    limit: i64,
) -> Result<Vec<KeyChange>> {
    let rows: Vec<ChangeRow> = table::table
        .filter(table::revision.gt(revision))
        .order(table::revision)
        .limit(limit)
        .select((
            (
                table::digest,
                table::number,
                table::id,
                table::scopes,
                table::expires_at,
                table::revoked_at.is_not_null(),
                table::revision,
                table::imported,
            ),
            (table::rate_limit, table::quota, table::allowed_networks),
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(key, (rate_limit, quota, allowed_networks))| {
            let (digest, number, id, scopes, expires_at, revoked, revision, imported) = key;
            Ok(KeyChange {
                digest: digest.0,
                number: KeyNumber(rows::row_number(number)?),
                id: id.0,
                scopes: scopes.0,
                limits: limits((rate_limit, quota, allowed_networks))?,
                expires_at: expires_at.map(|end| end.0),
                revoked,
                imported,
                revision,
            })
        })
        .collect()
}

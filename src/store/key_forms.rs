//! Forms that have made their key, in the database.

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::error::Result;
use super::rows;
use super::schema::key_forms as table;
use crate::model::id::KeyId;
use crate::model::secret::Digest;

/// Notes that the form with this nonce has made a key.
///
/// # Errors
/// When the database fails.
pub fn insert(connection: &mut AnyConnection, nonce: &Digest, key: KeyId) -> Result<()> {
    diesel::insert_into(table::table)
        .values((table::digest.eq(nonce.as_bytes().to_vec()), table::key_id.eq(key.to_string())))
        .execute(connection)?;
    Ok(())
}

/// The key that the form with this nonce has made, if it has.
///
/// # Errors
/// When the database fails.
pub fn find(connection: &mut AnyConnection, nonce: &Digest) -> Result<Option<KeyId>> {
    let id: Option<String> = table::table
        .filter(table::digest.eq(nonce.as_bytes().to_vec()))
        .select(table::key_id)
        .first(connection)
        .optional()?;
    id.map(|id| rows::parse("key id", &id)).transpose()
}

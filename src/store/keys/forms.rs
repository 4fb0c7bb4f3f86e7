//! Forms that have made their key, admin token or user, in the database.

use std::fmt::Display;
use std::str::FromStr;

use diesel::prelude::*;

use crate::model::secret::Digest;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows;
use crate::store::schema::key_forms as table;

/// Records that the form with this nonce made what has this id.
pub fn insert(connection: &mut AnyConnection, nonce: &Digest, made: impl Display) -> Result<()> {
    diesel::insert_into(table::table)
        .values((table::digest.eq(nonce.as_bytes().to_vec()), table::key_id.eq(made.to_string())))
        .execute(connection)?;
    Ok(())
}

/// The id of what the form with this nonce made, if it made something.
pub fn find<Id: FromStr>(connection: &mut AnyConnection, nonce: &Digest) -> Result<Option<Id>> {
    let id: Option<String> = table::table
        .filter(table::digest.eq(nonce.as_bytes().to_vec()))
        .select(table::key_id)
        .first(connection)
        .optional()?;
    id.map(|id| rows::parse("id of a form", &id)).transpose()
}

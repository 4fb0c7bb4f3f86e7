//! Links that are good once, in the database.

use diesel::prelude::*;

use crate::model::id::UserId;
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows;
use crate::store::schema::one_time_links as table;

/// Stores a new link: for a user to set a password by, or, without one, for the first
/// administrator to be made by.
pub fn insert(
    connection: &mut AnyConnection,
    digest: &Digest,
    user: Option<UserId>,
    expires_at: Moment,
) -> Result<()> {
    diesel::insert_into(table::table)
        .values((
            table::digest.eq(digest.as_bytes().to_vec()),
            table::user_id.eq(user.map(|user| user.to_string())),
            table::expires_at.eq(expires_at.naive_utc()),
        ))
        .execute(connection)?;
    Ok(())
}

/// The user that the link with this secret is for; outer none if it is no longer valid, inner none
/// if it makes the first administrator.
pub fn find(
    connection: &mut AnyConnection,
    digest: &Digest,
    now: Moment,
) -> Result<Option<Option<UserId>>> {
    let found: Option<Option<String>> = table::table
        .filter(table::digest.eq(digest.as_bytes().to_vec()))
        .filter(table::expires_at.gt(now.naive_utc()))
        .select(table::user_id)
        .first(connection)
        .optional()?;
    found.map(|user| rows::optional_id("user id", user)).transpose()
}

/// Deletes every link of a user, or every one that makes the first administrator.
pub fn delete_all_of(connection: &mut AnyConnection, user: Option<UserId>) -> Result<()> {
    match user {
        Some(user) => diesel::delete(table::table.filter(table::user_id.eq(user.to_string())))
            .execute(connection)?,
        None => {
            diesel::delete(table::table.filter(table::user_id.is_null())).execute(connection)?
        }
    };
    Ok(())
}

/// Deletes every link; returns how many there were.
pub fn delete_all(connection: &mut AnyConnection) -> Result<usize> {
    Ok(diesel::delete(table::table).execute(connection)?)
}

/// Deletes the expired links. They are made by hand and are few.
pub fn delete_expired(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    diesel::delete(table::table.filter(table::expires_at.le(now.naive_utc())))
        .execute(connection)?;
    Ok(())
}

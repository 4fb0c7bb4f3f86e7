//! Who is responsible for keys.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::model::holder::KeyHolder;
use crate::model::id::UserId;
use crate::model::key::KeyNumber;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::schema::{api_keys as table, users};
use crate::store::users as user_store;

/// Those of these users who exist, by their ids.
pub(super) fn of_ids(
    connection: &mut AnyConnection,
    mut ids: Vec<&str>,
) -> Result<HashMap<String, KeyHolder>> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<user_store::Row> =
        users::table.filter(users::id.eq_any(ids)).select(user_store::COLUMNS).load(connection)?;
    let holder = |row| {
        let user = user_store::read(row)?;
        Ok((user.id.to_string(), user.as_holder()))
    };
    found.into_iter().map(holder).collect()
}

/// Hands a key to a user, or to nobody.
pub fn set_holder(
    connection: &mut AnyConnection,
    number: KeyNumber,
    holder: Option<UserId>,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
        .set((table::user_id.eq(holder.map(|user| user.to_string())), table::revision.eq(revision)))
        .execute(connection)?;
    Ok(())
}

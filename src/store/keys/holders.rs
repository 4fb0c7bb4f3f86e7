//! Who is responsible for keys.

use std::collections::HashMap;

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use crate::model::holder::KeyHolder;
use crate::model::id::UserId;
use crate::model::key::KeyNumber;
use crate::model::time::Moment;
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

/// How many active keys some users hold together. One that was rotated counts as the key that it became, as
/// long as that one is active and one of them holds it.
pub fn count_held(connection: &mut AnyConnection, users: &[UserId], now: Moment) -> Result<usize> {
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    let now = now.naive_utc();
    let next = diesel::alias!(table as next);
    let successor = next.filter(
        next.field(table::id)
            .nullable()
            .eq(table::replaced_by)
            .and(next.field(table::user_id).eq_any(users.clone()))
            .and(next.field(table::revoked_at).is_null())
            .and(
                next.field(table::expires_at)
                    .is_null()
                    .or(next.field(table::expires_at).gt(now).assume_not_null()),
            ),
    );
    let held: i64 = table::table
        .filter(table::user_id.eq_any(users))
        .filter(table::revoked_at.is_null())
        .filter(table::expires_at.is_null().or(table::expires_at.gt(now).assume_not_null()))
        .filter(not(exists(successor)))
        .count()
        .get_result(connection)?;
    Ok(usize::try_from(held).unwrap_or_default())
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

//! API keys in the database.

pub mod changes;
pub mod errors;
pub mod expiring;
pub mod forms;
pub mod holders;
pub mod leaks;
pub mod lineage;
pub mod listing;
pub mod summaries;
pub mod transfer;

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::database::any_connection::{AnyConnection, on_either};
use super::database::generation::demand_this;
use super::error::Result;
use super::rows::{self, MomentColumn};
use super::schema::api_keys as table;
use super::text::lower;
use crate::model::holder::KeyHolder;
use crate::model::id::{KeyId, UserId};
use crate::model::key::{ApiKey, KeyLabel, KeyNumber, Revocation, Status, status_at};
use crate::model::key_filter::{KeyFilter, StatusFilter};
use crate::model::key_settings::KeySettings;
use crate::model::limits::{KeyLimits, Networks};
use crate::model::page::Limit;
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::model::words::Word;
use listing::matching;

#[derive(Queryable)]
pub(super) struct Row {
    number: i64,
    id: String,
    digest: Vec<u8>,
    name: String,
    description: Option<String>,
    owner: Option<String>,
    scopes: String,
    display: String,
    created_at: MomentColumn,
    created_by_type: String,
    created_by_id: Option<String>,
    created_by_name: String,
    expires_at: Option<MomentColumn>,
    revoked_at: Option<MomentColumn>,
    revoked_by_type: Option<String>,
    revoked_by_id: Option<String>,
    revoked_by_name: Option<String>,
    revoke_reason: Option<String>,
    revision: i64,
    user_id: Option<String>,
    imported: bool,
    rate_limit: Option<String>,
    quota: Option<String>,
    allowed_networks: Option<String>,
    replaces: Option<String>,
    replaced_by: Option<String>,
    leaked_at: Option<MomentColumn>,
}

impl Row {
    fn into_key(self, holder: Option<KeyHolder>) -> Result<ApiKey> {
        let row = self;
        Ok(ApiKey {
            number: KeyNumber(rows::row_number(row.number)?),
            id: rows::parse("key id", &row.id)?,
            digest: row.digest.try_into().map_err(|why| rows::unreadable(why, &row.id))?,
            label: KeyLabel { name: row.name, description: row.description, owner: row.owner },
            scopes: rows::parse("scopes", &row.scopes)?,
            limits: limits((row.rate_limit, row.quota, row.allowed_networks))?,
            display: row.display,
            created_at: row.created_at.0,
            created_by: rows::actor(&row.created_by_type, row.created_by_id, row.created_by_name)?,
            holder,
            expires_at: row.expires_at.map(|end| end.0),
            revocation: rows::revocation(
                row.revoked_at,
                row.revoked_by_type,
                row.revoked_by_id,
                row.revoked_by_name,
                row.revoke_reason,
            )?,
            imported: row.imported,
            replaces: rows::optional_id("key id", row.replaces)?,
            replaced_by: rows::optional_id("key id", row.replaced_by)?,
            leaked_at: row.leaked_at.map(|at| at.0),
            revision: row.revision,
        })
    }
}

/// The three columns of the limits: rate limit, quota and networks.
pub(super) type LimitColumns = (Option<String>, Option<String>, Option<String>);

pub(super) fn limits((rate_limit, quota, allowed_networks): LimitColumns) -> Result<KeyLimits> {
    Ok(KeyLimits {
        rate_limit: rows::optional_id("rate limit", rate_limit)?,
        quota: rows::optional_id("quota", quota)?,
        allowed_networks: rows::optional_id("networks", allowed_networks)?,
    })
}

/// Makes keys of rows, in their order; their holders are read at once.
fn keys_of(connection: &mut AnyConnection, rows: Vec<Row>) -> Result<Vec<ApiKey>> {
    let ids = rows.iter().filter_map(|row| row.user_id.as_deref()).collect();
    let holders = holders::of_ids(connection, ids)?;
    rows.into_iter()
        .map(|row| {
            let holder = row.user_id.as_ref().and_then(|id| holders.get(id)).cloned();
            row.into_key(holder)
        })
        .collect()
}

/// Makes a key of a row, if there is one.
fn key_of(connection: &mut AnyConnection, row: Option<Row>) -> Result<Option<ApiKey>> {
    Ok(keys_of(connection, row.into_iter().collect())?.pop())
}

#[derive(Insertable)]
#[diesel(table_name = table, treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    id: String,
    digest: &'a [u8],
    name: &'a str,
    description: Option<&'a str>,
    owner: Option<&'a str>,
    scopes: String,
    display: &'a str,
    created_at: NaiveDateTime,
    created_by_type: &'a str,
    created_by_id: Option<&'a str>,
    created_by_name: &'a str,
    expires_at: Option<NaiveDateTime>,
    revision: i64,
    user_id: Option<String>,
    imported: bool,
    rate_limit: Option<String>,
    quota: Option<String>,
    allowed_networks: Option<String>,
    replaces: Option<String>,
}

impl<'a> NewRow<'a> {
    pub(super) fn of(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            digest: key.digest.as_bytes(),
            name: &key.label.name,
            description: key.label.description.as_deref(),
            owner: key.label.owner.as_deref(),
            scopes: key.scopes.to_string(),
            display: &key.display,
            created_at: key.created_at.naive_utc(),
            created_by_type: key.created_by.kind.as_str(),
            created_by_id: key.created_by.id.as_deref(),
            created_by_name: &key.created_by.name,
            expires_at: key.expires_at.map(|end| end.naive_utc()),
            revision: key.revision,
            user_id: key.holder.as_ref().map(|holder| holder.id.to_string()),
            imported: key.imported,
            rate_limit: key.limits.rate_limit.map(|limit| limit.to_string()),
            quota: key.limits.quota.map(|quota| quota.to_string()),
            allowed_networks: key.limits.allowed_networks.as_ref().map(Networks::to_string),
            replaces: key.replaces.map(|old| old.to_string()),
        }
    }
}

/// Stores a new key and returns its row number; the key's own `number` is not looked at.
pub fn insert(connection: &mut AnyConnection, key: &ApiKey) -> Result<KeyNumber> {
    demand_knowledge_of(connection, &key.limits)?;
    let number: i64 = diesel::insert_into(table::table)
        .values(NewRow::of(key))
        .returning(table::number)
        .get_result(connection)?;
    rows::row_number(number).map(KeyNumber)
}

/// Keeps programs away that would not enforce a key's limits.
fn demand_knowledge_of(connection: &mut AnyConnection, limits: &KeyLimits) -> Result<()> {
    if limits.is_empty() { Ok(()) } else { demand_this(connection) }
}

/// The highest row number: as many keys as there are, retired ones included, or a few more.
pub fn count(connection: &mut AnyConnection) -> Result<usize> {
    let greatest: Option<i64> =
        table::table.select(diesel::dsl::max(table::number)).first(connection)?;
    Ok(rows::row_number(greatest.unwrap_or(0))? as usize)
}

/// The key with this id.
pub fn find(connection: &mut AnyConnection, id: KeyId) -> Result<Option<ApiKey>> {
    let query = table::table.filter(table::id.eq(id.to_string()));
    // Through the enum of connections, diesel would write the statement out each time it is run.
    let row: Option<Row> = on_either!(connection => query.first(connection).optional()?);
    key_of(connection, row)
}

/// The key whose secret has this digest.
pub fn find_by_digest(connection: &mut AnyConnection, digest: &Digest) -> Result<Option<ApiKey>> {
    let row: Option<Row> = table::table
        .filter(table::digest.eq(digest.as_bytes().to_vec()))
        .first(connection)
        .optional()?;
    key_of(connection, row)
}

/// The state of the key with this id at a moment.
pub fn status(connection: &mut AnyConnection, id: KeyId, now: Moment) -> Result<Option<Status>> {
    let found: Option<(bool, Option<MomentColumn>)> = table::table
        .filter(table::id.eq(id.to_string()))
        .select((table::revoked_at.is_not_null(), table::expires_at))
        .first(connection)
        .optional()?;
    let status = |(revoked, end): (bool, Option<MomentColumn>)| {
        status_at(revoked, end.map(|end| end.0), now)
    };
    Ok(found.map(status))
}

/// The keys with these row numbers, in no order.
pub fn find_all(connection: &mut AnyConnection, numbers: &[KeyNumber]) -> Result<Vec<ApiKey>> {
    let numbers: Vec<i64> = numbers.iter().map(|number| number.0.into()).collect();
    let rows: Vec<Row> = table::table.filter(table::number.eq_any(numbers)).load(connection)?;
    keys_of(connection, rows)
}

/// The keys with these ids, in no order.
pub fn find_ids(connection: &mut AnyConnection, ids: &[KeyId]) -> Result<Vec<ApiKey>> {
    let ids: Vec<String> = ids.iter().map(KeyId::to_string).collect();
    let rows: Vec<Row> = table::table.filter(table::id.eq_any(ids)).load(connection)?;
    keys_of(connection, rows)
}

/// The newest active key of this name, in any case; of one user alone, if it is said whose.
pub fn active_named(
    connection: &mut AnyConnection,
    name: &str,
    user: Option<UserId>,
    now: Moment,
) -> Result<Option<ApiKey>> {
    let filter = KeyFilter::of_status(StatusFilter::Active);
    let row: Option<Row> = matching(&filter, user, now)
        .filter(lower(table::name.nullable()).eq(lower(name)))
        .order(table::number.desc())
        .select(table::all_columns)
        .first(connection)
        .optional()?;
    key_of(connection, row)
}

/// Replaces what can be edited of a key.
pub fn set_settings(
    connection: &mut AnyConnection,
    number: KeyNumber,
    KeySettings { label, scopes, expires_at, limits, holder: _ }: &KeySettings,
    revision: i64,
) -> Result<()> {
    demand_knowledge_of(connection, limits)?;
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
        .set((
            table::name.eq(&label.name),
            table::description.eq(&label.description),
            table::owner.eq(&label.owner),
            table::scopes.eq(scopes.to_string()),
            table::expires_at.eq(expires_at.map(|end| end.naive_utc())),
            table::rate_limit.eq(limits.rate_limit.map(|limit| limit.to_string())),
            table::quota.eq(limits.quota.map(|quota| quota.to_string())),
            table::allowed_networks.eq(limits.allowed_networks.as_ref().map(Networks::to_string)),
            table::revision.eq(revision),
        ))
        .execute(connection)?;
    Ok(())
}

/// Marks a key as revoked.
pub fn set_revoked(
    connection: &mut AnyConnection,
    number: KeyNumber,
    revocation: &Revocation,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
        .set((
            table::revoked_at.eq(revocation.at.naive_utc()),
            table::revoked_by_type.eq(revocation.by.kind.as_str()),
            table::revoked_by_id.eq(&revocation.by.id),
            table::revoked_by_name.eq(&revocation.by.name),
            table::revoke_reason.eq(&revocation.reason),
            table::revision.eq(revision),
        ))
        .execute(connection)?;
    Ok(())
}

/// A user's keys that are not retired, the oldest first.
pub fn active_of(
    connection: &mut AnyConnection,
    user: UserId,
    limit: i64,
    now: Moment,
) -> Result<Vec<ApiKey>> {
    let unexpired =
        table::expires_at.is_null().or(table::expires_at.gt(now.naive_utc()).assume_not_null());
    let rows: Vec<Row> = table::table
        .filter(table::user_id.eq(user.to_string()))
        .filter(table::revoked_at.is_null())
        .filter(unexpired)
        .order(table::number)
        .limit(limit)
        .load(connection)?;
    keys_of(connection, rows)
}

/// How many keys that are not retired each user has; users without any are left out.
pub fn count_active_by_user(
    connection: &mut AnyConnection,
    users: &[UserId],
    now: Moment,
) -> Result<HashMap<UserId, i64>> {
    let unexpired =
        table::expires_at.is_null().or(table::expires_at.gt(now.naive_utc()).assume_not_null());
    let users = users.iter().map(UserId::to_string);
    let rows: Vec<(Option<String>, i64)> = table::table
        .filter(table::user_id.eq_any(users.collect::<Vec<_>>()))
        .filter(table::revoked_at.is_null())
        .filter(unexpired)
        .group_by(table::user_id)
        .select((table::user_id, diesel::dsl::count_star()))
        .load(connection)?;
    let owned = rows.into_iter().filter_map(|(user, n)| Some((user?, n)));
    owned.map(|(user, n)| Ok((rows::parse("user id", &user)?, n))).collect()
}

/// Keys from the newest to the oldest, one more than the limit where there are so many; those of
/// one user alone, if it is said whose.
pub fn list(
    connection: &mut AnyConnection,
    filter: &KeyFilter,
    user: Option<UserId>,
    limit: Limit,
    after: Option<KeyNumber>,
    now: Moment,
) -> Result<Vec<ApiKey>> {
    let mut query = matching(filter, user, now).select(table::all_columns);
    if let Some(KeyNumber(number)) = after {
        query = query.filter(table::number.lt(i64::from(number)));
    }
    let rows: Vec<Row> =
        query.order(table::number.desc()).limit(limit.get() as i64 + 1).load(connection)?;
    keys_of(connection, rows)
}

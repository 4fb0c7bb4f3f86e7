//! The audit log in the database: appended to and listed, never changed; some of it is dropped in time.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::Value;

use super::database::any_connection::AnyConnection;
use super::error::Result;
use super::rows::{self, MomentColumn};
use super::schema::{admin_tokens, api_keys, audit_events as table, users};
use crate::model::actor::Origin;
use crate::model::audit::{Action, ActorIs, AuditEvent, AuditFilter};
use crate::model::id::{KeyId, UserId};
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::model::words::Word;

/// Events added by one statement: 9 parameters each, of which SQLite takes 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

/// So many events are dropped in one transaction.
const DROPPED_AT_ONCE: i64 = 500;

/// Adds an event and returns its id, which is the revision of the change it records.
pub fn insert(
    connection: &mut AnyConnection,
    at: Moment,
    action: Action,
    origin: &Origin,
    key_id: Option<String>,
    detail: &Value,
) -> Result<i64> {
    let row = NewRow::of(at, action, origin, key_id, detail);
    Ok(diesel::insert_into(table::table).values(row).returning(table::id).get_result(connection)?)
}

/// Drops some events of an action that are older than this. Returns whether there may be more. They must
/// be none that a server remembers as its place in the change feed.
pub fn drop_older(connection: &mut AnyConnection, action: Action, than: Moment) -> Result<bool> {
    // The first ones, by the index on actions.
    let first: Vec<(i64, MomentColumn)> = table::table
        .filter(table::action.eq(action.as_str()))
        .order(table::id)
        .limit(DROPPED_AT_ONCE)
        .select((table::id, table::at))
        .load(connection)?;
    let old = first.iter().filter(|(_, at)| at.0 < than).map(|(id, _)| *id);
    let old: Vec<i64> = old.collect();
    let more = old.len() as i64 == DROPPED_AT_ONCE;
    if !old.is_empty() {
        diesel::delete(table::table.filter(table::id.eq_any(old))).execute(connection)?;
    }
    Ok(more)
}

/// Adds an event for each of these keys, and returns their ids in the order of the keys. Nobody
/// else may add events of keys meanwhile.
pub fn insert_many(
    connection: &mut AnyConnection,
    at: Moment,
    action: Action,
    origin: &Origin,
    about: &[(KeyId, Value)],
) -> Result<Vec<i64>> {
    let mut ids = Vec::with_capacity(about.len());
    for some in about.chunks(ROWS_PER_STATEMENT) {
        let row = |(key, detail): &(KeyId, Value)| {
            NewRow::of(at, action, origin, Some(key.to_string()), detail)
        };
        let insert = diesel::insert_into(table::table);
        let rows: Vec<_> = some.iter().map(row).collect();
        match connection {
            AnyConnection::Sqlite(connection) => {
                insert.values(rows).execute(connection)?;
                // There is one writer, so that the ids are those up to the last.
                let last: i64 =
                    diesel::select(sql::<BigInt>("last_insert_rowid()")).get_result(connection)?;
                ids.extend(last - some.len() as i64 + 1..=last);
            }
            AnyConnection::Postgres(connection) => {
                let returned: HashMap<Option<String>, i64> = insert
                    .values(rows)
                    .returning((table::key_id, table::id))
                    .get_results(connection)?
                    .into_iter()
                    .collect();
                for (key, _) in some {
                    let id = returned.get(&Some(key.to_string()));
                    ids.push(*id.ok_or_else(|| rows::unreadable("new event", "none"))?);
                }
            }
        }
    }
    Ok(ids)
}

#[derive(Insertable)]
#[diesel(table_name = table, treat_none_as_default_value = false)]
struct NewRow<'a> {
    at: NaiveDateTime,
    action: &'a str,
    actor_type: &'a str,
    actor_id: Option<&'a str>,
    actor_name: &'a str,
    key_id: Option<String>,
    address: Option<String>,
    request_id: Option<&'a str>,
    detail: String,
}

impl<'a> NewRow<'a> {
    fn of(
        at: Moment,
        action: Action,
        origin: &'a Origin,
        key_id: Option<String>,
        detail: &Value,
    ) -> Self {
        Self {
            at: at.naive_utc(),
            action: action.as_str(),
            actor_type: origin.actor.kind.as_str(),
            actor_id: origin.actor.id.as_deref(),
            actor_name: &origin.actor.name,
            key_id,
            address: origin.client.address.map(|address| address.to_string()),
            request_id: origin.client.request_id.as_deref(),
            detail: detail.to_string(),
        }
    }
}

#[derive(Queryable)]
struct Row {
    id: i64,
    at: MomentColumn,
    action: String,
    actor_type: String,
    actor_id: Option<String>,
    actor_name: String,
    key_id: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
    detail: String,
}

impl TryFrom<Row> for AuditEvent {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            at: row.at.0,
            action: row.action,
            actor: rows::actor(&row.actor_type, row.actor_id, row.actor_name)?,
            key_id: row.key_id,
            address: row.address,
            request_id: row.request_id,
            detail: rows::parse("audit detail", &row.detail)?,
        })
    }
}

/// Events from the newest to the oldest, one more than the limit where there are so many; of one
/// user's keys and doings alone, if it is said whose.
pub fn list(
    connection: &mut AnyConnection,
    filter: &AuditFilter,
    user: Option<UserId>,
    limit: Limit,
    before: Option<i64>,
) -> Result<Vec<AuditEvent>> {
    let mut query = table::table.into_boxed();
    if let Some(user) = user.map(|user| user.to_string()) {
        let own = api_keys::table
            .filter(api_keys::user_id.eq(user.clone()))
            .select(api_keys::id.nullable());
        let done = table::actor_id.eq(user).assume_not_null();
        query = query.filter(table::key_id.eq_any(own).assume_not_null().or(done));
    }
    if let Some(action) = filter.action {
        query = query.filter(table::action.eq(action.as_str()));
    }
    if filter.but_signing_in {
        query = query.filter(table::action.ne_all(Action::SIGNING_IN.map(Word::as_str)));
    }
    if let Some(key_id) = &filter.key_id {
        query = query.filter(table::key_id.eq(key_id));
    }
    if let Some(from) = filter.from {
        query = query.filter(table::at.ge(from.naive_utc()));
    }
    if let Some(to) = filter.to {
        query = query.filter(table::at.lt(to.naive_utc()));
    }
    if let Some(kind) = filter.actor_kind {
        query = query.filter(table::actor_type.eq(kind.as_str()));
    }
    query = match &filter.actor {
        None => query,
        Some(ActorIs::WithId(id)) => query.filter(table::actor_id.eq(id)),
        Some(ActorIs::Named(name)) => query.filter(table::actor_name.eq(name)),
    };
    if let Some(id) = before {
        query = query.filter(table::id.lt(id));
    }
    let rows: Vec<Row> =
        query.order(table::id.desc()).limit(limit.get() as i64 + 1).load(connection)?;
    rows.into_iter().map(AuditEvent::try_from).collect()
}

/// The names of users, keys and admin tokens by their ids; of one user's keys and of users alone, if
/// it is said whose.
pub fn names(
    connection: &mut AnyConnection,
    ids: &[String],
    user: Option<UserId>,
) -> Result<HashMap<String, String>> {
    let keys = api_keys::table
        .filter(api_keys::id.eq_any(ids))
        .select((api_keys::id, api_keys::name))
        .into_boxed();
    let users = users::table.filter(users::id.eq_any(ids));
    let mut named: Vec<(String, String)> =
        users.select((users::id, users::email)).load(connection)?;
    if let Some(user) = user {
        let own = keys.filter(api_keys::user_id.eq(user.to_string()));
        named.extend::<Vec<_>>(own.load(connection)?);
        return Ok(named.into_iter().collect());
    }
    named.extend::<Vec<_>>(keys.load(connection)?);
    let tokens = admin_tokens::table.filter(admin_tokens::id.eq_any(ids));
    named.extend::<Vec<_>>(tokens.select((admin_tokens::id, admin_tokens::name)).load(connection)?);
    Ok(named.into_iter().collect())
}

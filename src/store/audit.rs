//! The audit log in the database: appended to and listed, never changed.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::Value;

use super::connection::AnyConnection;
use super::error::Result;
use super::rows;
use super::schema::{api_keys, audit_events as table};
use crate::model::actor::Origin;
use crate::model::audit::{Action, AuditEvent, AuditFilter};
use crate::model::id::UserId;
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::model::words::Word;

/// Adds an event and returns its id, which is the revision of the change it records.
///
/// # Errors
/// When the database fails.
pub fn insert(
    connection: &mut AnyConnection,
    at: Moment,
    action: Action,
    origin: &Origin,
    key_id: Option<String>,
    detail: &Value,
) -> Result<i64> {
    Ok(diesel::insert_into(table::table)
        .values((
            table::at.eq(at.naive_utc()),
            table::action.eq(action.as_str()),
            table::actor_type.eq(origin.actor.kind.as_str()),
            table::actor_id.eq(&origin.actor.id),
            table::actor_name.eq(&origin.actor.name),
            table::key_id.eq(key_id),
            table::address.eq(origin.address.map(|address| address.to_string())),
            table::request_id.eq(&origin.request_id),
            table::detail.eq(detail.to_string()),
        ))
        .returning(table::id)
        .get_result(connection)?)
}

#[derive(Queryable)]
struct Row {
    id: i64,
    at: NaiveDateTime,
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
            at: row.at.and_utc(),
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
///
/// # Errors
/// When the database fails.
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
    if let Some(key_id) = &filter.key_id {
        query = query.filter(table::key_id.eq(key_id));
    }
    if let Some(from) = filter.from {
        query = query.filter(table::at.ge(from.naive_utc()));
    }
    if let Some(to) = filter.to {
        query = query.filter(table::at.lt(to.naive_utc()));
    }
    if let Some(id) = before {
        query = query.filter(table::id.lt(id));
    }
    let rows: Vec<Row> =
        query.order(table::id.desc()).limit(limit.get() as i64 + 1).load(connection)?;
    rows.into_iter().map(AuditEvent::try_from).collect()
}

//! Messages about warnings in the database: those that are to go out, and the last that did.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::database::any_connection::{AnyConnection, on_either};
use super::error::Result;
use super::rows::{self, MomentColumn};
use super::schema::notifications as table;
use crate::model::id::NotificationId;
use crate::model::time::Moment;
use crate::model::warnings::{Channel, Delivery};
use crate::model::words::Word;

/// How many messages one step drops.
const DROPPED_AT_ONCE: i64 = 500;

#[derive(Queryable, Selectable)]
#[diesel(table_name = table)]
struct Row {
    id: String,
    channel: String,
    recipients: String,
    kind: String,
    key_id: Option<String>,
    title: String,
    body: String,
    created_at: MomentColumn,
    attempts: i64,
    due_at: Option<MomentColumn>,
    delivered_at: Option<MomentColumn>,
    error: Option<String>,
}

impl TryFrom<Row> for Delivery {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let recipients = row.recipients.split(',').filter(|address| !address.is_empty());
        Ok(Self {
            id: rows::parse("message id", &row.id)?,
            channel: rows::word("channel", &row.channel)?,
            recipients: recipients.map(str::to_owned).collect(),
            kind: rows::word("kind of warning", &row.kind)?,
            key: rows::optional_id("key id", row.key_id)?,
            title: row.title,
            body: row.body,
            created_at: row.created_at.0,
            attempts: row.attempts,
            due_at: row.due_at.map(|at| at.0),
            delivered_at: row.delivered_at.map(|at| at.0),
            error: row.error,
        })
    }
}

/// Stores a message, unless the same was told on its channel before. Returns whether it was stored.
pub fn insert(connection: &mut AnyConnection, subject: &str, delivery: &Delivery) -> Result<bool> {
    let row = (
        table::id.eq(delivery.id.to_string()),
        table::channel.eq(delivery.channel.as_str()),
        table::subject.eq(subject),
        table::recipients.eq(delivery.recipients.join(",")),
        table::kind.eq(delivery.kind.as_str()),
        table::key_id.eq(delivery.key.map(|key| key.to_string())),
        table::title.eq(&delivery.title),
        table::body.eq(&delivery.body),
        table::created_at.eq(delivery.created_at.naive_utc()),
        table::attempts.eq(delivery.attempts),
        table::due_at.eq(delivery.due_at.map(|at| at.naive_utc())),
    );
    let insert = diesel::insert_into(table::table).values(row).on_conflict_do_nothing();
    Ok(on_either!(connection => insert.execute(connection)?) == 1)
}

/// How many messages wait, on whichever channel.
pub fn count_waiting(connection: &mut AnyConnection) -> Result<i64> {
    Ok(table::table.filter(table::due_at.is_not_null()).count().get_result(connection)?)
}

/// The message of a channel that has been due for longest.
pub fn due(
    connection: &mut AnyConnection,
    channel: Channel,
    now: Moment,
) -> Result<Option<Delivery>> {
    let due: Option<Row> = table::table
        .filter(table::channel.eq(channel.as_str()))
        .filter(table::due_at.le(now.naive_utc()).assume_not_null())
        .order((table::due_at, table::id))
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    due.map(Delivery::try_from).transpose()
}

/// Takes a message that is due, so that no other server tries it before `until`. Returns whether no
/// other one was faster.
pub fn claim(connection: &mut AnyConnection, delivery: &Delivery, until: Moment) -> Result<bool> {
    let unclaimed = table::table
        .filter(table::id.eq(delivery.id.to_string()))
        .filter(table::due_at.eq(delivery.due_at.map(|at| at.naive_utc())));
    let claimed = diesel::update(unclaimed)
        .set((table::due_at.eq(until.naive_utc()), table::attempts.eq(delivery.attempts + 1)))
        .execute(connection)?;
    Ok(claimed == 1)
}

/// Notes that a message has arrived.
pub fn set_delivered(connection: &mut AnyConnection, id: NotificationId, at: Moment) -> Result<()> {
    let none: Option<NaiveDateTime> = None;
    diesel::update(table::table.filter(table::id.eq(id.to_string())))
        .set((
            table::delivered_at.eq(at.naive_utc()),
            table::due_at.eq(none),
            table::error.eq(None::<String>),
        ))
        .execute(connection)?;
    Ok(())
}

/// Notes that the attempt which a message was claimed for failed, and when the next one is due: never, if there is to be none.
pub fn set_failed(
    connection: &mut AnyConnection,
    delivery: &Delivery,
    due_at: Option<Moment>,
    error: &str,
) -> Result<()> {
    // Whoever took so long that another server has taken the message has nothing to say of it.
    let own = table::table
        .filter(table::id.eq(delivery.id.to_string()))
        .filter(table::attempts.eq(delivery.attempts))
        .filter(table::delivered_at.is_null());
    diesel::update(own)
        .set((table::due_at.eq(due_at.map(|at| at.naive_utc())), table::error.eq(error)))
        .execute(connection)?;
    Ok(())
}

/// Deletes a message.
pub fn delete(connection: &mut AnyConnection, id: NotificationId) -> Result<()> {
    diesel::delete(table::table.filter(table::id.eq(id.to_string()))).execute(connection)?;
    Ok(())
}

/// The last messages, the newest first.
pub fn list(connection: &mut AnyConnection, limit: i64) -> Result<Vec<Delivery>> {
    let rows: Vec<Row> = table::table
        .order(table::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Drops some messages that are older than this. Returns whether there may be more.
pub fn drop_older(connection: &mut AnyConnection, than: Moment) -> Result<bool> {
    let old: Vec<String> = table::table
        .filter(table::created_at.lt(than.naive_utc()))
        .order(table::created_at)
        .limit(DROPPED_AT_ONCE)
        .select(table::id)
        .load(connection)?;
    let more = old.len() as i64 == DROPPED_AT_ONCE;
    diesel::delete(table::table.filter(table::id.eq_any(old))).execute(connection)?;
    Ok(more)
}

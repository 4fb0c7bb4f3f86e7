//! Calls in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;

use super::RecordStore;
use crate::model::FieldErrors;
use crate::model::page::Limit;
use crate::model::records::call::{Call, CallFilter};
use crate::model::records::{Record, RecordId, Stamp};
use crate::model::words::Word;
use crate::store::connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows;
use crate::store::schema::{agents, calls as table};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    direction: String,
    caller: String,
    called: Option<String>,
    agent_id: Option<String>,
    status: Option<String>,
    duration_seconds: Option<i64>,
    sentiment: Option<String>,
    summary: Option<String>,
    recording_url: Option<String>,
    transcript: String,
    tags: String,
    started_at: Option<NaiveDateTime>,
    _occurred_at: NaiveDateTime,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = table, treat_none_as_null = true)]
struct Columns<'a> {
    updated_at: NaiveDateTime,
    direction: &'static str,
    caller: &'a str,
    called: Option<&'a str>,
    agent_id: Option<&'a str>,
    status: Option<&'static str>,
    duration_seconds: Option<i64>,
    sentiment: Option<&'static str>,
    summary: Option<&'a str>,
    recording_url: Option<&'a str>,
    transcript: String,
    tags: String,
    started_at: Option<NaiveDateTime>,
    occurred_at: NaiveDateTime,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record<Call>) -> Result<Self> {
        let (stamp, call) = (&record.stamp, &record.fields);
        Ok(Self {
            updated_at: stamp.updated_at.naive_utc(),
            direction: call.direction.as_str(),
            caller: &call.caller,
            called: call.to.as_deref(),
            agent_id: call.agent_id.as_deref(),
            status: call.status.map(Word::as_str),
            duration_seconds: call.duration_seconds,
            sentiment: call.sentiment.map(Word::as_str),
            summary: call.summary.as_deref(),
            recording_url: call.recording_url.as_deref(),
            transcript: to_json(&call.transcript)?,
            tags: to_json(&call.tags)?,
            started_at: call.started_at.map(|at| at.naive_utc()),
            occurred_at: call.started_at.unwrap_or(stamp.created_at).naive_utc(),
        })
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|why| Error::Unreadable(why.to_string()))
}

impl TryFrom<Row> for Record<Call> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let json = |what, why: serde_json::Error| rows::unreadable(what, &why.to_string());
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("call id", &row.id)?,
                created_at: row.created_at.and_utc(),
                updated_at: row.updated_at.and_utc(),
            },
            fields: Call {
                direction: rows::word("direction", &row.direction)?,
                caller: row.caller,
                to: row.called,
                agent_id: row.agent_id,
                status: rows::optional_word("status", row.status)?,
                duration_seconds: row.duration_seconds,
                sentiment: rows::optional_word("sentiment", row.sentiment)?,
                summary: row.summary,
                recording_url: row.recording_url,
                transcript: serde_json::from_str(&row.transcript)
                    .map_err(|why| json("transcript", why))?,
                tags: serde_json::from_str(&row.tags).map_err(|why| json("tags", why))?,
                started_at: row.started_at.map(|at| at.and_utc()),
            },
        })
    }
}

impl RecordStore for Call {
    type Filter = CallFilter;

    fn check_references(&self, connection: &mut AnyConnection) -> Result<FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(agent_id) = &self.agent_id {
            let known: i64 =
                agents::table.filter(agents::id.eq(agent_id)).count().get_result(connection)?;
            if known == 0 {
                errors.add("agent_id", "names no existing agent");
            }
        }
        Ok(errors)
    }

    fn insert(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()> {
        diesel::insert_into(table::table)
            .values((
                table::id.eq(record.stamp.id.to_string()),
                table::created_at.eq(record.stamp.created_at.naive_utc()),
                Columns::of(record)?,
            ))
            .execute(connection)?;
        Ok(())
    }

    fn find(
        connection: &mut AnyConnection,
        id: RecordId<Self>,
        for_update: bool,
    ) -> Result<Option<Record<Self>>> {
        let query = table::table.filter(table::id.eq(id.to_string()));
        let row: Option<Row> = match connection {
            AnyConnection::Postgres(connection) if for_update => {
                query.for_update().first(connection).optional()?
            }
            connection => query.first(connection).optional()?,
        };
        row.map(Record::try_from).transpose()
    }

    fn update(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()> {
        diesel::update(table::table.filter(table::id.eq(record.stamp.id.to_string())))
            .set(Columns::of(record)?)
            .execute(connection)?;
        Ok(())
    }

    fn delete(connection: &mut AnyConnection, id: RecordId<Self>) -> Result<bool> {
        let row = table::table.filter(table::id.eq(id.to_string()));
        Ok(diesel::delete(row).execute(connection)? > 0)
    }

    fn list(
        connection: &mut AnyConnection,
        filter: &CallFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Vec<Record<Self>>> {
        let mut query = table::table.into_boxed();
        if let Some(agent_id) = &filter.agent_id {
            query = query.filter(table::agent_id.eq(agent_id));
        }
        if let Some(direction) = filter.direction {
            query = query.filter(table::direction.eq(direction.as_str()));
        }
        if let Some(status) = filter.status {
            query = query.filter(table::status.eq(status.as_str()));
        }
        if let Some(from) = filter.from {
            query = query.filter(table::occurred_at.ge(from.naive_utc()));
        }
        if let Some(to) = filter.to {
            query = query.filter(table::occurred_at.lt(to.naive_utc()));
        }
        if let Some(id) = after {
            query = query.filter(table::id.lt(id.to_string()));
        }
        let rows: Vec<Row> =
            query.order(table::id.desc()).limit(limit.get() as i64 + 1).load(connection)?;
        rows.into_iter().map(Record::try_from).collect()
    }
}

//! Calls in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::period::by_period;
use super::{Found, RecordStore, exists, from_json, only, page, statements, to_json, writers};
use crate::model::FieldErrors;
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::model::words::Word;
use crate::records::model::call::{Call, CallFilter};
use crate::records::model::{Record, RecordId, Stamp, WriterFilter};
use crate::records::store::schema::{agents, calls};
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows::{self, MomentColumn};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: MomentColumn,
    updated_at: MomentColumn,
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
    started_at: Option<MomentColumn>,
    _occurred_at: MomentColumn,
    created_by: Option<String>,
    updated_by: Option<String>,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = calls, treat_none_as_null = true)]
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
    created_by: Option<String>,
    updated_by: Option<String>,
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
            created_by: record.writers.created_by.map(|by| by.to_string()),
            updated_by: record.writers.updated_by.map(|by| by.to_string()),
        })
    }
}

impl TryFrom<Row> for Record<Call> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("call id", &row.id)?,
                created_at: row.created_at.0,
                updated_at: row.updated_at.0,
            },
            writers: writers(row.created_by, row.updated_by)?,
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
                transcript: from_json("transcript", &row.transcript)?,
                tags: from_json("tags", &row.tags)?,
                started_at: row.started_at.map(|at| at.0),
            },
        })
    }
}

by_period!(calls.occurred_at of Call,
    |filter: &CallFilter, writers| from filter.from, to filter.to;
    created_by => writers.created_by.map(|by| by.to_string()),
    updated_by => writers.updated_by.map(|by| by.to_string()),
    agent_id => filter.agent_id.as_deref(),
    status => filter.status.map(Word::as_str),
    direction => filter.direction.map(Word::as_str),
);

impl RecordStore for Call {
    fn check_references(
        &self,
        before: Option<&Self>,
        connection: &mut AnyConnection,
    ) -> Result<FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(id) = &self.agent_id
            && before.is_none_or(|before| before.agent_id != self.agent_id)
            && !exists!(agents, id, connection)
        {
            errors.add("agent_id", "names no existing agent");
        }
        Ok(errors)
    }

    statements!(calls, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &CallFilter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        let mut query = if filter.from.is_some() || filter.to.is_some() {
            let ids = ids_of_period(connection, filter, writers, limit, after)?;
            calls::table.select(calls::id).filter(calls::id.eq_any(ids)).into_boxed()
        } else {
            chosen(filter, writers)
        };
        let page = page!(
            calls[summary, recording_url, transcript, tags],
            Row, query, connection, limit, after
        );
        Ok(page)
    }
}

//! Calls in the database.

use chrono::NaiveDateTime;
use diesel::dsl::{IntoBoxed, Select, not};
use diesel::prelude::*;

use super::{Found, RecordStore, exists, from_json, only, page, statements, to_json};
use crate::model::FieldErrors;
use crate::model::page::Limit;
use crate::model::records::call::{Call, CallFilter};
use crate::model::records::{Record, RecordId, Stamp};
use crate::model::words::Word;
use crate::store::connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows;
use crate::store::schema::{agents, calls};

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

impl TryFrom<Row> for Record<Call> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
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
                transcript: from_json("transcript", &row.transcript)?,
                tags: from_json("tags", &row.tags)?,
                started_at: row.started_at.map(|at| at.and_utc()),
            },
        })
    }
}

/// Restricts a boxed query by every filter but the period.
macro_rules! chosen {
    ($query:ident, $filter:ident) => {
        only!($query;
            calls::agent_id => $filter.agent_id.as_deref(),
            calls::status => $filter.status.map(Word::as_str),
            calls::direction => $filter.direction.map(Word::as_str),
        );
    };
}

impl RecordStore for Call {
    type Filter = CallFilter;

    fn check_references(&self, connection: &mut AnyConnection) -> Result<FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(id) = &self.agent_id
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
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        let mut query = calls::table.into_boxed();
        chosen!(query, filter);
        if filter.from.is_some() || filter.to.is_some() {
            let ids = ids_of_period(connection, filter, limit, after)?;
            query = query.filter(calls::id.eq_any(ids));
        }
        Ok(
            page!(calls[summary, recording_url, transcript, tags], Row, query, connection, limit, after),
        )
    }
}

/// How far to look for the calls of a period at first.
const REACH: i64 = 2000;

/// One page of a period's calls. They are sought in two ways in turn, each time eight times as far:
/// by time, all of the period, to be sorted; and by id, from the newest on, until the page is full.
/// So a page costs what the cheaper way does: little where the period has few calls, is recent, or
/// is most of the table, and more only where it has many and as many others lie before them.
fn ids_of_period(
    connection: &mut AnyConnection,
    filter: &CallFilter,
    limit: Limit,
    after: Option<RecordId<Call>>,
) -> Result<Vec<String>> {
    let page = limit.get() as i64 + 1;
    let mut reach = REACH;
    loop {
        let beyond = by_time(filter).order(calls::occurred_at).offset(reach).limit(1);
        let is_short = beyond.load::<String>(connection)?.is_empty();
        if is_short {
            return Ok(sorted(filter, after).limit(page).load(connection)?);
        }
        let end = by_id(filter, after).offset(reach).limit(1).load::<String>(connection)?.pop();
        let found: Vec<String> =
            walked(filter, after, end.as_deref()).limit(page).load(connection)?;
        if end.is_none() || found.len() as i64 == page {
            return Ok(found);
        }
        reach = reach.saturating_mul(8);
    }
}

type Ids<'a> =
    IntoBoxed<'a, Select<calls::table, calls::id>, <AnyConnection as Connection>::Backend>;

/// The calls of a period, whatever the other filters.
fn by_time(filter: &CallFilter) -> Ids<'_> {
    let mut query = calls::table.select(calls::id).into_boxed();
    if let Some(from) = filter.from {
        query = query.filter(calls::occurred_at.ge(from.naive_utc()));
    }
    if let Some(to) = filter.to {
        query = query.filter(calls::occurred_at.lt(to.naive_utc()));
    }
    query
}

/// The calls of a period, found by the index on time: no other has this order, and a negated
/// comparison is none that SQLite looks up in an index.
fn sorted(filter: &CallFilter, after: Option<RecordId<Call>>) -> Ids<'_> {
    let mut query = by_time(filter);
    if let Some(agent_id) = &filter.agent_id {
        query = query.filter(not(calls::agent_id.assume_not_null().ne(agent_id)));
    }
    if let Some(status) = filter.status {
        query = query.filter(not(calls::status.assume_not_null().ne(status.as_str())));
    }
    if let Some(direction) = filter.direction {
        query = query.filter(not(calls::direction.ne(direction.as_str())));
    }
    if let Some(id) = after {
        query = query.filter(not(calls::id.ge(id.to_string())));
    }
    query.order(calls::id.concat("").desc())
}

/// The calls of any time, in the order of an index.
fn by_id(filter: &CallFilter, after: Option<RecordId<Call>>) -> Ids<'_> {
    let mut query = calls::table.select(calls::id).into_boxed();
    chosen!(query, filter);
    if let Some(id) = after {
        query = query.filter(calls::id.lt(id.to_string()));
    }
    query.then_order_by(calls::id.desc())
}

/// The calls of a period down to an id, in the order of the ids; negated as above, so that
/// SQLite does not take the index on time.
fn walked<'a>(
    filter: &'a CallFilter,
    after: Option<RecordId<Call>>,
    end: Option<&'a str>,
) -> Ids<'a> {
    let mut query = by_id(filter, after);
    if let Some(end) = end {
        query = query.filter(calls::id.ge(end));
    }
    if let Some(from) = filter.from {
        query = query.filter(not(calls::occurred_at.lt(from.naive_utc())));
    }
    if let Some(to) = filter.to {
        query = query.filter(not(calls::occurred_at.ge(to.naive_utc())));
    }
    query
}

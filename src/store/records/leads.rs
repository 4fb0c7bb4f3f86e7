//! Leads in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{Found, RecordStore, from_json, only, page, statements, to_json};
use crate::model::page::Limit;
use crate::model::records::lead::{Lead, LeadFilter};
use crate::model::records::{Record, RecordId, Stamp};
use crate::model::words::Word;
use crate::store::connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows;
use crate::store::schema::leads;

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    status: String,
    source: Option<String>,
    score: Option<i64>,
    tags: String,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = leads, treat_none_as_null = true)]
struct Columns<'a> {
    updated_at: NaiveDateTime,
    name: &'a str,
    phone: Option<&'a str>,
    email: Option<&'a str>,
    status: &'static str,
    source: Option<&'a str>,
    score: Option<i64>,
    tags: String,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record<Lead>) -> Result<Self> {
        let (stamp, lead) = (&record.stamp, &record.fields);
        Ok(Self {
            updated_at: stamp.updated_at.naive_utc(),
            name: &lead.name,
            phone: lead.phone.as_deref(),
            email: lead.email.as_deref(),
            status: lead.status.as_str(),
            source: lead.source.as_deref(),
            score: lead.score,
            tags: to_json(&lead.tags)?,
        })
    }
}

impl TryFrom<Row> for Record<Lead> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("lead id", &row.id)?,
                created_at: row.created_at.and_utc(),
                updated_at: row.updated_at.and_utc(),
            },
            fields: Lead {
                name: row.name,
                phone: row.phone,
                email: row.email,
                status: rows::word("status", &row.status)?,
                source: row.source,
                score: row.score,
                tags: from_json("tags", &row.tags)?,
            },
        })
    }
}

impl RecordStore for Lead {
    type Filter = LeadFilter;

    statements!(leads, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &LeadFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        let mut query = leads::table.into_boxed();
        only!(query;
            leads::source => filter.source.as_deref(),
            leads::status => filter.status.map(Word::as_str),
        );
        Ok(page!(leads[tags], Row, query, connection, limit, after))
    }
}

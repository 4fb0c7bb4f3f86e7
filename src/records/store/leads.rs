//! Leads in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::period::by_period;
use super::{Found, RecordStore, from_json, only, page, statements, to_json, writers};
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::model::words::Word;
use crate::records::model::lead::{Lead, LeadFilter};
use crate::records::model::{Record, RecordId, Stamp, WriterFilter};
use crate::records::store::schema::leads;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows::{self, MomentColumn};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: MomentColumn,
    updated_at: MomentColumn,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    status: String,
    source: Option<String>,
    score: Option<i64>,
    tags: String,
    created_by: Option<String>,
    updated_by: Option<String>,
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
    created_by: Option<String>,
    updated_by: Option<String>,
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
            created_by: record.writers.created_by.map(|by| by.to_string()),
            updated_by: record.writers.updated_by.map(|by| by.to_string()),
        })
    }
}

impl TryFrom<Row> for Record<Lead> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("lead id", &row.id)?,
                created_at: row.created_at.0,
                updated_at: row.updated_at.0,
            },
            writers: writers(row.created_by, row.updated_by)?,
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

by_period!(leads.updated_at of Lead,
    |filter: &LeadFilter, writers| from filter.updated_since, to None;
    email => filter.email.as_deref(),
    phone => filter.phone.as_deref(),
    created_by => writers.created_by.map(|by| by.to_string()),
    updated_by => writers.updated_by.map(|by| by.to_string()),
    source => filter.source.as_deref(),
    status => filter.status.map(Word::as_str),
);

impl RecordStore for Lead {
    statements!(leads, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &LeadFilter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        // An address or number has few leads, whenever they were changed.
        let is_narrow = filter.email.is_some() || filter.phone.is_some();
        let mut query = if filter.updated_since.is_some() && !is_narrow {
            let ids = ids_of_period(connection, filter, writers, limit, after)?;
            leads::table.select(leads::id).filter(leads::id.eq_any(ids)).into_boxed()
        } else {
            compared(chosen(filter, writers), filter)
        };
        Ok(page!(leads[tags], Row, query, connection, limit, after))
    }
}

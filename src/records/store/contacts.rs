//! Contacts in the database.
//!
//! Looking for text compares it with one contact after the other, from the newest on, until the
//! page is full or enough have been compared: little where it is frequent.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::period::by_period;
use super::{Found, RecordStore, from_json, only, page, statements, to_json, writers};
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::records::model::contact::{Contact, ContactFilter};
use crate::records::model::{Record, RecordId, Stamp, WriterFilter};
use crate::records::store::schema::contacts;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows::{self, MomentColumn};
use crate::store::text::{contains_pattern, has};

/// How many contacts a search scans for one page before it leaves the rest to the next, so that no
/// request takes long, however many there are.
const SEARCHED: i64 = 200_000;

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: MomentColumn,
    updated_at: MomentColumn,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    company: Option<String>,
    notes: Option<String>,
    tags: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = contacts, treat_none_as_null = true)]
struct Columns<'a> {
    updated_at: NaiveDateTime,
    name: &'a str,
    phone: Option<&'a str>,
    email: Option<&'a str>,
    company: Option<&'a str>,
    notes: Option<&'a str>,
    tags: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record<Contact>) -> Result<Self> {
        let (stamp, contact) = (&record.stamp, &record.fields);
        Ok(Self {
            updated_at: stamp.updated_at.naive_utc(),
            name: &contact.name,
            phone: contact.phone.as_deref(),
            email: contact.email.as_deref(),
            company: contact.company.as_deref(),
            notes: contact.notes.as_deref(),
            tags: to_json(&contact.tags)?,
            created_by: record.writers.created_by.map(|by| by.to_string()),
            updated_by: record.writers.updated_by.map(|by| by.to_string()),
        })
    }
}

impl TryFrom<Row> for Record<Contact> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("contact id", &row.id)?,
                created_at: row.created_at.0,
                updated_at: row.updated_at.0,
            },
            writers: writers(row.created_by, row.updated_by)?,
            fields: Contact {
                name: row.name,
                phone: row.phone,
                email: row.email,
                company: row.company,
                notes: row.notes,
                tags: from_json("tags", &row.tags)?,
            },
        })
    }
}

by_period!(contacts.updated_at of Contact,
    |filter: &ContactFilter, writers| from filter.updated_since, to None;
    email => filter.email.as_deref(),
    phone => filter.phone.as_deref(),
    created_by => writers.created_by.map(|by| by.to_string()),
    updated_by => writers.updated_by.map(|by| by.to_string()),
);

impl RecordStore for Contact {
    statements!(contacts, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &ContactFilter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        // An address or number has few contacts, whenever they were changed.
        let is_narrow = filter.email.is_some() || filter.phone.is_some();
        let mut end = None;
        let mut query = if let Some(text) = &filter.text {
            end = end_of_search(connection, after)?;
            with_text(compared(chosen(filter, writers), filter), text)
        } else if filter.updated_since.is_some() && !is_narrow {
            let ids = ids_of_period(connection, filter, writers, limit, after)?;
            contacts::table.select(contacts::id).filter(contacts::id.eq_any(ids)).into_boxed()
        } else {
            compared(chosen(filter, writers), filter)
        };
        if let Some(end) = end {
            query = query.filter(contacts::id.ge(end.to_string()));
        }
        let found = page!(contacts[notes, tags], Row, query, connection, limit, after);
        Ok(Found { next: found.next.or(end), ..found })
    }
}

fn with_text<'a>(query: Ids<'a>, text: &str) -> Ids<'a> {
    let pattern = contains_pattern(text);
    let matches = has!(contacts::name.nullable(), pattern)
        .or(has!(contacts::email, pattern))
        .or(contacts::phone.like(pattern).escape('\\'));
    query.filter(matches)
}

/// The last contact that a search looks at for one page, where others follow.
fn end_of_search(
    connection: &mut AnyConnection,
    after: Option<RecordId<Contact>>,
) -> Result<Option<RecordId<Contact>>> {
    let mut query = contacts::table.select(contacts::id).into_boxed();
    if let Some(id) = after {
        query = query.filter(contacts::id.lt(id.to_string()));
    }
    let last = query.order(contacts::id.desc()).offset(SEARCHED).limit(1);
    let last: Option<String> = last.first(connection).optional()?;
    rows::optional_id("contact id", last)
}

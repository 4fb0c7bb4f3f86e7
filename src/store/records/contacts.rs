//! Contacts in the database.
//!
//! Looking for text compares it with one contact after the other, from the newest on, until the
//! page is full: little where it is frequent, the whole table where it is nowhere.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{RecordStore, from_json, page, statements, to_json};
use crate::model::page::Limit;
use crate::model::records::contact::{Contact, ContactFilter};
use crate::model::records::{Record, RecordId, Stamp};
use crate::store::connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows;
use crate::store::schema::contacts;
use crate::store::text::{contains_pattern, lower};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    company: Option<String>,
    notes: Option<String>,
    tags: String,
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
        })
    }
}

impl TryFrom<Row> for Record<Contact> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("contact id", &row.id)?,
                created_at: row.created_at.and_utc(),
                updated_at: row.updated_at.and_utc(),
            },
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

impl RecordStore for Contact {
    type Filter = ContactFilter;

    statements!(contacts, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &ContactFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Vec<Record<Self>>> {
        let mut query = contacts::table.into_boxed();
        if let Some(text) = &filter.text {
            let pattern = contains_pattern(text);
            let matches = lower(contacts::name.nullable())
                .like(pattern.clone())
                .escape('\\')
                .or(lower(contacts::email).like(pattern.clone()).escape('\\'))
                .or(contacts::phone.like(pattern).escape('\\'));
            query = query.filter(matches);
        }
        page!(contacts, Row, query, connection, limit, after)
    }
}

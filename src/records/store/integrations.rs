//! Integrations in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{Found, RecordStore, from_json, only, page, statements, to_json, writers};
use crate::model::page::Limit;
use crate::model::words::Word;
use crate::records::model::integration::{Integration, IntegrationFilter};
use crate::records::model::{Record, RecordId, Stamp, WriterFilter};
use crate::records::store::schema::integrations;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows::{self, MomentColumn};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: MomentColumn,
    updated_at: MomentColumn,
    name: String,
    kind: String,
    description: Option<String>,
    enabled: bool,
    settings: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = integrations, treat_none_as_null = true)]
struct Columns<'a> {
    updated_at: NaiveDateTime,
    name: &'a str,
    kind: &'static str,
    description: Option<&'a str>,
    enabled: bool,
    settings: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record<Integration>) -> Result<Self> {
        let (stamp, integration) = (&record.stamp, &record.fields);
        Ok(Self {
            updated_at: stamp.updated_at.naive_utc(),
            name: &integration.name,
            kind: integration.kind.as_str(),
            description: integration.description.as_deref(),
            enabled: integration.enabled,
            settings: to_json(&integration.settings)?,
            created_by: record.writers.created_by.map(|by| by.to_string()),
            updated_by: record.writers.updated_by.map(|by| by.to_string()),
        })
    }
}

impl TryFrom<Row> for Record<Integration> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("integration id", &row.id)?,
                created_at: row.created_at.0,
                updated_at: row.updated_at.0,
            },
            writers: writers(row.created_by, row.updated_by)?,
            fields: Integration {
                name: row.name,
                kind: rows::word("kind", &row.kind)?,
                description: row.description,
                enabled: row.enabled,
                settings: from_json("settings", &row.settings)?,
            },
        })
    }
}

impl RecordStore for Integration {
    statements!(integrations, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &IntegrationFilter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        let mut query = integrations::table.into_boxed();
        only!(query;
            integrations::created_by => writers.created_by.map(|by| by.to_string()),
            integrations::updated_by => writers.updated_by.map(|by| by.to_string()),
            integrations::kind => filter.kind.map(Word::as_str),
        );
        Ok(page!(integrations[description, settings], Row, query, connection, limit, after))
    }
}

//! Agents in the database.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;

use super::{Found, RecordStore, clear, exists, only, page, statements, writers};
use crate::model::FieldErrors;
use crate::model::id::KeyId;
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::model::words::Word;
use crate::records::model::agent::{Agent, AgentFilter};
use crate::records::model::{Record, RecordId, Stamp, WriterFilter};
use crate::records::store::schema::{agents, calls, knowledge_base};
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows::{self, MomentColumn};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: MomentColumn,
    updated_at: MomentColumn,
    name: String,
    voice_id: String,
    greeting: Option<String>,
    prompt: Option<String>,
    phone_number: Option<String>,
    knowledge_base_id: Option<String>,
    status: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = agents, treat_none_as_null = true)]
struct Columns<'a> {
    updated_at: NaiveDateTime,
    name: &'a str,
    voice_id: &'a str,
    greeting: Option<&'a str>,
    prompt: Option<&'a str>,
    phone_number: Option<&'a str>,
    knowledge_base_id: Option<&'a str>,
    status: &'static str,
    created_by: Option<String>,
    updated_by: Option<String>,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record<Agent>) -> Result<Self> {
        let (stamp, agent) = (&record.stamp, &record.fields);
        Ok(Self {
            updated_at: stamp.updated_at.naive_utc(),
            name: &agent.name,
            voice_id: &agent.voice_id,
            greeting: agent.greeting.as_deref(),
            prompt: agent.prompt.as_deref(),
            phone_number: agent.phone_number.as_deref(),
            knowledge_base_id: agent.knowledge_base_id.as_deref(),
            status: agent.status.as_str(),
            created_by: record.writers.created_by.map(|by| by.to_string()),
            updated_by: record.writers.updated_by.map(|by| by.to_string()),
        })
    }
}

impl TryFrom<Row> for Record<Agent> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("agent id", &row.id)?,
                created_at: row.created_at.0,
                updated_at: row.updated_at.0,
            },
            writers: writers(row.created_by, row.updated_by)?,
            fields: Agent {
                name: row.name,
                voice_id: row.voice_id,
                greeting: row.greeting,
                prompt: row.prompt,
                phone_number: row.phone_number,
                knowledge_base_id: row.knowledge_base_id,
                status: rows::word("status", &row.status)?,
            },
        })
    }
}

impl RecordStore for Agent {
    fn clear_references(
        connection: &mut AnyConnection,
        id: RecordId<Self>,
        by: Option<KeyId>,
        now: Moment,
    ) -> Result<bool> {
        Ok(clear!(calls, agent_id, id, connection, by, now))
    }

    fn check_references(
        &self,
        before: Option<&Self>,
        connection: &mut AnyConnection,
    ) -> Result<FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(id) = &self.knowledge_base_id
            && before.is_none_or(|before| before.knowledge_base_id != self.knowledge_base_id)
            && !exists!(knowledge_base, id, connection)
        {
            errors.add("knowledge_base_id", "names no existing article");
        }
        Ok(errors)
    }

    statements!(agents, Row, Columns);

    fn list(
        connection: &mut AnyConnection,
        filter: &AgentFilter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        let mut query = agents::table.into_boxed();
        only!(query;
            agents::created_by => writers.created_by.map(|by| by.to_string()),
            agents::updated_by => writers.updated_by.map(|by| by.to_string()),
            agents::status => filter.status.map(Word::as_str),
        );
        Ok(page!(agents[greeting, prompt], Row, query, connection, limit, after))
    }
}

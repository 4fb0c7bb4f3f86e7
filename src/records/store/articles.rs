//! Articles of the knowledge base in the database.

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;

use super::article_words;
use super::{Found, RecordStore, clear, from_json, only, page, statements, to_json, writers};
use crate::model::id::KeyId;
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::records::model::article::{Article, ArticleFilter};
use crate::records::model::{Record, RecordId, Stamp, WriterFilter};
use crate::records::store::schema::{agents, knowledge_base};
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::{Error, Result};
use crate::store::rows::{self, MomentColumn};

#[derive(Queryable)]
struct Row {
    id: String,
    created_at: MomentColumn,
    updated_at: MomentColumn,
    title: String,
    content: String,
    source_url: Option<String>,
    tags: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = knowledge_base, treat_none_as_null = true)]
struct Columns<'a> {
    updated_at: NaiveDateTime,
    title: &'a str,
    content: &'a str,
    source_url: Option<&'a str>,
    tags: String,
    created_by: Option<String>,
    updated_by: Option<String>,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record<Article>) -> Result<Self> {
        let (stamp, article) = (&record.stamp, &record.fields);
        Ok(Self {
            updated_at: stamp.updated_at.naive_utc(),
            title: &article.title,
            content: &article.content,
            source_url: article.source_url.as_deref(),
            tags: to_json(&article.tags)?,
            created_by: record.writers.created_by.map(|by| by.to_string()),
            updated_by: record.writers.updated_by.map(|by| by.to_string()),
        })
    }
}

impl TryFrom<Row> for Record<Article> {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            stamp: Stamp {
                id: rows::parse("article id", &row.id)?,
                created_at: row.created_at.0,
                updated_at: row.updated_at.0,
            },
            writers: writers(row.created_by, row.updated_by)?,
            fields: Article {
                title: row.title,
                content: row.content,
                source_url: row.source_url,
                tags: from_json("tags", &row.tags)?,
            },
        })
    }
}

impl RecordStore for Article {
    fn clear_references(
        connection: &mut AnyConnection,
        id: RecordId<Self>,
        by: Option<KeyId>,
        now: Moment,
    ) -> Result<bool> {
        let cleared = clear!(agents, knowledge_base_id, id, connection, by, now);
        if cleared {
            article_words::remove(connection, id)?;
        }
        Ok(cleared)
    }

    statements!(knowledge_base, Row, Columns);

    fn index(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()> {
        article_words::put(connection, record.stamp.id, &record.fields.terms())
    }

    fn list(
        connection: &mut AnyConnection,
        filter: &ArticleFilter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>> {
        let mut query = knowledge_base::table.into_boxed();
        if let Some(terms) = &filter.terms {
            // A page's worth of what has the words is a page where nothing else is asked for.
            let enough = !writers.is_given();
            let most = enough.then(|| limit.get() + 1);
            query = article_words::with_all(query, connection, terms, most, after);
        }
        only!(query;
            knowledge_base::created_by => writers.created_by.map(|by| by.to_string()),
            knowledge_base::updated_by => writers.updated_by.map(|by| by.to_string()),
        );
        Ok(page!(knowledge_base[content, source_url, tags], Row, query, connection, limit, after))
    }
}

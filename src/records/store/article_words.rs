//! The full-text index of articles: FTS5 on SQLite, a `tsvector` on PostgreSQL.
//!
//! Both are given words that [`Terms`] has split, and never the text itself, so that their own
//! tokenizers and query languages have nothing to decide.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};

use crate::records::model::RecordId;
use crate::records::model::article::Article;
use crate::records::model::terms::Terms;
use crate::records::store::schema::knowledge_base;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;

/// Stores an article's words in place of those it had.
pub(super) fn put(
    connection: &mut AnyConnection,
    id: RecordId<Article>,
    terms: &Terms,
) -> Result<()> {
    let words: Vec<&str> = terms.iter().collect();
    match connection {
        AnyConnection::Sqlite(connection) => diesel::sql_query(
            "INSERT OR REPLACE INTO knowledge_base_words (rowid, id, words) SELECT COALESCE(\
             (SELECT rowid FROM knowledge_base_words WHERE rowid BETWEEN ?1 AND ?2 AND id = ?3), \
             (SELECT MAX(rowid) + 1 FROM knowledge_base_words WHERE rowid BETWEEN ?1 AND ?2), \
             ?1), ?3, ?4",
        )
        .bind::<BigInt, _>(first_row(id))
        .bind::<BigInt, _>(last_row(id))
        .bind::<Text, _>(id.to_string())
        .bind::<Text, _>(words.join(" "))
        .execute(connection)?,
        AnyConnection::Postgres(connection) => diesel::sql_query(
            "INSERT INTO knowledge_base_words (id, words) VALUES ($1, array_to_tsvector($2)) \
             ON CONFLICT (id) DO UPDATE SET words = excluded.words",
        )
        .bind::<Text, _>(id.to_string())
        .bind::<Array<Text>, _>(words)
        .execute(connection)?,
    };
    Ok(())
}

/// Deletes an article's words.
pub(super) fn remove(connection: &mut AnyConnection, id: RecordId<Article>) -> Result<()> {
    match connection {
        AnyConnection::Sqlite(connection) => diesel::sql_query(
            "DELETE FROM knowledge_base_words WHERE rowid BETWEEN ? AND ? AND id = ?",
        )
        .bind::<BigInt, _>(first_row(id))
        .bind::<BigInt, _>(last_row(id))
        .bind::<Text, _>(id.to_string())
        .execute(connection)?,
        AnyConnection::Postgres(connection) => {
            diesel::sql_query("DELETE FROM knowledge_base_words WHERE id = $1")
                .bind::<Text, _>(id.to_string())
                .execute(connection)?
        }
    };
    Ok(())
}

/// A query of articles that may still be restricted.
type Query = knowledge_base::BoxedQuery<'static, <AnyConnection as Connection>::Backend>;

/// How many of the newest articles PostgreSQL scans before it uses the index of words.
const LOOKED_AT: usize = 1000;

/// Restricts a query to the next articles that have all these words: to so many of them, or to all.
///
/// FTS5 lists what it found from the newest to the oldest. PostgreSQL's index knows no order: what
/// many articles have is found among the newest of them, and only if they do not fill the page is
/// the index asked for all. Left to itself, PostgreSQL walks through all articles for a rare word.
pub(super) fn with_all(
    query: Query,
    connection: &AnyConnection,
    terms: &Terms,
    most: Option<usize>,
    after: Option<RecordId<Article>>,
) -> Query {
    let before = after.unwrap_or(RecordId::from_number(u128::MAX));
    let (last_row, before) = (last_row(before), before.to_string());
    match (connection, most) {
        (AnyConnection::Sqlite(_), most) => query.filter(
            sql::<Bool>(
                "id IN (SELECT id FROM knowledge_base_words WHERE knowledge_base_words MATCH ",
            )
            .bind::<Text, _>(quoted(terms, '"', " "))
            .sql(&format!(" AND rowid <= {last_row} AND id < "))
            .bind::<Text, _>(before)
            .sql(&match most {
                Some(limit) => format!(" ORDER BY rowid DESC LIMIT {limit})"),
                None => ")".to_owned(),
            }),
        ),
        (AnyConnection::Postgres(_), None) => query.filter(
            sql::<Bool>("id IN (SELECT id FROM knowledge_base_words WHERE words @@ ")
                .bind::<Text, _>(quoted(terms, '\'', " & "))
                .sql("::tsquery AND id < ")
                .bind::<Text, _>(before)
                .sql(")"),
        ),
        (AnyConnection::Postgres(_), Some(limit)) => {
            let expression = quoted(terms, '\'', " & ");
            query.filter(
                sql::<Bool>(
                    "id IN (WITH newest AS MATERIALIZED (SELECT id FROM \
                     (SELECT id, words FROM knowledge_base_words WHERE id < ",
                )
                .bind::<Text, _>(before.clone())
                .sql(&format!(" ORDER BY id DESC LIMIT {LOOKED_AT}) looked_at WHERE words @@ "))
                .bind::<Text, _>(expression.clone())
                .sql(&format!("::tsquery ORDER BY id DESC LIMIT {limit}), "))
                .sql("found AS MATERIALIZED (SELECT id FROM knowledge_base_words WHERE words @@ ")
                .bind::<Text, _>(expression)
                .sql("::tsquery AND id < ")
                .bind::<Text, _>(before)
                .sql(&format!(
                    ") SELECT id FROM newest UNION ALL (SELECT id FROM found WHERE \
                     (SELECT COUNT(*) FROM newest) < {limit} ORDER BY id DESC LIMIT {limit}))"
                )),
            )
        }
    }
}

/// The words as a query, each in quotes. None holds anything but letters and digits.
fn quoted(terms: &Terms, quote: char, and: &str) -> String {
    let words: Vec<String> = terms.iter().map(|word| format!("{quote}{word}{quote}")).collect();
    words.join(and)
}

/// How many rows follow for articles of the same millisecond: more than one process ever makes in
/// one.
const ROWS_NEARBY: i64 = 4095;

/// The row number of an article in FTS5's table is made of the leading bits of its id, or is one of
/// the next that are free: rows come in the order of the ids, and FTS5 lists them in that order
/// without sorting.
fn first_row(id: RecordId<Article>) -> i64 {
    // The parts of a UUIDv7: milliseconds, and the high bits of a counter that begins at random.
    let number = id.number();
    let milliseconds = (number >> 80) & ((1 << 42) - 1);
    let high = (number >> 64) & ((1 << 12) - 1);
    let low = (number >> 53) & ((1 << 9) - 1);
    (milliseconds << 21 | high << 9 | low) as i64
}

/// The last row number that an article may have.
fn last_row(id: RecordId<Article>) -> i64 {
    first_row(id).saturating_add(ROWS_NEARBY)
}

//! What a database that is up to date is made of. One that was restored in part may lack a table, or what
//! keeps a row from being there twice: much of it works, and what is counted in it is lost.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::any_connection::AnyConnection;
use super::ownership::OUR_SCHEMA;
use crate::model::finding::Finding;
use crate::store::error::Result;

/// The parts that the migrations make, one a line, each after what it is.
const SQLITE: &str = include_str!("structure/sqlite.txt");
const POSTGRES: &str = include_str!("structure/postgres.txt");

#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = Text)]
    part: String,
}

/// The tables of ours on PostgreSQL, but for that of the migrations.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    let tables = POSTGRES.lines().filter_map(|part| part.strip_prefix("table "));
    tables.filter(|table| !table.starts_with("__"))
}

/// Every table, unique index and foreign key that has a name.
pub fn parts(connection: &mut AnyConnection) -> Result<BTreeSet<String>> {
    let source = match connection {
        AnyConnection::Sqlite(_) => {
            "SELECT 'table ' || name AS part FROM sqlite_schema WHERE type = 'table' \
             AND name NOT LIKE 'sqlite!_%' ESCAPE '!' UNION ALL \
             SELECT 'unique index ' || i.name FROM sqlite_schema AS t \
             JOIN pragma_index_list(t.name) AS i WHERE t.type = 'table' AND i.\"unique\" \
             AND i.origin = 'c'"
                .to_owned()
        }
        AnyConnection::Postgres(_) => format!(
            "SELECT 'table ' || relname AS part FROM pg_catalog.pg_class \
             WHERE relnamespace = {OUR_SCHEMA} AND relkind IN ('r', 'p') UNION ALL \
             SELECT 'unique index ' || c.relname FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
             WHERE c.relnamespace = {OUR_SCHEMA} AND i.indisunique AND i.indisvalid UNION ALL \
             SELECT 'foreign key ' || conname FROM pg_catalog.pg_constraint \
             WHERE connamespace = {OUR_SCHEMA} AND contype = 'f'"
        ),
    };
    let parts: Vec<Part> = diesel::sql_query(source).load(connection)?;
    Ok(parts.into_iter().map(|Part { part }| part).collect())
}

/// What is missing of a database in which no migration is pending, if anything is.
pub fn finding(connection: &mut AnyConnection) -> Result<Option<Finding>> {
    let wanted = match connection {
        AnyConnection::Sqlite(_) => SQLITE,
        AnyConnection::Postgres(_) => POSTGRES,
    };
    let there = parts(connection)?;
    let mut missing: Vec<&str> = wanted.lines().filter(|part| !there.contains(*part)).collect();
    // Whatever belongs to a table is missing with it.
    missing.sort_by_key(|part| !part.starts_with("table "));
    let Some(first) = missing.first() else { return Ok(None) };
    let more = match missing.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more of its parts"),
    };
    Ok(Some(Finding::wrong(
        "structure",
        format!("the {first} is missing{more}"),
        "if it was restored, that was not completed: restore it again, into an empty database",
    )))
}

//! Statements that are written out, where diesel has no words for them. Every number in them is bound,
//! so that their text does not vary and a connection parses each of them once.

use std::borrow::Cow;
use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::methods::{ExecuteDsl, LoadQuery};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::sqlite::Sqlite;

use super::any_connection::{AnyConnection, on_either};

/// A statement for the database that a connection leads to, whose rows have the columns `T`.
pub(in crate::store) struct Statement<T> {
    is_postgres: bool,
    parts: Vec<Part>,
    columns: PhantomData<T>,
}

enum Part {
    Sql(Cow<'static, str>),
    Number(i64),
    List(Numbers),
}

/// Numbers as one value: an array on PostgreSQL, JSON on SQLite.
#[derive(Debug)]
struct Numbers(Vec<i64>);

// A text that is cast to an array would be read again for each row.
impl ToSql<Array<BigInt>, Pg> for Numbers {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Array<BigInt>, Pg>::to_sql(&self.0, out)
    }
}

impl ToSql<Text, Sqlite> for Numbers {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

impl<T> Statement<T> {
    /// One without any text yet, to be run on this connection.
    pub(in crate::store) fn on(connection: &AnyConnection) -> Self {
        let is_postgres = matches!(connection, AnyConnection::Postgres(_));
        Self { is_postgres, parts: Vec::new(), columns: PhantomData }
    }

    /// Adds text.
    pub(in crate::store) fn sql(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.parts.push(Part::Sql(text.into()));
        self
    }

    /// Adds a number.
    pub(in crate::store) fn number(mut self, number: i64) -> Self {
        self.parts.push(Part::Number(number));
        self
    }

    /// Adds the condition that what stands before is one of these numbers.
    pub(in crate::store) fn among(self, numbers: impl IntoIterator<Item = i64>) -> Self {
        let mut numbers = numbers.into_iter().peekable();
        let first = numbers.next();
        match first {
            Some(only) if numbers.peek().is_none() => self.sql(" = ").number(only),
            _ => self.list(
                (" IN (SELECT value FROM json_each(", "))"),
                (" = ANY(", ")"),
                first.into_iter().chain(numbers),
            ),
        }
    }

    /// Adds a table of numbers, `number (value)`, to seek the rows of each one after the other: SQLite
    /// makes no copy of it, as it does to look for what is [among](Self::among) others.
    pub(in crate::store) fn number_table(self, numbers: impl IntoIterator<Item = i64>) -> Self {
        self.list(("json_each(", ") AS number"), ("unnest(", ") AS number (value)"), numbers)
    }

    /// Adds numbers as one value, however many they are.
    fn list(
        mut self,
        on_sqlite: (&'static str, &'static str),
        on_postgres: (&'static str, &'static str),
        numbers: impl IntoIterator<Item = i64>,
    ) -> Self {
        let (before, after) = if self.is_postgres { on_postgres } else { on_sqlite };
        self.parts.extend([
            Part::Sql(before.into()),
            Part::List(Numbers(numbers.into_iter().collect())),
            Part::Sql(after.into()),
        ]);
        self
    }

    /// Runs it, and reads its rows.
    pub(in crate::store) fn load<'query, U>(
        self,
        connection: &mut AnyConnection,
    ) -> QueryResult<Vec<U>>
    where
        Self: LoadQuery<'query, PgConnection, U> + LoadQuery<'query, SqliteConnection, U>,
    {
        on_either!(connection => RunQueryDsl::load(self, connection))
    }

    /// Runs it; returns how many rows it has touched.
    pub(in crate::store) fn execute(self, connection: &mut AnyConnection) -> QueryResult<usize>
    where
        Self: ExecuteDsl<PgConnection> + ExecuteDsl<SqliteConnection>,
    {
        on_either!(connection => RunQueryDsl::execute(self, connection))
    }
}

impl<T> QueryId for Statement<T> {
    type QueryId = ();
    /// Each has its text for an identity.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Statement<T> {
    type SqlType = T;
}

impl<T, C> RunQueryDsl<C> for Statement<T> {}

impl<T> QueryFragment<Pg> for Statement<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for part in &self.parts {
            match part {
                Part::Sql(text) => out.push_sql(text),
                Part::Number(number) => out.push_bind_param::<BigInt, _>(number)?,
                Part::List(list) => out.push_bind_param::<Array<BigInt>, _>(list)?,
            }
        }
        Ok(())
    }
}

impl<T> QueryFragment<Sqlite> for Statement<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for part in &self.parts {
            match part {
                Part::Sql(text) => out.push_sql(text),
                Part::Number(number) => out.push_bind_param::<BigInt, _>(number)?,
                Part::List(list) => out.push_bind_param::<Text, _>(list)?,
            }
        }
        Ok(())
    }
}

//! Statements that are written out, where diesel has no words for them. Every number in them is bound,
//! so that their text does not vary and a connection parses each of them once.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};

use super::any_connection::{AnyConnection, MultiBackend};

/// A statement for the database that a connection leads to, whose rows have the columns `T`.
pub(in crate::store) struct Statement<T> {
    is_postgres: bool,
    parts: Vec<Part>,
    columns: PhantomData<T>,
}

enum Part {
    Sql(Cow<'static, str>),
    Number(i64),
    /// Numbers, as an array of PostgreSQL's or of JSON's.
    List(String),
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
                (" = ANY(CAST(", " AS BIGINT[]))"),
                first.into_iter().chain(numbers),
            ),
        }
    }

    /// Adds a table of numbers, `number (value)`, to seek the rows of each one after the other: SQLite
    /// makes no copy of it, as it does to look for what is [among](Self::among) others.
    pub(in crate::store) fn number_table(self, numbers: impl IntoIterator<Item = i64>) -> Self {
        self.list(
            ("json_each(", ") AS number"),
            ("unnest(CAST(", " AS BIGINT[])) AS number (value)"),
            numbers,
        )
    }

    /// Adds numbers as one value, however many they are.
    fn list(
        mut self,
        on_sqlite: (&'static str, &'static str),
        on_postgres: (&'static str, &'static str),
        numbers: impl IntoIterator<Item = i64>,
    ) -> Self {
        let (around, [open, close]) =
            if self.is_postgres { (on_postgres, ['{', '}']) } else { (on_sqlite, ['[', ']']) };
        let mut list = String::from(open);
        for number in numbers {
            let separator = if list.len() == 1 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(list, "{separator}{number}");
        }
        list.push(close);
        self.parts.extend([
            Part::Sql(around.0.into()),
            Part::List(list),
            Part::Sql(around.1.into()),
        ]);
        self
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

impl<T> RunQueryDsl<AnyConnection> for Statement<T> {}

impl<T> QueryFragment<MultiBackend> for Statement<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
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

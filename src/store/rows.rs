//! Turning columns into model types and back, where several tables have the same ones.

use std::str::FromStr;

use chrono::NaiveDateTime;
use diesel::deserialize::{FromSql, FromSqlRow, Result as Deserialized};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Binary, Text};
use diesel::sqlite::{Sqlite, SqliteValue};

use super::database::any_connection::{AnyRawValue, MultiBackend};
use super::error::{Error, Result};
use crate::model::actor::{Actor, ActorKind};
use crate::model::key::Revocation;
use crate::model::secret::Digest;
use crate::model::words::Word;

/// The error for a column that this program cannot have written.
pub(crate) fn unreadable(what: &str, text: &str) -> Error {
    Error::Unreadable(format!("{what} {text:?}"))
}

/// Parses a column with the type's own parser.
pub(crate) fn parse<T: FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| unreadable(what, text))
}

/// Reads a column that holds one word of a set.
pub(crate) fn word<W: Word>(what: &str, text: &str) -> Result<W> {
    W::parse(text).ok_or_else(|| unreadable(what, text))
}

/// Reads a column that may hold one word of a set.
pub(crate) fn optional_word<W: Word>(what: &str, text: Option<String>) -> Result<Option<W>> {
    text.map(|text| word(what, &text)).transpose()
}

/// Parses a column that may be null with the type's own parser.
pub(crate) fn optional_id<T: FromStr>(what: &str, text: Option<String>) -> Result<Option<T>> {
    text.map(|text| parse(what, &text)).transpose()
}

/// Converts a row number of a key or token. A table of over four billion rows is not supported.
pub(crate) fn row_number(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| unreadable("row number", &number.to_string()))
}

/// Builds an actor from its three columns.
pub(crate) fn actor(kind: &str, id: Option<String>, name: String) -> Result<Actor> {
    Ok(Actor { kind: word::<ActorKind>("actor type", kind)?, id, name })
}

/// Builds a revocation from its five columns: all are null, or all but id and reason are set.
pub(crate) fn revocation(
    at: Option<NaiveDateTime>,
    by_type: Option<String>,
    by_id: Option<String>,
    by_name: Option<String>,
    reason: Option<String>,
) -> Result<Option<Revocation>> {
    let Some(at) = at else { return Ok(None) };
    let by = actor(&by_type.unwrap_or_default(), by_id, by_name.unwrap_or_default())?;
    Ok(Some(Revocation { at: at.and_utc(), by, reason }))
}

/// A column that is parsed in place, without a copy: for reading a million keys.
#[derive(FromSqlRow)]
pub(crate) struct Parsed<T>(pub T);

impl<T: FromStr> Parsed<T> {
    fn of(text: &str) -> Deserialized<Self> {
        text.parse().map(Self).map_err(|_| unreadable("column", text).into())
    }
}

impl<T: FromStr> FromSql<Text, Sqlite> for Parsed<T> {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> Deserialized<Self> {
        Self::of(value.read_text())
    }
}

impl<T: FromStr> FromSql<Text, Pg> for Parsed<T> {
    fn from_sql(value: PgValue<'_>) -> Deserialized<Self> {
        Self::of(str::from_utf8(value.as_bytes())?)
    }
}

impl<T: FromStr> FromSql<Text, MultiBackend> for Parsed<T> {
    fn from_sql(value: AnyRawValue<'_>) -> Deserialized<Self> {
        value.from_sql::<Self, Text>()
    }
}

/// A digest column that is parsed in place, without a copy.
#[derive(FromSqlRow)]
pub(crate) struct DigestColumn(pub Digest);

impl DigestColumn {
    fn of(bytes: &[u8]) -> Deserialized<Self> {
        let digest = <[u8; 32]>::try_from(bytes).map_err(|_| "a digest has 32 bytes")?;
        Ok(Self(digest.into()))
    }
}

impl FromSql<Binary, Sqlite> for DigestColumn {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> Deserialized<Self> {
        Self::of(value.read_blob())
    }
}

impl FromSql<Binary, Pg> for DigestColumn {
    fn from_sql(value: PgValue<'_>) -> Deserialized<Self> {
        Self::of(value.as_bytes())
    }
}

impl FromSql<Binary, MultiBackend> for DigestColumn {
    fn from_sql(value: AnyRawValue<'_>) -> Deserialized<Self> {
        value.from_sql::<Self, Binary>()
    }
}

//! Turning columns into model types and back, where several tables have the same ones.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::deserialize::{FromSql, FromSqlRow, Result as Deserialized};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Binary, Text, Timestamp};
use diesel::sqlite::{Sqlite, SqliteValue};

use super::database::any_connection::{AnyRawValue, MultiBackend};
use super::error::{Error, Result};
use crate::model::actor::{Actor, ActorKind};
use crate::model::key::Revocation;
use crate::model::secret::Digest;
use crate::model::time::Moment;
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
    at: Option<MomentColumn>,
    by_type: Option<String>,
    by_id: Option<String>,
    by_name: Option<String>,
    reason: Option<String>,
) -> Result<Option<Revocation>> {
    let Some(at) = at else { return Ok(None) };
    let by = actor(&by_type.unwrap_or_default(), by_id, by_name.unwrap_or_default())?;
    Ok(Some(Revocation { at: at.0, by, reason }))
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

/// A moment, which on SQLite is text as diesel writes it: read at a tenth of what chrono's patterns
/// cost, since a list holds dozens.
#[derive(Debug, Clone, Copy, FromSqlRow)]
pub(crate) struct MomentColumn(pub Moment);

impl MomentColumn {
    /// Reads `2026-11-20 12:34:56.789`, with up to nine digits of a fraction, or none.
    fn parse(text: &[u8]) -> Option<Self> {
        let (written, fraction) = text.split_at_checked(19)?;
        let separators = [4, 7, 10, 13, 16].map(|place| written[place]);
        if separators != *b"-- ::" {
            return None;
        }
        let number = |digits: &[u8]| {
            let add = |sum: u32, digit: &u8| {
                digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'))
            };
            digits.iter().try_fold(0, add)
        };
        let two = |place: usize| number(&written[place..place + 2]);
        let nanoseconds = match fraction {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
                number(digits)? * 10_u32.pow(9 - digits.len() as u32)
            }
            _ => return None,
        };
        let year = i32::try_from(number(&written[..4])?).ok()?;
        let day = NaiveDate::from_ymd_opt(year, two(5)?, two(8)?)?;
        let at = day.and_hms_nano_opt(two(11)?, two(14)?, two(17)?, nanoseconds)?;
        Some(Self(at.and_utc()))
    }
}

impl FromSql<Timestamp, Sqlite> for MomentColumn {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> Deserialized<Self> {
        if let Some(moment) = Self::parse(value.read_text().as_bytes()) {
            return Ok(moment);
        }
        let at = <NaiveDateTime as FromSql<Timestamp, Sqlite>>::from_sql(value)?;
        Ok(Self(at.and_utc()))
    }
}

impl FromSql<Timestamp, Pg> for MomentColumn {
    fn from_sql(value: PgValue<'_>) -> Deserialized<Self> {
        let at = <NaiveDateTime as FromSql<Timestamp, Pg>>::from_sql(value)?;
        Ok(Self(at.and_utc()))
    }
}

impl FromSql<Timestamp, MultiBackend> for MomentColumn {
    fn from_sql(value: AnyRawValue<'_>) -> Deserialized<Self> {
        value.from_sql::<Self, Timestamp>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_diesel_writes_of_a_moment_is_read(seconds in -62_167_219_200_i64..253_402_300_800, nanoseconds in 0_u32..1_000_000_000) {
            for nanoseconds in [nanoseconds, nanoseconds / 1_000_000 * 1_000_000, 0] {
                let at = Moment::from_timestamp(seconds, nanoseconds).unwrap();
                let written = at.naive_utc().format("%F %T%.f").to_string();
                prop_assert_eq!(MomentColumn::parse(written.as_bytes()).map(|read| read.0), Some(at));
            }
        }

        #[test]
        fn what_is_no_moment_is_left_to_others(text in "[0-9]{4}[-0-9]{6}.[:0-9]{8}(\\.[0-9]{0,10})?.?") {
            let others = NaiveDateTime::parse_from_str(&text, "%F %T%.f").ok().map(|at| at.and_utc());
            let read = MomentColumn::parse(text.as_bytes()).map(|read| read.0);
            prop_assert!(read.is_none() || read == others, "{read:?} {others:?}");
        }
    }
}

//! Pages of a list: how many, and where to go on.
//!
//! Lists run from the newest to the oldest. A cursor names the last item seen, so that what is
//! inserted or deleted meanwhile neither repeats nor hides anything.

use std::borrow::Cow;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use super::{FieldErrors, schema};

const FOREIGN_CURSOR: &str =
    "is not a cursor of this list; leave it out to begin with the first page";

/// The most items a page has.
const GREATEST: u8 = 100;

/// How many items a page has at most: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The items on a page for people.
    pub const PAGE: Self = Self(50);
    /// The greatest limit that may be asked for.
    pub const GREATEST: Self = Self(GREATEST);

    /// Parses a number from 1 to 100.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.parse::<u8>() {
            Ok(limit @ 1..=GREATEST) if !text.starts_with('+') => Ok(Self(limit)),
            _ => Err(format!("must be a number from 1 to {GREATEST}")),
        }
    }

    /// The JSON Schema of what [`Limit::parse`] accepts.
    pub fn schema() -> Value {
        let mut schema = schema::integer(1, GREATEST.into());
        schema["default"] = Self::default().0.into();
        schema
    }

    /// The limit as a number.
    pub fn get(self) -> usize {
        self.0.into()
    }
}

schema::described!(Limit, "Limit", Limit::schema());

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

/// A position in a list: the key of the last item seen. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

impl Cursor {
    /// Reads what [`Cursor::encode`] writes.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn decode(text: &str) -> Result<Self, String> {
        let refused = || FOREIGN_CURSOR.to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let (sum, position) = bytes.split_at_checked(4).ok_or_else(refused)?;
        if position.is_empty() || crc32fast::hash(position).to_be_bytes() != sum {
            return Err(refused());
        }
        String::from_utf8(position.to_vec()).map(Self).map_err(|_| refused())
    }

    /// The form of what [`Cursor::decode`] accepts; the checksum in it cannot be described.
    pub fn schema() -> Value {
        json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{7,}$"})
    }

    /// URL-safe text. The checksum tells a mistyped cursor from a real one; it is no signature,
    /// since a cursor grants nothing.
    pub fn encode(&self) -> String {
        let mut bytes = crc32fast::hash(self.0.as_bytes()).to_be_bytes().to_vec();
        bytes.extend_from_slice(self.0.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

schema::described!(Cursor, "Cursor", Cursor::schema());

/// Which page of a list is asked for.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct PageRequest {
    /// How many items a page has at most.
    pub limit: Limit,
    /// Where to continue: the `next_cursor` of the previous page. Leave it out for the first page.
    pub cursor: Option<Cursor>,
}

impl PageRequest {
    /// The position after which the page begins; none for the first page.
    ///
    /// # Errors
    /// When the cursor was made for another list.
    pub fn after<P: FromStr>(&self) -> Result<Option<P>, FieldErrors> {
        let position = self.cursor.as_ref().map(|cursor| cursor.0.parse());
        position.transpose().map_err(|_| FieldErrors::one("cursor", FOREIGN_CURSOR))
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// The limit that was asked for.
    pub limit: Limit,
    /// Where the next page begins, unless this is the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of what a query with one item more than the limit returned.
    pub fn of(mut items: Vec<T>, limit: Limit, position: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit.get();
        items.truncate(limit.get());
        let next = items.last().filter(|_| more).map(|last| Cursor(position(last)));
        Self { items, limit, next }
    }

    /// Converts each item.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        let items = self.items.into_iter().map(f).collect();
        Page { items, limit: self.limit, next: self.next }
    }
}

/// A page as it is written.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List", bound = "T: JsonSchema")]
struct List<'a, T> {
    /// The items, newest first.
    data: &'a [T],
    /// About the page.
    meta: Meta,
}

/// About a page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageMeta")]
struct Meta {
    /// How many items were asked for; a page may have fewer and still not be the last.
    #[schemars(with = "Limit")]
    limit: usize,
    /// What to pass as `cursor` for the next page; null on the last page.
    #[schemars(with = "Option<Cursor>")]
    next_cursor: Option<String>,
}

impl<T: JsonSchema> JsonSchema for Page<T> {
    fn schema_name() -> Cow<'static, str> {
        List::<'_, T>::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        List::<'_, T>::json_schema(generator)
    }
}

impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let meta =
            Meta { limit: self.limit.get(), next_cursor: self.next.as_ref().map(Cursor::encode) };
        List { data: &self.items, meta }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_limit_is_from_1_to_100() {
        assert_eq!(Limit::parse("100").map(Limit::get), Ok(100));
        for wrong in ["0", "-1", "101", "1000000000", "abc", "", "+5", " 5", "5.0"] {
            assert!(Limit::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(position in ".{1,60}") {
            let cursor = Cursor(position);
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn a_forged_cursor_is_refused(text in "[A-Za-z0-9_-]{0,60}") {
            prop_assert!(Cursor::decode(&text).is_err());
        }
    }
}

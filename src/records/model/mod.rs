//! The records of the protected API: what every kind shares.
//!
//! A kind's own file says its fields and their rules. A record is created from a JSON object and
//! changed by merging a patch into its own JSON and reading the result with the same rules, so
//! that each rule is written once.

pub mod agent;
pub mod analytics;
pub mod article;
pub mod call;
pub mod contact;
pub mod integration;
pub mod lead;
pub mod resources;
pub mod terms;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use chrono::Duration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::FieldErrors;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::FieldReader;
use crate::model::id::{InvalidId, KeyId, format_id, parse_id};
use crate::model::idempotency::Replayable;
use crate::model::precondition::EntityTag;
use crate::model::schema;
use crate::model::time;
use crate::model::time::Moment;

/// The fields of one kind of record, always valid once read.
pub trait Fields: Serialize + JsonSchema + Sized + Send + 'static {
    /// The resource whose scopes and path it has.
    const RESOURCE: ResourceNumber;
    /// The prefix of its ids.
    const ID_PREFIX: &'static str;
    /// The filter of its list.
    type Filter: JsonSchema + Send + 'static;

    /// Reads every field; the reader collects what is wrong.
    fn read(reader: &mut FieldReader<'_>) -> Option<Self>;

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let fields = Self::read(&mut reader);
        reader.finish(fields)
    }
}

/// The id of a record of one kind.
pub struct RecordId<F> {
    number: u128,
    kind: PhantomData<fn() -> F>,
}

impl<F> RecordId<F> {
    /// Wraps a UUIDv7 as a 128-bit number.
    pub fn from_number(number: u128) -> Self {
        Self { number, kind: PhantomData }
    }

    /// The UUIDv7 as a 128-bit number.
    pub fn number(self) -> u128 {
        self.number
    }
}

impl<F> Clone for RecordId<F> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F> Copy for RecordId<F> {}

impl<F: Fields> fmt::Display for RecordId<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_id(F::ID_PREFIX, self.number))
    }
}

impl<F: Fields> FromStr for RecordId<F> {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_id(F::ID_PREFIX, text).map(Self::from_number)
    }
}

impl<F: Fields> Serialize for RecordId<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<F: Fields> JsonSchema for RecordId<F> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}Id", F::schema_name()).into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema::from_value(schema::id(F::ID_PREFIX))
    }
}

/// What every record has, and all that a key without read is told of one it wrote.
#[derive(Serialize, JsonSchema)]
#[serde(bound = "F: Fields")]
#[schemars(rename = "{F}Stamp", bound = "F: Fields")]
pub struct Stamp<F> {
    /// Its id.
    pub id: RecordId<F>,
    /// When it was made.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub created_at: Moment,
    /// When it was last changed.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub updated_at: Moment,
}

impl<F: Fields> Replayable for Stamp<F> {}

impl<F: Fields> Stamp<F> {
    /// The version of the record. It is made of the stamp alone, so that it tells a key without
    /// read nothing else.
    pub fn entity_tag(&self) -> EntityTag {
        EntityTag(format!("{}-{:x}", self.id, self.updated_at.timestamp_millis()))
    }

    /// The stamp after a change at `now`. Its time is later than the last one's, also for two
    /// changes in the same millisecond, so that no two versions have the same tag.
    pub fn changed(self, now: Moment) -> Self {
        let updated_at = now.max(self.updated_at + Duration::milliseconds(1));
        Self { updated_at, ..self }
    }
}

/// Which keys wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Writers {
    /// The key that made it; null where that was not recorded.
    pub created_by: Option<KeyId>,
    /// The key that changed it last; null where that was not recorded.
    pub updated_by: Option<KeyId>,
}

/// Which records to list, by the keys that wrote them.
#[derive(Debug, Clone, Copy, Default, JsonSchema)]
pub struct WriterFilter {
    /// Only those that this key made.
    pub created_by: Option<KeyId>,
    /// Only those that this key changed last.
    pub updated_by: Option<KeyId>,
}

impl WriterFilter {
    /// Whether the filter leaves anything out.
    pub fn is_given(&self) -> bool {
        self.created_by.is_some() || self.updated_by.is_some()
    }
}

/// A stored record.
#[derive(Serialize, JsonSchema)]
#[serde(bound = "F: Fields")]
#[schemars(rename = "{F}", bound = "F: Fields")]
pub struct Record<F> {
    /// Id and times.
    #[serde(flatten)]
    pub stamp: Stamp<F>,
    /// Who wrote it.
    #[serde(flatten)]
    pub writers: Writers,
    /// The rest.
    #[serde(flatten)]
    pub fields: F,
}

impl<F: Fields> Replayable for Record<F> {}

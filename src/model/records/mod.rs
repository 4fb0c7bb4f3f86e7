//! The records of the protected API: what every kind shares.
//!
//! A kind's own file says its fields and their rules. A record is created from a JSON object and
//! changed by merging a patch into its own JSON and reading the result with the same rules, so
//! that each rule is written once.

pub mod agent;
pub mod article;
pub mod call;
pub mod contact;
pub mod integration;
pub mod lead;
pub mod resources;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use chrono::Duration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use super::FieldErrors;
use super::catalog::ResourceNumber;
use super::fields::FieldReader;
use super::id::{InvalidId, KeyId, format_id, parse_id};
use super::idempotency::Replayable;
use super::precondition::EntityTag;
use super::schema;
use super::time;
use super::time::Moment;

/// The fields of one kind of record, always valid once read.
pub trait Fields: Serialize + JsonSchema + Sized + Send + 'static {
    /// Under which scopes and path it is reached.
    const RESOURCE: ResourceNumber;
    /// What its ids begin with.
    const ID_PREFIX: &'static str;
    /// Reads every field; the reader collects what is wrong.
    fn read(reader: &mut FieldReader<'_>) -> Option<Self>;

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every complaint about it.
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

    /// The UUIDv7.
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
    /// The version of the record: who may not read it learns no more than its stamp tells.
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
    /// Whether it leaves anything out.
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

/// Merges a patch into an object's fields. A null stays, as a field that is not given: so a field
/// that does not exist is still there to be refused.
pub fn patch_fields(fields: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        if value.is_null() {
            fields.insert(name, Value::Null);
        } else {
            merge_patch(fields, Map::from_iter([(name, value)]));
        }
    }
}

/// Merges a patch into a document (RFC 7396 §2): null removes, objects merge, all else replaces.
fn merge_patch(document: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                document.remove(&name);
            }
            Value::Object(inner) => {
                let slot = document.entry(name).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(target) = slot {
                    merge_patch(target, inner);
                }
            }
            other => {
                document.insert(name, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merging_follows_the_examples_of_rfc_7396() {
        // The rows of appendix A whose documents are objects.
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut document = original.as_object().unwrap().clone();
            merge_patch(&mut document, patch.as_object().unwrap().clone());
            assert_eq!(Value::Object(document), result, "{original} + {patch}");
        }
    }
}

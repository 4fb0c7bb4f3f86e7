//! Which keys are to be revoked at once: those named, or all that a filter finds, counted before.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::FieldErrors;
use super::catalog::Catalog;
use super::fields::{FieldReader, describe};
use super::id::{KeyId, PublicId};
use super::idempotency::Replayable;
use super::key::KeyNumber;
use super::key_filter::{KeyFilter, StatusFilter};
use super::schema;

/// The most ids that one request names.
pub const MOST_IDS: usize = 1000;
/// The most keys that one request finds by a filter.
pub const MOST_FOUND: usize = 10_000;

/// Several keys, by their ids or by a filter.
#[derive(Debug, Clone)]
pub enum KeyChoice {
    /// These, each once.
    Ids(Vec<KeyId>),
    /// Those that a filter finds, if they are as many as was said.
    Found {
        /// The filter.
        filter: KeyFilter,
        /// How many there must be.
        confirm: usize,
    },
    /// Those that a filter found and somebody was shown, by their row numbers.
    Shown(Vec<KeyNumber>),
}

/// `1 key`, `2 keys`
pub fn counted_keys(number: usize) -> String {
    format!("{number} key{}", if number == 1 { "" } else { "s" })
}

impl KeyChoice {
    /// What a filter finds when keys are chosen to be revoked: active ones, unless it says otherwise.
    pub fn to_revoke(filter: KeyFilter) -> KeyFilter {
        let status = filter.status.or(Some(StatusFilter::Active));
        KeyFilter { status, ..filter }
    }
}

/// A request to revoke several keys.
#[derive(Debug, Clone)]
pub struct RevokeMany {
    /// Which keys.
    pub keys: KeyChoice,
    /// Why, in somebody's own words.
    pub reason: Option<String>,
}

/// The fields of [`RevokeMany`].
#[derive(JsonSchema)]
pub struct RevokeManyFields {
    /// The ids of the keys. An id that is given twice counts once; if there is no key with one of them,
    /// nothing is revoked.
    pub ids: Vec<KeyId>,
    /// Which keys, as the parameters of `GET /v1/keys` say it: at least one. Without `status`, active ones
    /// alone.
    pub filter: Value,
    /// How many keys the filter must find; otherwise nothing is revoked.
    pub confirm: i64,
    /// Why, in your own words.
    pub reason: Option<String>,
}

impl RevokeMany {
    /// Reads `ids`, or `filter` and `confirm`, and the reason.
    pub fn read(reader: &mut FieldReader<'_>, catalog: &Catalog) -> Option<Self> {
        let ids = reader.parsed("ids", ids_schema, read_ids);
        let filter = read_filter(reader, catalog);
        let confirm = reader.integer("confirm", 0, i64::from(u32::MAX));
        let reason = reader.line("reason", 500);
        reader.demand_one_of(&[&["ids"], &["filter", "confirm"]]);
        let keys = match (ids, filter, confirm) {
            (Some(ids), None, None) => KeyChoice::Ids(ids),
            (None, Some(filter), Some(_)) if !filter.narrows() => {
                // A script may have had no value for its only parameter.
                reader.complain(
                    "filter",
                    "must say which keys; {\"status\": \"active\"} means all that are active",
                );
                return None;
            }
            (None, Some(filter), Some(confirm)) => {
                KeyChoice::Found { filter, confirm: usize::try_from(confirm).ok()? }
            }
            _ => return None,
        };
        Some(Self { keys, reason })
    }
}

fn ids_schema() -> Value {
    let id = schema::id(KeyId::PREFIX);
    json!({"type": "array", "items": id, "minItems": 1, "maxItems": MOST_IDS})
}

fn read_ids(value: &Value) -> Result<Vec<KeyId>, String> {
    let items = value.as_array().ok_or("must be a list of ids of keys")?;
    if !(1..=MOST_IDS).contains(&items.len()) {
        return Err(format!("must have 1 to {MOST_IDS} ids; it has {}", items.len()));
    }
    let mut ids = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let id = item.as_str().and_then(|text| text.parse().ok());
        let id = id.ok_or_else(|| format!("must be ids of keys: number {} is none", place + 1))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn read_filter(reader: &mut FieldReader<'_>, catalog: &Catalog) -> Option<KeyFilter> {
    let schema = || describe(|reader| Some(KeyFilter::read(reader, catalog)));
    let example = "must be an object, such as {\"unused_for\": \"90d\"}";
    let object =
        reader.parsed("filter", schema, |value| value.as_object().ok_or(example.to_owned()))?;
    KeyFilter::from_object(object, catalog).map_err(|errors| complain(reader, errors)).ok()
}

fn complain(reader: &mut FieldReader<'_>, errors: FieldErrors) {
    for error in errors {
        reader.complain(&format!("filter.{}", error.field), error.message);
    }
}

/// What became of several keys that were to be revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RevokedKeys {
    /// The keys that are revoked now.
    pub revoked: Vec<KeyId>,
    /// The keys that had been revoked before, of which nothing was changed.
    pub already_revoked: Vec<KeyId>,
}

impl Replayable for RevokedKeys {}

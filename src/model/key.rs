//! API keys: what is known of one, its state at a moment, and what a new one must say.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::FieldErrors;
use super::actor::Actor;
use super::catalog::Catalog;
use super::fields::FieldReader;
use super::holder::KeyHolder;
use super::id::{KeyId, UserId};
use super::limits::KeyLimits;
use super::scope::{Scope, ScopeSet};
use super::secret::Digest;
use super::time::{LongestLife, Moment};
use super::words::words;

/// A key's row number: what the usage tables and the key index refer to it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyNumber(pub u32);

words! {
    /// The state of a key at a moment.
    Status {
        /// It is accepted.
        Active = "active",
        /// Somebody has revoked it.
        Revoked = "revoked",
        /// It has expired.
        Expired = "expired",
    }
}

/// How a key was ended by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When the key or token was revoked.
    pub at: Moment,
    /// Who revoked it.
    pub by: Actor,
    /// The reason they gave.
    pub reason: Option<String>,
}

/// What can be recorded when a key is revoked.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct RevokeRequest {
    /// Why, in your own words.
    pub reason: Option<String>,
}

impl RevokeRequest {
    /// Reads the reason.
    pub fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        Some(Self { reason: reader.line("reason", 500) })
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let request = Self::read(&mut reader);
        reader.finish(request)
    }
}

/// The state of something that can be revoked and can expire.
pub fn status_at(revoked: bool, expires_at: Option<Moment>, now: Moment) -> Status {
    match (revoked, expires_at) {
        (true, _) => Status::Revoked,
        (false, Some(end)) if now >= end => Status::Expired,
        (false, _) => Status::Active,
    }
}

/// An API key, without its secret: of that, only the digest is known.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The row number, by which the key index and the usage tables refer to the key.
    pub number: KeyNumber,
    /// The public id, which is not secret.
    pub id: KeyId,
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// What people call it.
    pub label: KeyLabel,
    /// What it may do.
    pub scopes: ScopeSet,
    /// How fast, how much and from where it may be used.
    pub limits: KeyLimits,
    /// What lists show of the secret.
    pub display: String,
    /// When the key was made.
    pub created_at: Moment,
    /// Who made the key.
    pub created_by: Actor,
    /// The user who is responsible for it: who made it on a page, or to whom it was handed.
    pub holder: Option<KeyHolder>,
    /// When it expires; never if absent.
    pub expires_at: Option<Moment>,
    /// How it was ended, if it was.
    pub revocation: Option<Revocation>,
    /// Whether its secret was made elsewhere, and need not look like one of ours.
    pub imported: bool,
    /// The key that was rotated into this one.
    pub replaces: Option<KeyId>,
    /// The key that this one was rotated into.
    pub replaced_by: Option<KeyId>,
    /// When it was first reported as leaked, if it was.
    pub leaked_at: Option<Moment>,
    /// Id of the audit event of its last change.
    pub revision: i64,
}

impl ApiKey {
    /// The key's status at a moment.
    pub fn status(&self, now: Moment) -> Status {
        status_at(self.revocation.is_some(), self.expires_at, now)
    }

    /// Whether this user is responsible for it.
    pub fn is_held_by(&self, user: UserId) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.id == user)
    }
}

/// What people call a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyLabel {
    /// 1 to 100 characters.
    pub name: String,
    /// At most 500 characters.
    pub description: Option<String>,
    /// Whose key it is, at most 200 characters; it has no effect on what the key may do.
    pub owner: Option<String>,
}

impl KeyLabel {
    /// Its texts, by field.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { name, description, owner } = self;
        let texts = [
            ("name", Some(name)),
            ("description", description.as_ref()),
            ("owner", owner.as_ref()),
        ];
        texts.into_iter().filter_map(|(field, text)| Some((field, text?.as_str())))
    }

    /// Reads the label's fields.
    pub fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let name = reader.line("name", 100);
        let name = reader.required("name", name);
        let description = reader.text("description", 500).filter(|text| !text.is_empty());
        let owner = reader.line("owner", 200);
        Some(Self { name: name?, description, owner })
    }
}

/// A key that is about to be made; everything in it has been checked.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub label: KeyLabel,
    /// What it may do; never empty.
    pub scopes: ScopeSet,
    /// When it expires; never if absent.
    pub expires_at: Option<Moment>,
    /// How fast, how much and from where it may be used.
    pub limits: KeyLimits,
}

impl NewKey {
    /// Reads `name`, `scopes` and optionally `description`, `owner`, `expires_at` and the limits.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(
        object: &Map<String, Value>,
        catalog: &Catalog,
        now: Moment,
    ) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let key = Self::read(&mut reader, catalog, now);
        reader.finish(key)
    }

    /// Reads the label, `scopes` and `expires_at`.
    pub fn read(reader: &mut FieldReader<'_>, catalog: &Catalog, now: Moment) -> Option<Self> {
        let label = KeyLabel::read(reader);
        let scopes = read_scopes_field(reader, "scopes", catalog);
        let scopes = reader.required("scopes", scopes);
        let expires_at = read_expiry(reader, LongestLife::TenYears, now);
        let limits = KeyLimits::read(reader);
        Some(Self { label: label?, scopes: scopes?, expires_at, limits })
    }
}

/// Reads `expires_at`, and adds an error unless it is ahead and near enough.
pub fn read_expiry(
    reader: &mut FieldReader<'_>,
    longest: LongestLife,
    now: Moment,
) -> Option<Moment> {
    let expires_at = reader.moment("expires_at")?;
    longest.check(expires_at, now).map_err(|message| reader.complain("expires_at", message)).ok()
}

/// The most scopes one list names: more than the resources of any configuration have.
const MOST_SCOPES: usize = 500;

/// Reads a field that is a list of scopes and not empty.
pub fn read_scopes_field(
    reader: &mut FieldReader<'_>,
    field: &'static str,
    catalog: &Catalog,
) -> Option<ScopeSet> {
    reader.parsed(field, || schema_of_scopes(catalog), |value| read_scopes(value, catalog))
}

/// What [`read_scopes`] accepts.
pub(super) fn schema_of_scopes(catalog: &Catalog) -> Value {
    let mut schema = catalog.schema();
    schema["minItems"] = 1.into();
    schema["maxItems"] = MOST_SCOPES.into();
    schema
}

/// Reads a list of scopes that is not empty.
///
/// # Errors
/// The message for the field.
pub fn read_scopes(value: &Value, catalog: &Catalog) -> Result<ScopeSet, String> {
    Ok(catalog.in_order(&read_scopes_with(value, |text| catalog.parse_scope(text))?))
}

/// Reads a list that is not empty, each of its scopes with `parse`.
///
/// # Errors
/// The message for the field.
pub(super) fn read_scopes_with(
    value: &Value,
    parse: impl Fn(&str) -> Result<Scope, String>,
) -> Result<ScopeSet, String> {
    const EXPECTED: &str = "must be a list of scopes, such as [\"calls:read\"]";
    let items = value.as_array().ok_or(EXPECTED)?;
    if items.is_empty() {
        return Err("must contain at least one scope".to_owned());
    }
    if items.len() > MOST_SCOPES {
        return Err(format!("must contain at most {MOST_SCOPES} scopes"));
    }
    items.iter().map(|item| parse(item.as_str().ok_or(EXPECTED)?)).collect()
}

/// What the key index takes of a key.
#[derive(Debug, Clone)]
pub struct KeyChange {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// The row number, by which the key index and the usage tables refer to the key.
    pub number: KeyNumber,
    /// The public id, which is not secret.
    pub id: KeyId,
    /// What it may do.
    pub scopes: ScopeSet,
    /// How fast, how much and from where it may be used.
    pub limits: KeyLimits,
    /// When the key expires; never if absent.
    pub expires_at: Option<Moment>,
    /// Whether the key was revoked.
    pub revoked: bool,
    /// Whether its secret was made elsewhere.
    pub imported: bool,
    /// Id of the audit event of its last change.
    pub revision: i64,
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use serde_json::json;

    use super::*;
    use crate::model::catalog::sample;
    use crate::model::time::parse_rfc3339;

    fn now() -> Moment {
        parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn read(object: Value) -> Result<NewKey, Vec<String>> {
        let catalog = sample::catalog();
        NewKey::from_object(object.as_object().unwrap(), &catalog, now())
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_new_key_needs_a_name_and_a_scope() {
        let key = read(json!({"name": " a ", "scopes": ["calls:read", "calls:read"]})).unwrap();
        assert_eq!((key.label.name.as_str(), key.scopes.to_string().as_str()), ("a", "calls:read"));
        assert_eq!(read(json!({})).unwrap_err(), ["name", "scopes"]);
        let every = json!({"name": 1, "scopes": ["*"], "expires_at": "2026-11-21T12:00:00Z", "owner": "\n", "id": "x"});
        assert_eq!(read(every).unwrap_err(), ["name", "scopes", "expires_at", "id"]);
    }

    #[test]
    fn the_state_changes_at_the_expiry_to_the_millisecond() {
        let end = now();
        let before = end - Duration::milliseconds(1);
        assert_eq!(status_at(false, Some(end), before), Status::Active);
        assert_eq!(status_at(false, Some(end), end), Status::Expired);
    }
}

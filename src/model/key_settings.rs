//! The part of a key that can be edited: its label, limits and holder, in any way; its scopes and its
//! life, which only ever shrink.

use serde::Serialize;
use serde_json::{Value, json};

use super::FieldErrors;
use super::catalog::Catalog;
use super::email::Email;
use super::fields::{FieldReader, as_text};
use super::formats::LONGEST_EMAIL;
use super::holder::KeyHolder;
use super::key::{ApiKey, KeyLabel, read_scopes_with, schema_of_scopes};
use super::limits::KeyLimits;
use super::merge_patch::{Edit, edit_fields};
use super::schema;
use super::scope::{Scope, ScopeSet};
use super::time::{LongestLife, Moment, format, rfc3339};

/// The part of a key that can be edited while it is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySettings {
    /// What people call it.
    #[serde(flatten)]
    pub label: KeyLabel,
    /// What it may do; never empty.
    pub scopes: ScopeSet,
    /// When it expires; never if absent.
    #[serde(with = "rfc3339::option")]
    pub expires_at: Option<Moment>,
    /// How fast, how much and from where it may be used.
    #[serde(flatten)]
    pub limits: KeyLimits,
    /// The address of the user who is responsible for it.
    pub holder: Option<Email>,
}

impl KeySettings {
    /// Those of a key.
    pub fn of(key: &ApiKey) -> Self {
        Self {
            label: key.label.clone(),
            scopes: key.scopes.clone(),
            expires_at: key.expires_at,
            limits: key.limits.clone(),
            holder: key.holder.as_ref().map(|holder| holder.email.clone()),
        }
    }

    /// Makes them those of a key, whose holder is this user then.
    pub fn apply_to(self, key: &mut ApiKey, holder: Option<KeyHolder>) {
        let Self { label, scopes, expires_at, limits, holder: _ } = self;
        (key.label, key.scopes, key.expires_at, key.limits) = (label, scopes, expires_at, limits);
        key.holder = holder;
    }

    /// What an edit makes of them.
    ///
    /// # Errors
    /// Every error that was found; a scope that would be added and a life that would be prolonged
    /// are errors.
    pub fn patched(
        &self,
        edit: impl Into<Edit>,
        catalog: &Catalog,
        now: Moment,
    ) -> Result<Self, FieldErrors> {
        let mut document = json!(self).as_object().cloned().unwrap_or_default();
        edit_fields(&mut document, edit.into());
        let mut reader = FieldReader::new(&document);
        let settings = self.read(&mut reader, catalog, now);
        reader.finish(settings)
    }

    /// Reads every field of what these settings are to become.
    pub fn read(
        &self,
        reader: &mut FieldReader<'_>,
        catalog: &Catalog,
        now: Moment,
    ) -> Option<Self> {
        let label = KeyLabel::read(reader);
        let schema = || schema_of_scopes(catalog);
        let scopes = reader.parsed("scopes", schema, |value| self.fewer_scopes(value, catalog));
        let scopes = reader.required("scopes", scopes);
        let given = reader.moment("expires_at");
        let expires_at = self.earlier_expiry(given, now);
        let expires_at = expires_at.map_err(|message| reader.complain("expires_at", message));
        let limits = KeyLimits::read(reader);
        let schema = || schema::email(LONGEST_EMAIL);
        let holder = reader.parsed("holder", schema, |value| as_text(value)?.parse());
        let expires_at = expires_at.ok()?;
        Some(Self { label: label?, scopes: scopes?, expires_at, limits, holder })
    }

    /// Reads scopes of which none is new. Those of resources that have left the configuration may
    /// stay.
    fn fewer_scopes(&self, value: &Value, catalog: &Catalog) -> Result<ScopeSet, String> {
        let own = |scope: &Scope| self.scopes.contains(scope);
        let parse = |text: &str| match text.parse().ok().filter(own) {
            Some(scope) => Ok(scope),
            None => catalog.parse_scope(text),
        };
        let scopes = read_scopes_with(value, parse)?;
        let added: Vec<String> =
            scopes.iter().filter(|scope| !own(scope)).map(ToString::to_string).collect();
        if added.is_empty() {
            return Ok(catalog.in_order(&scopes));
        }
        Err(format!(
            "must not add {}: the scopes of a key only ever shrink; make another key for more",
            added.join(", ")
        ))
    }

    /// An expiry that is ahead and no later than it was.
    fn earlier_expiry(&self, given: Option<Moment>, now: Moment) -> Result<Option<Moment>, String> {
        let shrinks = "the life of a key only ever shrinks; make another key for a longer one";
        match (given, self.expires_at) {
            (given, before) if given == before => Ok(before),
            (None, Some(_)) => Err(format!("must not be removed: {shrinks}")),
            (Some(given), Some(before)) if given > before => {
                Err(format!("must not be later than {}: {shrinks}", format(before)))
            }
            (Some(given), _) if given <= now => {
                Err("must be in the future; to end the key at once, revoke it".to_owned())
            }
            (Some(given), _) => LongestLife::TenYears.check(given, now).map(Some),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::model::catalog::sample;
    use crate::model::time::parse_rfc3339;

    fn now() -> Moment {
        parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn settings(scopes: &str, expires_at: Option<Moment>) -> KeySettings {
        let label = KeyLabel { name: "a".to_owned(), description: None, owner: None };
        let scopes = scopes.parse().unwrap();
        KeySettings { label, scopes, expires_at, limits: KeyLimits::default(), holder: None }
    }

    fn patched(before: &KeySettings, patch: Value) -> Result<KeySettings, Vec<String>> {
        let patch = patch.as_object().unwrap().clone();
        before.patched(patch, &sample::catalog(), now()).map_err(|errors| {
            errors.into_iter().map(|error| format!("{} {}", error.field, error.message)).collect()
        })
    }

    #[test]
    fn scopes_only_ever_shrink() {
        let before = settings("calls:read calls:write gone:read", None);
        let read = |scopes: &[&str]| patched(&before, json!({"scopes": scopes}));
        let kept = read(&["gone:read", "calls:read"]).unwrap();
        assert_eq!(kept.scopes.to_string(), "calls:read gone:read");
        for (scopes, named) in [
            (
                &["leads:read", "calls:read", "leads:write"][..],
                "must not add leads:read, leads:write:",
            ),
            (&["gone:write"], "\"gone:write\" is not a scope"),
            (&[], "must contain at least one scope"),
        ] {
            let errors = read(scopes).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(named), "{errors:?}");
        }
        assert_eq!(patched(&before, json!({"scopes": null})).unwrap_err(), ["scopes is required"]);
    }

    #[test]
    fn a_life_only_ever_shrinks() {
        let end = now() + Duration::days(30);
        let (ends, never) = (settings("calls:read", Some(end)), settings("calls:read", None));
        let read = |before: &KeySettings, at: Option<Moment>| {
            patched(before, json!({"expires_at": at.map(format)})).map(|after| after.expires_at)
        };
        let later = end + Duration::milliseconds(1);
        let sooner = now() + Duration::milliseconds(1);
        assert_eq!(read(&ends, Some(end)), Ok(Some(end)));
        assert_eq!(read(&ends, Some(sooner)), Ok(Some(sooner)));
        assert_eq!(read(&never, Some(later)), Ok(Some(later)));
        assert_eq!(read(&never, None), Ok(None));
        for (before, at, named) in [
            (&ends, Some(later), "must not be later than 2026-12-21T12:00:00.000Z"),
            (&ends, None, "must not be removed"),
            (&ends, Some(now()), "revoke it"),
            (&never, Some(now() - Duration::days(1)), "revoke it"),
            (&never, Some(now() + Duration::days(3660)), "at most 10 years away"),
        ] {
            let errors = read(before, at).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(named), "{errors:?}");
        }
    }
}

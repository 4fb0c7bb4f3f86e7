//! The rules that every new key has to keep, as the operator has set them.

use super::FieldErrors;
use super::key::KeyLabel;
use super::span::Span;
use super::time::Moment;
use super::words::words;

words! {
    /// What becomes of a key that is reported as leaked.
    LeakPolicy {
        /// It is revoked.
        Revoke = "revoke",
        /// It is marked, and goes on working.
        Flag = "flag",
    }
}

/// Rules for new keys, and for leaked ones; none for new ones unless configured. Keys that are there already stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The longest a key may live.
    pub max_key_lifetime: Option<Span>,
    /// Whether every key must expire.
    pub require_expiry: bool,
    /// Whether every key must have an owner.
    pub require_owner: bool,
    /// How many active keys a member may have.
    pub max_keys_per_member: Option<u32>,
    /// What becomes of leaked keys.
    pub leaks: LeakPolicy,
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the words derives no default")]
impl Default for LeakPolicy {
    fn default() -> Self {
        Self::Revoke
    }
}

impl Policy {
    /// Refuses a key that is about to be made and breaks a rule.
    ///
    /// # Errors
    /// Every rule that it breaks, by its name.
    pub fn check(
        &self,
        label: &KeyLabel,
        expires_at: Option<Moment>,
        now: Moment,
    ) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Err(message) = self.check_expiry(expires_at, now) {
            errors.add("expires_at", message);
        }
        if let Err(message) = self.check_owner(label) {
            errors.add("owner", message);
        }
        errors.into_result()
    }

    fn check_expiry(&self, expires_at: Option<Moment>, now: Moment) -> Result<(), String> {
        match (expires_at, self.max_key_lifetime) {
            (Some(end), Some(longest)) if end > longest.after(now) => {
                let longest = longest.words();
                Err(format!("must be at most {longest} away (policy: max_key_lifetime)"))
            }
            (None, Some(longest)) => {
                let longest = longest.words();
                Err(format!("is required, at most {longest} away (policy: max_key_lifetime)"))
            }
            (None, None) if self.require_expiry => {
                Err("is required: a key must expire (policy: require_expiry)".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_owner(&self, label: &KeyLabel) -> Result<(), String> {
        if self.require_owner && label.owner.is_none() {
            return Err("is required: a key must have one (policy: require_owner)".to_owned());
        }
        Ok(())
    }

    /// Refuses to take away what a rule requires. A key that never had it may be edited otherwise.
    ///
    /// # Errors
    /// The rule that would be broken, by its name.
    pub fn check_edit(&self, before: &KeyLabel, after: &KeyLabel) -> Result<(), FieldErrors> {
        match self.check_owner(after) {
            Err(message) if before.owner.is_some() => Err(FieldErrors::one("owner", message)),
            _ => Ok(()),
        }
    }

    /// Refuses a member so many active keys, of which those that were rotated do not count.
    ///
    /// # Errors
    /// The rule, by its name.
    pub fn check_count(&self, active: usize) -> Result<(), String> {
        match self.max_keys_per_member {
            Some(most) if active > most as usize => Err(format!(
                "would have {active} active keys, and a member may have {most} (policy: max_keys_per_member)"
            )),
            _ => Ok(()),
        }
    }

    /// Whether a key may be without an expiry.
    pub fn allows_endless(&self) -> bool {
        !self.require_expiry && self.max_key_lifetime.is_none()
    }

    /// The latest end of a key that is made now.
    pub fn latest_end(&self, now: Moment) -> Moment {
        self.max_key_lifetime.map_or(Moment::MAX_UTC, |longest| longest.after(now))
    }

    /// The end that nobody chose, or the latest that the policy allows if that is sooner.
    pub fn shortened(&self, end: Option<Moment>, now: Moment) -> Option<Moment> {
        let Some(longest) = self.max_key_lifetime else { return end };
        let latest = longest.after(now);
        Some(end.map_or(latest, |end| end.min(latest)))
    }

    /// The rule about the expiry, for whoever is about to choose one.
    pub fn about_expiry(&self) -> Option<String> {
        match self.max_key_lifetime {
            Some(longest) => Some(format!("A key lives {} at most.", longest.words())),
            None => self.require_expiry.then(|| "Every key must expire.".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_key_is_held_against_every_rule_to_the_millisecond() {
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let policy = Policy {
            max_key_lifetime: Some(Span::days(90)),
            require_owner: true,
            ..Policy::default()
        };
        let label = |owner: Option<&str>| KeyLabel {
            name: "a".to_owned(),
            description: None,
            owner: owner.map(str::to_owned),
        };
        let latest = policy.latest_end(now);
        let later = latest + chrono::Duration::milliseconds(1);
        assert_eq!(policy.check(&label(Some("acme")), Some(latest), now), Ok(()));
        for (owner, end, fields) in [
            (Some("acme"), Some(later), &["expires_at"][..]),
            (Some("acme"), None, &["expires_at"]),
            (None, Some(latest), &["owner"]),
            (None, None, &["expires_at", "owner"]),
        ] {
            let errors = policy.check(&label(owner), end, now).unwrap_err();
            let named: Vec<&str> =
                errors.named().iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, fields);
        }
        assert!(policy.check_edit(&label(Some("acme")), &label(None)).is_err());
        assert_eq!(policy.check_edit(&label(None), &label(None)), Ok(()));
        let none = Policy::default();
        assert_eq!(none.check(&label(None), None, now), Ok(()));
    }
}

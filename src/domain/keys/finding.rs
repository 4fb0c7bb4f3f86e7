//! Finding a key by the key itself. It is looked up by its digest, so that the secret is neither stored
//! nor passed on.

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::domain::principal::Principal;
use crate::gate::advice::about_unknown;
use crate::model::FieldErrors;
use crate::model::foreign_key::candidates;
use crate::model::key::ApiKey;
use crate::model::key_filter::KeyFilter;
use crate::model::secret::Digest;
use crate::store;
use crate::store::keys::{self, transfer};

/// What is said of a key in a URL.
pub const KEY_IN_URL: &str = "is a key, and stood in a URL, which browsers, proxies and logs keep: regard it as leaked, and revoke it. Find a key by pasting it into the search of the page, or with POST /v1/keys/find";
/// What is said of a key where a filter has another text.
pub const KEY_IN_FILTER: &str = "is a key, which no filter finds: paste it into the search of the page, or send it to POST /v1/keys/find";

impl Bitting {
    /// The key that this is, retired or not.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], also for a foreign one, which is noted.
    pub fn find_key_by_secret(&self, principal: &Principal, secret: &str) -> Result<ApiKey> {
        let digest = Digest::of(secret.as_bytes());
        let found = self.database.read(|connection| keys::find_by_digest(connection, &digest))?;
        let key = found.ok_or(Error::NotFound)?;
        let id = key.id;
        let seen = if principal.sees(&key) { Ok(key) } else { Err(Error::Foreign) };
        self.audit_denial(principal, Some(id), &json!({"attempt": "key.read"}), seen)
    }

    /// Why nothing was found, in a sentence that goes by the text alone.
    pub fn why_not_found(&self, secret: &str) -> &'static str {
        about_unknown(secret, &self.brand)
    }

    /// The key that a text is, or that memory knows to be somewhere in it.
    ///
    /// # Errors
    ///
    /// As [`Self::find_key_by_secret`].
    pub fn find_key_in(&self, principal: &Principal, text: &str) -> Result<ApiKey> {
        let known = candidates(text).find(|text| self.is_known_key(text));
        self.find_key_by_secret(principal, known.unwrap_or(text))
    }

    /// Whether a text holds what looks like a secret of ours, or a key that was imported.
    pub fn holds_secret(&self, text: &str) -> bool {
        self.brand.occurs_in(text) || self.holds_known_key(text)
    }

    /// Whether a text holds a key that was imported, or the beginning of what looks like a secret of ours:
    /// loosely, to keep secrets out of what is stored and logged.
    pub fn may_hold_secret(&self, text: &str) -> bool {
        self.brand.may_occur_in(text) || self.holds_known_key(text)
    }

    /// A text without the keys in it that were imported.
    pub(super) fn without_known_keys(&self, text: &str) -> String {
        let known = candidates(text).filter(|text| self.is_known_key(text));
        known.fold(text.to_owned(), |text, key| text.replace(key, "…"))
    }

    /// Whether a text holds a key that was imported, whatever it looks like, as far as memory knows.
    fn holds_known_key(&self, text: &str) -> bool {
        self.gate.index.holds_imported() && candidates(text).any(|text| self.is_known_key(text))
    }

    fn is_known_key(&self, text: &str) -> bool {
        self.gate.index.find(&Digest::of(text.as_bytes())).is_some()
    }

    /// Whether a text holds a key that was imported: as the database knows where memory does not, since a
    /// command reads no keys when it begins.
    pub(in crate::domain) fn holds_imported_key(&self, text: &str) -> store::Result<bool> {
        if self.gate.freshness.is_fresh(self.time.uptime()) {
            return Ok(self.holds_known_key(text));
        }
        let digests: Vec<Digest> =
            candidates(text).map(|text| Digest::of(text.as_bytes())).collect();
        let known =
            self.database.read(|connection| transfer::ids_of_digests(connection, &digests))?;
        Ok(!known.is_empty())
    }

    /// Refuses texts that are keys; `why` says what of it, without repeating them.
    ///
    /// # Errors
    /// The names of those.
    pub fn refuse_keys<'a>(
        &self,
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
        why: &str,
    ) -> std::result::Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        for (name, _) in texts.into_iter().filter(|(_, text)| self.holds_secret(text)) {
            errors.add(name, why);
        }
        errors.into_result()
    }

    /// Refuses to search for a key by a filter.
    pub(super) fn refuse_keys_in_filter(&self, filter: &KeyFilter) -> Result<()> {
        let given = filter.parameters();
        let texts = given.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?)));
        Ok(self.refuse_keys(texts, KEY_IN_FILTER)?)
    }
}

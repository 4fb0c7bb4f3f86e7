//! Finding a key by the key itself. It is looked up by its digest, so that the secret is neither stored
//! nor passed on.

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::domain::principal::Principal;
use crate::gate::advice::about_unknown;
use crate::model::FieldErrors;
use crate::model::key::ApiKey;
use crate::model::key_filter::KeyFilter;
use crate::model::secret::Digest;
use crate::store::keys;

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

    /// Whether a text holds what looks like a secret of ours, or is one that was imported.
    pub fn is_secret(&self, text: &str) -> bool {
        self.brand.occurs_in(text) || self.is_imported_key(text)
    }

    /// Whether a text is a key that was imported, whatever it looks like.
    pub(in crate::domain) fn is_imported_key(&self, text: &str) -> bool {
        let index = &self.gate.index;
        index.holds_imported() && index.find(&Digest::of(text.as_bytes())).is_some()
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
        for (name, _) in texts.into_iter().filter(|(_, text)| self.is_secret(text.trim())) {
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

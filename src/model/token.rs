//! Admin tokens: they manage keys by program, and nothing else.

use serde_json::{Map, Value, json};

use super::FieldErrors;
use super::actor::Actor;
use super::catalog::Catalog;
use super::fields::{FieldReader, as_text};
use super::id::{TokenId, UserId};
use super::key::{Revocation, Status, read_expiry, read_scopes_field, status_at};
use super::key_filter::StatusFilter;
use super::scope::{Access, ScopeSet};
use super::secret::Digest;
use super::time::{LongestLife, Moment};

/// An admin token, without its secret.
#[derive(Debug, Clone)]
pub struct AdminToken {
    /// The row number, which the key index and the tally refer to it by.
    pub number: u32,
    /// The public id, which is not secret.
    pub id: TokenId,
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// What people call it.
    pub name: String,
    /// What it may do with keys; write includes read here.
    pub access: Access,
    /// The scopes it may give to keys.
    pub may_grant: ScopeSet,
    /// What lists show of the secret.
    pub display: String,
    /// When the token was made.
    pub created_at: Moment,
    /// Who made the token.
    pub created_by: Actor,
    /// The administrator whose token it is now, if one made it.
    pub user: Option<UserId>,
    /// When the token expires.
    pub expires_at: Moment,
    /// How it was ended, if it was.
    pub revocation: Option<Revocation>,
    /// When the token was last accepted.
    pub last_used_at: Option<Moment>,
    /// Id of the audit event of its last change.
    pub revision: i64,
}

impl AdminToken {
    /// The token's status at a moment.
    pub fn status(&self, now: Moment) -> Status {
        status_at(self.revocation.is_some(), Some(self.expires_at), now)
    }
}

/// Which admin tokens to list.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Only tokens in this state.
    pub status: Option<StatusFilter>,
    /// Only those with this text in their name, id, display or maker's name, in any case.
    pub text: Option<String>,
}

/// An admin token that is about to be made; everything in it has been checked.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The token's name, 1 to 100 characters.
    pub name: String,
    /// What it may do with keys.
    pub access: Access,
    /// The scopes it may give to keys: all that there are now unless said.
    pub may_grant: ScopeSet,
    /// When it will expire, at most a year away.
    pub expires_at: Moment,
}

impl NewToken {
    /// Reads `name`, `access`, `expires_at` and optionally `may_grant`.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(
        object: &Map<String, Value>,
        catalog: &Catalog,
        now: Moment,
    ) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let name = reader.line("name", 100);
        let name = reader.required("name", name);
        let schema = || json!({"type": "string", "enum": Access::ALL});
        let access = reader.parsed("access", schema, |value| {
            let text = as_text(value)?;
            Access::parse(text).ok_or_else(|| "must be read or write".to_owned())
        });
        let access = reader.required("access", access);
        let may_grant = read_scopes_field(&mut reader, "may_grant", catalog);
        let may_grant = may_grant.unwrap_or_else(|| catalog.scopes());
        let expires_at = read_expiry(&mut reader, LongestLife::OneYear, now);
        let expires_at = reader.required("expires_at", expires_at);
        let token = name.zip(access).zip(expires_at).map(|((name, access), expires_at)| Self {
            name,
            access,
            may_grant,
            expires_at,
        });
        reader.finish(token)
    }
}

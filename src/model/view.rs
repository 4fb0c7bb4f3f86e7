//! Keys and tokens as JSON: the same objects over HTTP and on the command line.
//!
//! No view has a field for a secret but the two that answer the making of one.

use serde::Serialize;

use super::actor::Actor;
use super::id::{KeyId, TokenId};
use super::idempotency::Keepable;
use super::key::{ApiKey, Status};
use super::scope::{Access, ScopeSet};
use super::secret::Secret;
use super::time::{self, Moment};
use super::token::AdminToken;
use super::usage::{PerWindow, Source, Tally, Usage};

/// A key as it is shown.
#[derive(Serialize)]
pub struct KeyView<'a> {
    id: KeyId,
    name: &'a str,
    description: Option<&'a str>,
    owner: Option<&'a str>,
    scopes: ScopeSet,
    status: Status,
    display: &'a str,
    #[serde(with = "time::rfc3339")]
    created_at: Moment,
    created_by: &'a Actor,
    #[serde(with = "time::rfc3339::option")]
    expires_at: Option<Moment>,
    #[serde(with = "time::rfc3339::option")]
    revoked_at: Option<Moment>,
    revoked_by: Option<&'a Actor>,
    revoke_reason: Option<&'a str>,
    #[serde(with = "time::rfc3339::option")]
    last_used_at: Option<Moment>,
    lifetime_total: i64,
    usage: &'a PerWindow<Tally>,
}

impl<'a> KeyView<'a> {
    /// The key in its state at a moment.
    pub fn new(key: &'a ApiKey, usage: &'a Usage, now: Moment) -> Self {
        let revocation = key.revocation.as_ref();
        Self {
            id: key.id,
            name: &key.label.name,
            description: key.label.description.as_deref(),
            owner: key.label.owner.as_deref(),
            scopes: key.scopes,
            status: key.status(now),
            display: &key.display,
            created_at: key.created_at,
            created_by: &key.created_by,
            expires_at: key.expires_at,
            revoked_at: revocation.map(|revocation| revocation.at),
            revoked_by: revocation.map(|revocation| &revocation.by),
            revoke_reason: revocation.and_then(|revocation| revocation.reason.as_deref()),
            last_used_at: usage.last_used_at(),
            lifetime_total: usage.lifetime.total(),
            usage: &usage.windows,
        }
    }
}

impl Keepable for KeyView<'_> {}

/// A key with where it was used from.
#[derive(Serialize)]
pub struct KeyDetailView<'a> {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView<'a>,
    /// Its last addresses, the newest first.
    pub addresses: &'a [Source],
}

impl Keepable for KeyDetailView<'_> {}

/// The answer to the making of a key, and the only one that holds it.
#[derive(Serialize)]
pub struct NewKeyView<'a> {
    #[serde(flatten)]
    view: KeyView<'a>,
    key: &'a str,
}

impl<'a> NewKeyView<'a> {
    /// Shows the secret, this once.
    pub fn new(view: KeyView<'a>, secret: &'a Secret) -> Self {
        Self { view, key: secret.expose() }
    }
}

/// What a key may know of itself.
#[derive(Serialize)]
pub struct WhoAmIView<'a> {
    id: KeyId,
    name: &'a str,
    owner: Option<&'a str>,
    scopes: ScopeSet,
    #[serde(with = "time::rfc3339::option")]
    expires_at: Option<Moment>,
    usage: &'a PerWindow<Tally>,
}

impl<'a> WhoAmIView<'a> {
    /// The key and its figures.
    pub fn new(key: &'a ApiKey, usage: &'a Usage) -> Self {
        Self {
            id: key.id,
            name: &key.label.name,
            owner: key.label.owner.as_deref(),
            scopes: key.scopes,
            expires_at: key.expires_at,
            usage: &usage.windows,
        }
    }
}

/// An admin token as it is shown.
#[derive(Serialize)]
pub struct TokenView<'a> {
    id: TokenId,
    name: &'a str,
    access: Access,
    may_grant: ScopeSet,
    status: Status,
    display: &'a str,
    #[serde(with = "time::rfc3339")]
    created_at: Moment,
    created_by: &'a Actor,
    #[serde(with = "time::rfc3339")]
    expires_at: Moment,
    #[serde(with = "time::rfc3339::option")]
    revoked_at: Option<Moment>,
    revoked_by: Option<&'a Actor>,
    revoke_reason: Option<&'a str>,
    #[serde(with = "time::rfc3339::option")]
    last_used_at: Option<Moment>,
}

impl<'a> TokenView<'a> {
    /// The token in its state at a moment.
    pub fn new(token: &'a AdminToken, now: Moment) -> Self {
        let revocation = token.revocation.as_ref();
        Self {
            id: token.id,
            name: &token.name,
            access: token.access,
            may_grant: token.may_grant,
            status: token.status(now),
            display: &token.display,
            created_at: token.created_at,
            created_by: &token.created_by,
            expires_at: token.expires_at,
            revoked_at: revocation.map(|revocation| revocation.at),
            revoked_by: revocation.map(|revocation| &revocation.by),
            revoke_reason: revocation.and_then(|revocation| revocation.reason.as_deref()),
            last_used_at: token.last_used_at,
        }
    }
}

/// The answer to the making of a token, and the only one that holds it.
#[derive(Serialize)]
pub struct NewTokenView<'a> {
    #[serde(flatten)]
    view: TokenView<'a>,
    token: &'a str,
}

impl<'a> NewTokenView<'a> {
    /// Shows the secret, this once.
    pub fn new(view: TokenView<'a>, secret: &'a Secret) -> Self {
        Self { view, token: secret.expose() }
    }
}

//! Keys, tokens and users as JSON: the same objects over HTTP and on the command line.
//!
//! No view has a field for a secret but the two that answer the making of one.

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use super::actor::Actor;
use super::catalog::Catalog;
use super::email::Email;
use super::id::{KeyId, TokenId, UserId};
use super::idempotency::Replayable;
use super::key::{ApiKey, Status};
use super::limits::KeyLimits;
use super::scope::{Access, ScopeSet};
use super::secret::Secret;
use super::time;
use super::time::Moment;
use super::token::AdminToken;
use super::usage::{PerWindow, Source, Tally, Usage};
use super::user::{Role, User, UserStatus};

/// A key as it is shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub struct KeyView<'a> {
    /// Names the key; it is not secret.
    id: KeyId,
    /// What people call it.
    name: &'a str,
    /// What it is for.
    description: Option<&'a str>,
    /// Whose key it is, in your own words; it grants nothing.
    owner: Option<&'a str>,
    /// The e-mail address of the user who is responsible for it, if anybody is.
    #[schemars(with = "Option<String>")]
    holder: Option<&'a Email>,
    /// What it may do.
    scopes: &'a ScopeSet,
    /// Those of the scopes that open nothing, since their resource has left `bitting.toml`; only there
    /// if there are any.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    gone_scopes: ScopeSet,
    /// Its state now.
    status: Status,
    /// What may be shown of the secret: its beginning and its end.
    display: &'a str,
    /// When it was made.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    created_at: Moment,
    /// By whom.
    created_by: &'a Actor,
    /// From when on it is refused; never if null.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    expires_at: Option<Moment>,
    #[serde(flatten)]
    limits: &'a KeyLimits,
    /// When it was revoked, if it was.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    revoked_at: Option<Moment>,
    /// By whom.
    revoked_by: Option<&'a Actor>,
    /// Why, in their words.
    revoke_reason: Option<&'a str>,
    /// The key whose place it took, if it did.
    replaces: Option<KeyId>,
    /// The key that took its place, if it was rotated.
    replaced_by: Option<KeyId>,
    /// When it was first reported as leaked, if it was.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    leaked_at: Option<Moment>,
    /// Left out only where the key was changed and its figures then could not be read.
    #[serde(flatten)]
    #[schemars(with = "KeyFigures")]
    figures: Option<KeyFigures<'a>>,
}

/// How much a key was used.
#[derive(Serialize, JsonSchema)]
struct KeyFigures<'a> {
    /// When it was last used while it was live.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    last_used_at: Option<Moment>,
    /// Requests ever.
    lifetime_total: i64,
    /// Requests in each window.
    usage: &'a PerWindow<Tally>,
}

impl<'a> KeyFigures<'a> {
    fn of(usage: &'a Usage) -> Self {
        Self {
            last_used_at: usage.last_used_at(),
            lifetime_total: usage.lifetime.total(),
            usage: &usage.windows,
        }
    }
}

impl<'a> KeyView<'a> {
    /// A view of a key with its status at a moment, and its usage as far as that can be read.
    pub fn new(
        key: &'a ApiKey,
        usage: impl Into<Option<&'a Usage>>,
        now: Moment,
        catalog: &Catalog,
    ) -> Self {
        let revocation = key.revocation.as_ref();
        Self {
            id: key.id,
            name: &key.label.name,
            description: key.label.description.as_deref(),
            owner: key.label.owner.as_deref(),
            holder: key.holder.as_ref().map(|holder| &holder.email),
            scopes: &key.scopes,
            gone_scopes: catalog.gone(&key.scopes),
            status: key.status(now),
            display: &key.display,
            created_at: key.created_at,
            created_by: &key.created_by,
            expires_at: key.expires_at,
            limits: &key.limits,
            revoked_at: revocation.map(|revocation| revocation.at),
            revoked_by: revocation.map(|revocation| &revocation.by),
            revoke_reason: revocation.and_then(|revocation| revocation.reason.as_deref()),
            replaces: key.replaces,
            replaced_by: key.replaced_by,
            leaked_at: key.leaked_at,
            figures: usage.into().map(KeyFigures::of),
        }
    }
}

impl Replayable for KeyView<'_> {}

/// A key with where it was used from.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyDetail")]
pub struct KeyDetailView<'a> {
    #[serde(flatten)]
    key: KeyView<'a>,
    #[serde(flatten)]
    #[schemars(with = "KeyAddresses")]
    addresses: Option<KeyAddresses<'a>>,
}

/// Where a key was used from.
#[derive(Serialize, JsonSchema)]
struct KeyAddresses<'a> {
    /// Its last addresses, the newest first.
    addresses: &'a [Source],
}

impl<'a> KeyDetailView<'a> {
    /// A key with where it was used from, as far as that can be read.
    pub fn new(key: KeyView<'a>, addresses: Option<&'a [Source]>) -> Self {
        Self { key, addresses: addresses.map(|addresses| KeyAddresses { addresses }) }
    }
}

impl Replayable for KeyDetailView<'_> {}

/// How the answer to a change of a key is described: its figures may be missing.
#[derive(JsonSchema)]
#[schemars(rename = "ChangedKey", transform = figures_may_be_missing)]
pub struct ChangedKey<'a> {
    /// The key.
    #[schemars(flatten)]
    _key: KeyDetailView<'a>,
}

fn figures_may_be_missing(schema: &mut Schema) {
    let figures = ["last_used_at", "lifetime_total", "usage", "addresses"];
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !figures.iter().any(|figure| name == figure));
    }
}

/// The answer to the making of a key, and the only one that holds it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewKey")]
pub struct NewKeyView<'a> {
    #[serde(flatten)]
    view: KeyView<'a>,
    /// The key itself, shown in this answer only.
    #[schemars(regex(pattern = "^[a-z]{2,8}k_[0-9A-Za-z]{38}$"))]
    key: &'a str,
}

impl<'a> NewKeyView<'a> {
    /// The answer that shows the secret of a key, once.
    pub fn new(view: KeyView<'a>, secret: &'a Secret) -> Self {
        Self { view, key: secret.expose() }
    }
}

/// What a key may know of itself.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WhoAmI")]
pub struct WhoAmIView<'a> {
    /// Names the key; it is not secret.
    id: KeyId,
    /// What people call it.
    name: &'a str,
    /// Whose key it is, in your own words; it grants nothing.
    owner: Option<&'a str>,
    /// What it may do.
    scopes: &'a ScopeSet,
    /// Those of the scopes that open nothing, since their resource has left `bitting.toml`; only there
    /// if there are any.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    gone_scopes: ScopeSet,
    /// From when on it is refused; never if null.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    expires_at: Option<Moment>,
    #[serde(flatten)]
    limits: &'a KeyLimits,
    /// The key that took its place, if it was rotated: use that one.
    replaced_by: Option<KeyId>,
    /// Requests in each window.
    usage: &'a PerWindow<Tally>,
}

impl<'a> WhoAmIView<'a> {
    /// A view of a key and its usage.
    pub fn new(key: &'a ApiKey, usage: &'a Usage, catalog: &Catalog) -> Self {
        Self {
            id: key.id,
            name: &key.label.name,
            owner: key.label.owner.as_deref(),
            scopes: &key.scopes,
            gone_scopes: catalog.gone(&key.scopes),
            expires_at: key.expires_at,
            limits: &key.limits,
            replaced_by: key.replaced_by,
            usage: &usage.windows,
        }
    }
}

/// An admin token as it is shown.
#[derive(Serialize)]
pub struct TokenView<'a> {
    /// Names the token; it is not secret.
    id: TokenId,
    /// What people call it.
    name: &'a str,
    /// What it may do with keys; write includes read here.
    access: Access,
    /// The scopes it may give to keys.
    may_grant: &'a ScopeSet,
    /// Its state now.
    status: Status,
    /// What may be shown of the secret: its beginning and its end.
    display: &'a str,
    /// When it was made.
    #[serde(with = "time::rfc3339")]
    created_at: Moment,
    /// By whom.
    created_by: &'a Actor,
    #[serde(with = "time::rfc3339")]
    expires_at: Moment,
    /// When it was revoked, if it was.
    #[serde(with = "time::rfc3339::option")]
    revoked_at: Option<Moment>,
    /// By whom.
    revoked_by: Option<&'a Actor>,
    /// Why, in their words.
    revoke_reason: Option<&'a str>,
    /// When it was last used while it was live.
    #[serde(with = "time::rfc3339::option")]
    last_used_at: Option<Moment>,
}

impl<'a> TokenView<'a> {
    /// A view of a token with its status at a moment.
    pub fn new(token: &'a AdminToken, now: Moment) -> Self {
        let revocation = token.revocation.as_ref();
        Self {
            id: token.id,
            name: &token.name,
            access: token.access,
            may_grant: &token.may_grant,
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
    /// The answer that shows the secret of a token, once.
    pub fn new(view: TokenView<'a>, secret: &'a Secret) -> Self {
        Self { view, token: secret.expose() }
    }
}

/// A user as they are shown.
#[derive(Serialize)]
pub struct UserView<'a> {
    id: UserId,
    email: &'a Email,
    role: Role,
    may_grant: &'a ScopeSet,
    status: UserStatus,
    #[serde(with = "time::rfc3339")]
    created_at: Moment,
    #[serde(with = "time::rfc3339::option")]
    disabled_at: Option<Moment>,
    #[serde(with = "time::rfc3339::option")]
    last_login_at: Option<Moment>,
}

impl<'a> UserView<'a> {
    /// A view of a user with the scopes they may grant in their role.
    pub fn new(user: &'a User, may_grant: &'a ScopeSet) -> Self {
        Self {
            id: user.id,
            email: &user.email,
            role: user.role,
            may_grant,
            status: user.status(),
            created_at: user.created_at,
            disabled_at: user.disabled_at,
            last_login_at: user.last_login_at,
        }
    }
}

//! Keys on their way out: what a line of an export says.

use serde::Serialize;

use super::actor::Actor;
use super::catalog::Catalog;
use super::email::Email;
use super::id::KeyId;
use super::key::{ApiKey, Status};
use super::limits::KeyLimits;
use super::scope::ScopeSet;
use super::time;
use super::time::Moment;
use super::usage::Usage;
use super::words::Word;

/// The columns of every file of keys, in their order; the last one only where digests are wanted.
pub const COLUMNS: [&str; 27] = [
    "id",
    "name",
    "description",
    "owner",
    "scopes",
    "status",
    "display",
    "created_at",
    "created_by",
    "expires_at",
    "revoked_at",
    "revoked_by",
    "revoke_reason",
    "last_used_at",
    "lifetime_total",
    "24h",
    "7d",
    "30d",
    "rate_limit",
    "quota",
    "allowed_networks",
    "holder",
    "replaces",
    "replaced_by",
    "leaked_at",
    "gone_scopes",
    "sha256",
];

/// The columns of a file without digests.
pub fn columns_without_digest() -> &'static [&'static str] {
    &COLUMNS[..COLUMNS.len() - 1]
}

/// A key as an export writes it.
#[derive(Serialize)]
pub struct ExportedKey<'a> {
    id: KeyId,
    name: &'a str,
    description: Option<&'a str>,
    owner: Option<&'a str>,
    scopes: &'a ScopeSet,
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
    #[serde(rename = "24h")]
    day: i64,
    #[serde(rename = "7d")]
    week: i64,
    #[serde(rename = "30d")]
    month: i64,
    #[serde(flatten)]
    limits: &'a KeyLimits,
    holder: Option<&'a Email>,
    replaces: Option<KeyId>,
    replaced_by: Option<KeyId>,
    #[serde(with = "time::rfc3339::option")]
    leaked_at: Option<Moment>,
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    gone_scopes: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl<'a> ExportedKey<'a> {
    /// A key with its usage and its status at a moment, without its digest.
    pub fn new(key: &'a ApiKey, usage: &Usage, now: Moment, catalog: &Catalog) -> Self {
        let revocation = key.revocation.as_ref();
        Self {
            id: key.id,
            name: &key.label.name,
            description: key.label.description.as_deref(),
            owner: key.label.owner.as_deref(),
            scopes: &key.scopes,
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
            day: usage.windows.day.total(),
            week: usage.windows.week.total(),
            month: usage.windows.month.total(),
            limits: &key.limits,
            replaces: key.replaces,
            replaced_by: key.replaced_by,
            leaked_at: key.leaked_at,
            gone_scopes: catalog.gone(&key.scopes),
            holder: key.holder.as_ref().map(|holder| &holder.email),
            sha256: None,
        }
    }

    /// Adds the key's digest.
    pub fn with_digest(self, key: &ApiKey) -> Self {
        Self { sha256: Some(key.digest.to_hex()), ..self }
    }

    /// The cells of a CSV line, in the order of [`COLUMNS`].
    pub fn cells(&self) -> Vec<String> {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let time = |at: Option<Moment>| at.map(time::format).unwrap_or_default();
        let mut cells = vec![
            self.id.to_string(),
            self.name.to_owned(),
            text(self.description),
            text(self.owner),
            self.scopes.to_string(),
            self.status.as_str().to_owned(),
            self.display.to_owned(),
            time::format(self.created_at),
            self.created_by.name.clone(),
            time(self.expires_at),
            time(self.revoked_at),
            text(self.revoked_by.map(|by| by.name.as_str())),
            text(self.revoke_reason),
            time(self.last_used_at),
            self.lifetime_total.to_string(),
            self.day.to_string(),
            self.week.to_string(),
            self.month.to_string(),
            optional(self.limits.rate_limit.as_ref()),
            optional(self.limits.quota.as_ref()),
            optional(self.limits.allowed_networks.as_ref()),
            text(self.holder.map(Email::as_str)),
            optional(self.replaces.as_ref()),
            optional(self.replaced_by.as_ref()),
            time(self.leaked_at),
            self.gone_scopes.to_string(),
        ];
        cells.extend(self.sha256.clone());
        cells
    }
}

fn optional(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

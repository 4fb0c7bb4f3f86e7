//! What the key index holds of a key or an admin token.

use super::limiter::{Account, Limiter, UseNumber};
use super::policies::{CredentialKind, Policy};
use crate::model::catalog::{Catalog, Permissions};
use crate::model::id::{KeyId, PublicId, TokenId};
use crate::model::key::KeyChange;
use crate::model::key::{ApiKey, KeyNumber, Status};
use crate::model::limits::KeyLimits;
use crate::model::scope::{Access, ScopeSet};
use crate::model::time::{Moment, Timestamp};
use crate::model::token::AdminToken;

/// What the index holds of a credential.
#[derive(Debug, Clone, Copy)]
pub struct IndexedCredential {
    pub(super) id: [u64; 2],
    pub(super) expires_ms: i64,
    pub(super) revision: i64,
    pub(super) number: u32,
    pub(super) policy: Policy,
    /// Given by the index when it takes a key in.
    pub(super) used: UseNumber,
    pub(super) revoked: bool,
}

/// The holder of a credential, and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An API key with its scopes.
    ApiKey {
        /// The key's public id.
        id: KeyId,
        /// What its requests are counted under: its row number, or a stand-in for it
        /// (`row_numbers`).
        number: KeyNumber,
        /// The scopes it has.
        permissions: Permissions,
        /// The limits it is held to, and what is used up of them.
        account: Account,
    },
    /// An admin token with its rights.
    AdminToken {
        /// The token's public id.
        id: TokenId,
        /// What its use is recorded under: its row number, or a stand-in for it (`row_numbers`).
        number: u32,
        /// Whether it may read keys, or change them too.
        access: Access,
        /// The scopes it may grant to keys.
        may_grant: Permissions,
    },
}

impl IndexedCredential {
    /// What the index holds of a credential, its scopes compiled.
    pub fn new<'a>(
        credential: impl Into<CredentialRow<'a>>,
        catalog: &Catalog,
        limiter: &Limiter,
    ) -> Self {
        let CredentialRow { id, number, scopes, limits, expires_at, kind, revoked, revision } =
            credential.into();
        let limits = limits.map(|limits| limiter.intern(limits)).unwrap_or_default();
        Self {
            id: [(id >> 64) as u64, id as u64],
            expires_ms: expires_at.map_or(i64::MAX, |end| end.timestamp_millis()),
            revision,
            number,
            policy: Policy { kind, permissions: catalog.compile(scopes), limits },
            used: UseNumber::default(),
            revoked,
        }
    }

    /// The number of the event that last changed it.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The holder of the credential.
    pub fn holder(&self) -> Holder {
        let id = u128::from(self.id[0]) << 64 | u128::from(self.id[1]);
        let token = |access| Holder::AdminToken {
            id: TokenId::from_number(id),
            number: self.number,
            access,
            may_grant: self.policy.permissions,
        };
        match self.policy.kind {
            CredentialKind::ApiKey | CredentialKind::ImportedKey => Holder::ApiKey {
                id: KeyId::from_number(id),
                number: KeyNumber(self.number),
                permissions: self.policy.permissions,
                account: Account { limits: self.policy.limits, used: self.used },
            },
            CredentialKind::ReadToken => token(Access::Read),
            CredentialKind::WriteToken => token(Access::Write),
        }
    }

    /// Whether it is accepted at a time.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.revoked {
            Status::Revoked
        } else if now.0 >= self.expires_ms {
            Status::Expired
        } else {
            Status::Active
        }
    }
}

/// What a key or an admin token is, as far as the index holds it.
#[derive(Debug, Clone, Copy)]
pub struct CredentialRow<'a> {
    id: u128,
    number: u32,
    scopes: &'a ScopeSet,
    /// None of an admin token.
    limits: Option<&'a KeyLimits>,
    expires_at: Option<Moment>,
    kind: CredentialKind,
    revoked: bool,
    revision: i64,
}

impl<'a> From<&'a KeyChange> for CredentialRow<'a> {
    fn from(key: &'a KeyChange) -> Self {
        Self {
            id: key.id.number(),
            number: key.number.0,
            scopes: &key.scopes,
            limits: Some(&key.limits),
            expires_at: key.expires_at,
            kind: CredentialKind::of_key(key.imported),
            revoked: key.revoked,
            revision: key.revision,
        }
    }
}

impl<'a> From<&'a ApiKey> for CredentialRow<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.number(),
            number: key.number.0,
            scopes: &key.scopes,
            limits: Some(&key.limits),
            expires_at: key.expires_at,
            kind: CredentialKind::of_key(key.imported),
            revoked: key.revocation.is_some(),
            revision: key.revision,
        }
    }
}

impl<'a> From<&'a AdminToken> for CredentialRow<'a> {
    fn from(token: &'a AdminToken) -> Self {
        Self {
            id: token.id.number(),
            number: token.number,
            scopes: &token.may_grant,
            limits: None,
            expires_at: Some(token.expires_at),
            kind: match token.access {
                Access::Read => CredentialKind::ReadToken,
                Access::Write => CredentialKind::WriteToken,
            },
            revoked: token.revocation.is_some(),
            revision: token.revision,
        }
    }
}

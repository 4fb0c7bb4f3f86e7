//! What the key index holds of a key or an admin token.

use super::row_numbers::Table;
use crate::model::id::{KeyId, PublicId, TokenId};
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::scope::{Access, ScopeSet};
use crate::model::time::Moment;
use crate::model::token::AdminToken;
use crate::store::keys::KeyChange;

/// What the index holds of a credential.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub(super) id: [u64; 2],
    pub(super) expires_ms: i64,
    pub(super) revision: i64,
    pub(super) number: u32,
    pub(super) scopes: ScopeSet,
    pub(super) kind: EntryKind,
    pub(super) revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    ApiKey,
    ImportedKey,
    ReadToken,
    WriteToken,
}

impl EntryKind {
    fn of_key(imported: bool) -> Self {
        if imported { Self::ImportedKey } else { Self::ApiKey }
    }

    pub(super) fn table(self) -> Table {
        match self {
            Self::ApiKey | Self::ImportedKey => Table::Keys,
            Self::ReadToken | Self::WriteToken => Table::Tokens,
        }
    }
}

/// Whose credential it is, and what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An API key with its scopes.
    ApiKey {
        /// Public id.
        id: KeyId,
        /// What its requests are counted under: its row number, or a stand-in for it
        /// (`row_numbers`).
        number: KeyNumber,
        /// What it may do.
        scopes: ScopeSet,
    },
    /// An admin token.
    AdminToken {
        /// Public id.
        id: TokenId,
        /// What its use is noted under, as with keys.
        number: u32,
        /// What it may do with keys.
        access: Access,
        /// What it may grant.
        may_grant: ScopeSet,
    },
}

/// Whether a credential is accepted at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Live,
    /// Somebody ended it.
    Revoked,
    /// Its time has passed.
    Expired,
}

impl Entry {
    /// Whose credential it is.
    pub fn holder(&self) -> Holder {
        let id = u128::from(self.id[0]) << 64 | u128::from(self.id[1]);
        let token = |access| Holder::AdminToken {
            id: TokenId::from_number(id),
            number: self.number,
            access,
            may_grant: self.scopes,
        };
        match self.kind {
            EntryKind::ApiKey | EntryKind::ImportedKey => Holder::ApiKey {
                id: KeyId::from_number(id),
                number: KeyNumber(self.number),
                scopes: self.scopes,
            },
            EntryKind::ReadToken => token(Access::Read),
            EntryKind::WriteToken => token(Access::Write),
        }
    }

    /// Whether it is accepted at a moment.
    pub fn standing(&self, now: Moment) -> Standing {
        if self.revoked {
            Standing::Revoked
        } else if now.timestamp_millis() >= self.expires_ms {
            Standing::Expired
        } else {
            Standing::Live
        }
    }
}

fn halves(id: u128) -> [u64; 2] {
    [(id >> 64) as u64, id as u64]
}

impl From<&KeyChange> for Entry {
    fn from(key: &KeyChange) -> Self {
        Self {
            id: halves(key.id.number()),
            expires_ms: key.expires_at.map_or(i64::MAX, |end| end.timestamp_millis()),
            revision: key.revision,
            number: key.number.0,
            scopes: key.scopes,
            kind: EntryKind::of_key(key.imported),
            revoked: key.revoked,
        }
    }
}

impl From<&ApiKey> for Entry {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: halves(key.id.number()),
            expires_ms: key.expires_at.map_or(i64::MAX, |end| end.timestamp_millis()),
            revision: key.revision,
            number: key.number.0,
            scopes: key.scopes,
            kind: EntryKind::of_key(key.imported),
            revoked: key.revocation.is_some(),
        }
    }
}

impl From<&AdminToken> for Entry {
    fn from(token: &AdminToken) -> Self {
        Self {
            id: halves(token.id.number()),
            expires_ms: token.expires_at.timestamp_millis(),
            revision: token.revision,
            number: token.number,
            scopes: token.may_grant,
            kind: match token.access {
                Access::Read => EntryKind::ReadToken,
                Access::Write => EntryKind::WriteToken,
            },
            revoked: token.revocation.is_some(),
        }
    }
}

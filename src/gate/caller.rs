//! Who a right credential proves. Only the decision makes one of these.

use super::limiter::Account;
use crate::model::catalog::{Catalog, Permissions, ResourceNumber};
use crate::model::credential::Credential;
use crate::model::id::{KeyId, TokenId};
use crate::model::key::KeyNumber;
use crate::model::scope::Access;

/// An API key that was accepted for the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCaller {
    pub(super) id: KeyId,
    pub(super) number: KeyNumber,
    pub(super) permissions: Permissions,
    pub(super) account: Account,
}

impl KeyCaller {
    /// The key's public id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The row number the key's requests are counted under, or a stand-in for it.
    pub fn number(&self) -> KeyNumber {
        self.number
    }

    /// The limits the key is held to, and what is used up of them.
    pub fn account(&self) -> Account {
        self.account
    }

    /// The key as a credential that a use case checks again in its transaction.
    pub fn credential(&self) -> Credential {
        Credential::Key(self.id)
    }

    /// Whether the key may read this resource, besides what it requests now.
    pub fn may_read(&self, catalog: &Catalog, resource: ResourceNumber) -> bool {
        catalog.allows(self.permissions, resource, Access::Read)
    }
}

/// An admin token that was accepted for the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCaller {
    pub(super) id: TokenId,
    pub(super) number: u32,
    pub(super) may_grant: Permissions,
}

impl TokenCaller {
    /// The token's public id.
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The row number the token's use is recorded under.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The token as a credential that a use case checks again in its transaction.
    pub fn credential(&self) -> Credential {
        Credential::Token(self.id)
    }

    /// The scopes the token may grant to keys.
    pub fn may_grant(&self) -> Permissions {
        self.may_grant
    }
}

/// Who is calling, as proven by a valid credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A program with an API key.
    Key(KeyCaller),
    /// A program with an admin token.
    Token(TokenCaller),
}

impl Caller {
    /// The public id of the key or the token.
    pub fn public_id(&self) -> String {
        match self {
            Self::Key(key) => key.id.to_string(),
            Self::Token(token) => token.id.to_string(),
        }
    }
}

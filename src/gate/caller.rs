//! Who a right credential proves. Only the decision makes one of these.

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
}

impl KeyCaller {
    /// The key's public id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key's requests are counted under.
    pub fn number(&self) -> KeyNumber {
        self.number
    }

    /// The key as use cases look at it again.
    pub fn credential(&self) -> Credential {
        Credential::Key(self.number, self.id)
    }

    /// Whether the key may read this resource, whatever it is doing now.
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

    /// What the token's use is noted under.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The token as use cases look at it again.
    pub fn credential(&self) -> Credential {
        Credential::Token(self.id)
    }

    /// What it may give to keys.
    pub fn may_grant(&self) -> Permissions {
        self.may_grant
    }
}

/// Who a right credential proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An API key.
    Key(KeyCaller),
    /// An admin token.
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

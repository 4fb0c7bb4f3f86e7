//! What a request proves who asks by.

use super::id::{KeyId, SessionId, TokenId};

/// An API key, an admin token or a session, as it is found in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An API key, by its public id: row numbers are given out again where a database is set back.
    Key(KeyId),
    /// An admin token, by its public id.
    Token(TokenId),
    /// A user's session, by its public id.
    Session(SessionId),
}

impl Credential {
    /// The public id of an API key.
    pub fn key_id(self) -> Option<KeyId> {
        match self {
            Self::Key(id) => Some(id),
            Self::Token(_) | Self::Session(_) => None,
        }
    }
}

/// Why a credential that was accepted before is accepted no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody revoked the key or token.
    Revoked,
    /// The key's or token's time has passed.
    Expired,
    /// The database no longer has the key or token.
    Unknown,
    /// The session is over.
    SignedOut,
}

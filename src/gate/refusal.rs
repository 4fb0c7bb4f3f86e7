//! Why a request is refused.

use super::route::Need;
use crate::model::requirement::Unmapped;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request carries more than one credential.
    MultipleCredentials,
    /// The request carries no credential.
    MissingKey,
    /// The credential is malformed, has a wrong checksum, or is unknown.
    InvalidKey,
    /// The secret is right, but the credential was revoked.
    KeyRevoked,
    /// The secret is right, but the credential has expired.
    KeyExpired,
    /// It is not known at present whether the credential is still valid.
    Unavailable,
    /// An API key where an admin token is needed, or the reverse.
    WrongCredential(Need),
    /// There is nothing at this path.
    NotFound,
    /// Somebody else's request, which belongs to no resource.
    Unmapped(Unmapped),
    /// A connection does not offer such requests.
    NotOffered,
    /// The path does not offer this method.
    MethodNotAllowed,
    /// The key lacks a scope.
    InsufficientScope {
        /// The scope that the route needs.
        required: String,
        /// The scopes that the key has.
        granted: Vec<String>,
    },
    /// The client is at an address that the key may not be used from.
    AddressNotAllowed,
    /// The key's rate limit is used up.
    RateLimited {
        /// Until one request is accepted again.
        seconds: u32,
    },
    /// The key's quota is used up.
    QuotaExceeded {
        /// Until its day or month is over.
        seconds: u32,
    },
}

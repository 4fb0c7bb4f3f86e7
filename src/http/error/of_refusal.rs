//! What is said of each refusal of the gate.

use super::{Code, Problem, UNAVAILABLE};
use crate::gate::decision::Refusal;
use crate::gate::route::Need;
use crate::model::requirement::Unmapped;

impl Problem {
    /// The problem for a refusal of the gate; `allow` lists the methods that the route offers.
    pub fn of_refusal(refusal: Refusal, allow: &str) -> Self {
        match refusal {
            Refusal::MethodNotAllowed => Self::method_not_allowed(allow),
            Refusal::InsufficientScope { required, granted } => {
                Self::insufficient_scope(required, granted, "This request needs the scope")
            }
            Refusal::RateLimited { seconds } => {
                Self::limited(Code::RateLimited, "This key's rate limit is used up.", seconds)
            }
            Refusal::QuotaExceeded { seconds } => {
                Self::limited(Code::QuotaExceeded, "This key's quota is used up.", seconds)
            }
            // The change feed says once in the log why.
            Refusal::Unavailable => Self::new(Code::Unavailable, UNAVAILABLE),
            Refusal::MultipleCredentials => Self::new(
                Code::MultipleCredentials,
                "More than one credential was presented. Send exactly one, once.",
            ),
            Refusal::MissingKey => Self::new(
                Code::MissingKey,
                "No key was presented. Send it as Authorization: Bearer KEY.",
            ),
            Refusal::InvalidKey => {
                Self::new(Code::InvalidKey, "The credential is malformed or unknown.")
            }
            Refusal::KeyRevoked => {
                Self::new(Code::KeyRevoked, "This key has been revoked. Use another one.")
            }
            Refusal::KeyExpired => {
                Self::new(Code::KeyExpired, "This key has expired. Use another one.")
            }
            Refusal::WrongCredential(need) => Self::new(Code::WrongCredential, who_is_asked(need)),
            Refusal::NotFound => Self::new(Code::NotFound, "There is nothing at this path."),
            Refusal::Unmapped(Unmapped::UnknownResource) => Self::new(
                Code::UnknownResource,
                "No resource is at this path. `bitting resources` lists the paths there are.",
            ),
            Refusal::Unmapped(Unmapped::Ambiguous) => Self::new(
                Code::AmbiguousRequest,
                "The method or the path is missing, was sent twice, or is not in its normal spelling; or \
                 the query names a method (_method).",
            ),
            Refusal::NotOffered => Self::new(
                Code::NotOffered,
                "The connection does not offer this. `bitting connection kinds` lists what is offered.",
            ),
            Refusal::AddressNotAllowed => Self::new(
                Code::AddressNotAllowed,
                "This key may not be used from the address that this request comes from.",
            ),
        }
    }
}

/// What to say to whoever came with a credential of the other sort.
fn who_is_asked(need: Need) -> &'static str {
    match need {
        Need::AdminToken => "Keys are managed with an admin token; an API key cannot manage keys.",
        Need::Scope(_)
        | Need::AnyKey
        | Need::Question
        | Need::Open(_)
        | Need::AtConnection { .. } => {
            "An admin token can only manage keys. Call this with an API key."
        }
    }
}

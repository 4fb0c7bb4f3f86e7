//! What a route asks of whoever calls it.

use crate::model::catalog::ResourceNumber;
use crate::model::scope::Access;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An API key with the scope for the resource and the method.
    Scope(ResourceNumber),
    /// Any live API key.
    AnyKey,
    /// An admin token; one with read for what only reads.
    AdminToken,
}

/// The route a request matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// None.
    Unknown {
        /// What the method does.
        access: Access,
    },
    /// This one.
    Known {
        /// What it asks for.
        need: Need,
        /// What the method does.
        access: Access,
        /// Whether the method is offered there.
        offered: bool,
    },
}

impl Route {
    /// What the request's method does.
    pub fn access(self) -> Access {
        match self {
            Self::Unknown { access } | Self::Known { access, .. } => access,
        }
    }
}

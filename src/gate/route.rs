//! What a route asks of whoever calls it.

use crate::model::catalog::{Catalog, ResourceNumber};
use crate::model::connections::scopes::Asked;
use crate::model::requirement::{Requirement, Unmapped};
use crate::model::scope::Access;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An API key with the scope for the resource and the method.
    Scope(ResourceNumber),
    /// Any live API key.
    AnyKey,
    /// Any live API key, for a question about another request. Where that one may come from and how
    /// often is part of the answer.
    Question,
    /// Any live API key, for a request of this resource.
    Open(ResourceNumber),
    /// An API key with a scope at a connection.
    AtConnection {
        /// What it asks for there.
        asked: Asked,
        /// The resource at the connection that it is counted under.
        resource: Option<ResourceNumber>,
    },
    /// An admin token; one with read for what only reads.
    AdminToken,
}

/// The route a request matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// There is nothing at the path.
    Unknown {
        /// What the method does.
        access: Access,
    },
    /// Somebody else's request, which belongs to no resource.
    Unmapped {
        /// What the method does.
        access: Access,
        /// Why it cannot be mapped.
        why: Unmapped,
    },
    /// A request at a connection, which does not offer it.
    NotOffered {
        /// What the method does.
        access: Access,
        /// What it is counted under.
        resource: Option<ResourceNumber>,
    },
    /// A route of the URL table.
    Known {
        /// What the route requires of its caller.
        need: Need,
        /// What the method does.
        access: Access,
        /// Whether the route offers the method.
        offered: bool,
    },
}

impl Route {
    /// What somebody else's request asks for. Its method and its target are none where they were not
    /// handed on, or not exactly once.
    pub fn of_request(catalog: &Catalog, method: Option<&str>, target: Option<&str>) -> Self {
        let (method, target) = (method.unwrap_or_default(), target.unwrap_or_default());
        match catalog.requirement(method, target) {
            Ok(Requirement { resource, access, open, offered }) => {
                let need = if open { Need::Open(resource) } else { Need::Scope(resource) };
                Self::Known { need, access, offered }
            }
            Err(why) => Self::Unmapped { access: Access::of_method(method), why },
        }
    }

    /// Whether it only asks about another request, which the key's limits are for.
    pub fn is_question(self) -> bool {
        matches!(self, Self::Known { need: Need::Question, .. })
    }

    /// The resource it is counted under, if it is one's: a method that there is not belongs to no scope.
    pub fn counted_under(self) -> Option<ResourceNumber> {
        match self {
            Self::Known { offered: false, .. } => None,
            Self::NotOffered { resource, .. } => resource,
            Self::Known { .. } | Self::Unknown { .. } | Self::Unmapped { .. } => self.resource(),
        }
    }

    /// The resource that it is about, if it is about one.
    pub fn resource(self) -> Option<ResourceNumber> {
        match self {
            Self::Known { need: Need::Scope(resource) | Need::Open(resource), .. } => {
                Some(resource)
            }
            Self::Known { need: Need::AtConnection { resource, .. }, .. } => resource,
            Self::Known { need: Need::AnyKey | Need::Question | Need::AdminToken, .. }
            | Self::Unknown { .. }
            | Self::NotOffered { .. }
            | Self::Unmapped { .. } => None,
        }
    }

    /// Whether the request reads or writes.
    pub fn access(self) -> Access {
        match self {
            Self::Unknown { access }
            | Self::NotOffered { access, .. }
            | Self::Unmapped { access, .. }
            | Self::Known { access, .. } => access,
        }
    }
}

//! Scopes: which resources a key may read or write, as text and as a set of bits.
//!
//! Write does not include read, and an empty set allows nothing.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// What a request does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// GET and HEAD.
    Read,
    /// Everything that changes something.
    Write,
}

impl Access {
    /// Both, in the order in which they are listed.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The word used in scopes and counts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A part of the protected API that scopes are granted over.
///
/// The discriminants are stored in the usage tables: append, never renumber. 0 is "none of these".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Resource {
    /// Phone calls.
    Calls = 1,
    /// Leads.
    Leads = 2,
    /// Voice agents.
    Agents = 3,
    /// Figures computed from the other resources; they can only be read.
    Analytics = 4,
    /// Contacts.
    Contacts = 5,
    /// Articles that agents answer from.
    KnowledgeBase = 6,
    /// Connections to other products.
    Integrations = 7,
}

impl Resource {
    /// Every resource, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::Calls,
        Self::Leads,
        Self::Agents,
        Self::Analytics,
        Self::Contacts,
        Self::KnowledgeBase,
        Self::Integrations,
    ];

    /// The name in scopes, paths and counts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Leads => "leads",
            Self::Agents => "agents",
            Self::Analytics => "analytics",
            Self::Contacts => "contacts",
            Self::KnowledgeBase => "knowledge_base",
            Self::Integrations => "integrations",
        }
    }

    /// What it is, for who reads of it or decides about access to it.
    pub fn about(self) -> &'static str {
        match self {
            Self::Calls => "Phone calls with status, transcript and recording",
            Self::Leads => "People who may become customers",
            Self::Agents => "Voice agents and what they say",
            Self::Analytics => "Figures over calls, leads and usage",
            Self::Contacts => "The address book",
            Self::KnowledgeBase => "Articles that agents answer from",
            Self::Integrations => "Connections to other products",
        }
    }

    /// Whether the resource can be accessed so at all.
    fn offers(self, access: Access) -> bool {
        match (self, access) {
            (Self::Analytics, Access::Write) => false,
            (_, Access::Read | Access::Write) => true,
        }
    }
}

/// One right: an access to a resource, written `calls:read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    resource: Resource,
    access: Access,
}

/// Text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope; choose from {all}", all = ScopeSet::all().to_string().replace(' ', ", "))]
pub struct UnknownScope(pub String);

impl Scope {
    /// The right to this access, where the resource offers it.
    pub fn new(resource: Resource, access: Access) -> Option<Self> {
        resource.offers(access).then_some(Self { resource, access })
    }

    /// Every scope there is, in the order in which they are listed.
    pub fn all() -> impl Iterator<Item = Self> {
        Resource::ALL
            .into_iter()
            .flat_map(|resource| Access::ALL.map(|access| Self::new(resource, access)))
            .flatten()
    }

    /// What it is a right to.
    pub fn resource(self) -> Resource {
        self.resource
    }

    /// What may be done to it.
    pub fn access(self) -> Access {
        self.access
    }

    fn bit(self) -> u16 {
        1 << ((self.resource as u16 - 1) * 2 + self.access as u16)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource.as_str(), self.access.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = text.split_once(':').and_then(|(resource, access)| {
            let resource = Resource::ALL.into_iter().find(|r| r.as_str() == resource)?;
            let access = Access::ALL.into_iter().find(|a| a.as_str() == access)?;
            Self::new(resource, access)
        });
        named.ok_or_else(|| UnknownScope(text.chars().take(60).collect()))
    }
}

/// A set of scopes, as bits. The empty set allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ScopeSet(u16);

impl ScopeSet {
    /// No right at all.
    pub const EMPTY: Self = Self(0);

    /// Every scope there is.
    pub fn all() -> Self {
        Scope::all().collect()
    }

    /// Whether the scope is in the set.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether every scope of `other` is in the set.
    pub fn includes(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether the set allows nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes, in the order in which they are listed.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::all().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// Scopes separated by one space, as OAuth 2.0 writes them (RFC 6749 §3.3).
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.iter().enumerate() {
            let separator = if n == 0 { "" } else { " " };
            write!(f, "{separator}{scope}")?;
        }
        Ok(())
    }
}

/// Reads what `Display` writes.
impl FromStr for ScopeSet {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split_ascii_whitespace().map(Scope::from_str).collect()
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|scope| scope.to_string()))
    }
}

super::schema::described!(ScopeSet, "Scopes", super::schema::scopes());

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_are_thirteen_scopes_each_with_its_own_bit() {
        let all: Vec<Scope> = Scope::all().collect();
        assert_eq!(all.len(), 13);
        assert_eq!(ScopeSet::all().0.count_ones(), 13);
        assert!(all.iter().all(|scope| scope.to_string().parse() == Ok(*scope)));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for wrong in [
            "",
            "*",
            "calls",
            "calls:",
            ":read",
            "CALLS:READ",
            "calls:read ",
            " calls:read",
            "calls:admin",
            "analytics:write",
            "keys:write",
            "calls:read:write",
        ] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn write_does_not_include_read() {
        let set: ScopeSet = "calls:write".parse().unwrap();
        assert!(!set.contains("calls:read".parse().unwrap()));
        assert!(!ScopeSet::EMPTY.includes(set) && set.includes(ScopeSet::EMPTY));
    }

    proptest! {
        #[test]
        fn a_set_survives_its_text(picked in prop::collection::vec(0usize..13, 0..20)) {
            let all: Vec<Scope> = Scope::all().collect();
            let set: ScopeSet = picked.iter().map(|n| all[*n]).collect();
            prop_assert_eq!(set.to_string().parse(), Ok(set));
            prop_assert!(all.iter().enumerate().all(|(n, s)| set.contains(*s) == picked.contains(&n)));
        }
    }
}

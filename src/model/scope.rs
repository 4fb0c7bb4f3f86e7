//! Scopes: which resources a key may read or write, as text and as an ordered set.
//!
//! A scope is a name and an access, and perhaps a connection, well-formed but not necessarily known: a
//! resource may have left the configuration while keys still carry its scopes, and a connection may
//! have been removed. Which scopes exist, and what they compile to, is said by the
//! [`catalog`](super::catalog). Write does not include read, a scope at a connection is good there
//! alone, and an empty set allows nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::connections::handle::Handle;

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
    /// Both accesses, in the order in which they are listed.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// `read` or `write`, as scopes and counts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// What a request of this method does: GET and HEAD read, all else writes.
    pub fn of_method(method: &str) -> Self {
        match method {
            "GET" | "HEAD" => Self::Read,
            _ => Self::Write,
        }
    }

    /// Reads `read` or `write`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == text)
    }
}

/// The longest name of a resource, in characters.
const LONGEST_NAME: usize = 40;

/// The name that counts show for requests of no resource.
pub const OTHER: &str = "other";

/// The name of a resource in scopes, paths and counts: a lower-case letter, then up to 39
/// lower-case letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceName(Arc<str>);

impl ResourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which a connection's requests of this resource are counted.
    pub fn at(&self, connection: &Handle) -> Self {
        Self(format!("{self}@{connection}").into())
    }

    /// The name under which the other requests at a connection are counted: those that no scope of their own
    /// opens, and those that it does not offer.
    pub fn other_at(connection: &Handle) -> Self {
        Self(format!("{OTHER}@{connection}").into())
    }

    /// Reads the name of what is counted: a resource, or one at a connection.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse_counted(text: &str) -> Result<Self, UnknownScope> {
        let Some((name, connection)) = text.split_once('@') else { return text.parse() };
        let connection = connection.parse().map_err(|_| UnknownScope::of(text))?;
        Ok(name.parse::<Self>()?.at(&connection))
    }
}

impl FromStr for ResourceName {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= LONGEST_NAME && text.chars().all(word) {
            Ok(Self(text.into()))
        } else {
            Err(UnknownScope::of(text))
        }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ResourceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One right: access to a resource, written `calls:read`; or to that of a vendor, through a
/// connection, written `calls:read@callrail`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The resource that may be accessed.
    pub resource: ResourceName,
    /// Whether it may be read or written.
    pub access: Access,
    /// The connection through which alone it may be; none for a resource of our own.
    pub connection: Option<Handle>,
}

impl Scope {
    /// The name that its requests are counted under.
    pub fn counted_as(&self) -> ResourceName {
        match &self.connection {
            Some(connection) => self.resource.at(connection),
            None => self.resource.clone(),
        }
    }

    /// The same access through a connection.
    pub fn at(&self, connection: &Handle) -> Self {
        Self { connection: Some(connection.clone()), ..self.clone() }
    }
}

/// Text that names no scope, cut to 60 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope")]
pub struct UnknownScope(String);

impl UnknownScope {
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().take(60).collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.access.as_str())?;
        self.connection.iter().try_for_each(|connection| write!(f, "@{connection}"))
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = || {
            let (own, connection) = match text.split_once('@') {
                Some((own, connection)) => (own, Some(connection.parse().ok()?)),
                None => (text, None),
            };
            let (resource, access) = own.split_once(':')?;
            let (resource, access) = (resource.parse().ok()?, Access::parse(access)?);
            Some(Self { resource, access, connection })
        };
        named().ok_or_else(|| UnknownScope::of(text))
    }
}

/// What the text of a scope at a connection matches. Connections come and go, so that there is no list
/// of these.
const AT_CONNECTION: &str = "^[a-z][a-z0-9_]{0,39}:(read|write)@[a-z][a-z0-9-]{1,39}$";

/// The JSON Schema of a scope: one of these, or one at a connection.
pub fn scope_schema(own: &Value) -> Value {
    json!({"type": "string", "anyOf": [{"enum": own}, {"pattern": AT_CONNECTION}]})
}

/// A set of scopes, in the order in which they were put in. The empty set allows nothing.
#[derive(Debug, Clone, Default)]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    /// The empty set, which allows nothing.
    pub const EMPTY: Self = Self(Vec::new());

    /// Whether the scope is in the set.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether every scope of `other` is in the set.
    pub fn includes(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.contains(scope))
    }

    /// Whether the set allows nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The scopes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

/// Sets are equal whatever their order is.
impl PartialEq for ScopeSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.includes(other)
    }
}

impl Eq for ScopeSet {}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Vec::new();
        for scope in scopes {
            if !set.contains(&scope) {
                set.push(scope);
            }
        }
        Self(set)
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
        serializer.collect_seq(self.iter().map(Scope::to_string))
    }
}

/// The `format` of a scope in a JSON Schema. A type cannot know which scopes there are: whoever has
/// a catalog puts them in instead.
pub const SCOPE_FORMAT: &str = "scope";

super::schema::described!(
    ScopeSet,
    "Scopes",
    json!({"type": "array", "items": {"type": "string", "format": SCOPE_FORMAT}})
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_written_as_a_scope_is_refused() {
        let long = format!("{}:read", "a".repeat(41));
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
            "calls:read:write",
            "1calls:read",
            "_calls:read",
            "call-s:read",
            "calls:read@",
            "calls:read@c",
            "calls:read@Callrail",
            "calls:read@call_rail",
            "calls:read@callrail@aircall",
            "calls@callrail:read",
            "@callrail",
            &long,
        ] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong:?}");
        }
        assert!(long[1..].parse::<Scope>().is_ok());
    }

    #[test]
    fn a_scope_at_a_connection_is_another_scope() {
        let at: Scope = "calls:read@callrail".parse().unwrap();
        let own: Scope = "calls:read".parse().unwrap();
        assert_eq!(
            (at.to_string().as_str(), at.clone()),
            ("calls:read@callrail", own.at(&"callrail".parse().unwrap()))
        );
        let set: ScopeSet = "calls:read calls:read@callrail calls:write@aircall".parse().unwrap();
        assert!(set.len() == 3 && set.contains(&at) && set.contains(&own));
        assert!(!set.contains(&"calls:write@callrail".parse().unwrap()));
        for counted in ["calls", "calls@callrail"] {
            assert_eq!(ResourceName::parse_counted(counted).unwrap().as_str(), counted);
        }
        for wrong in ["calls@", "@callrail", "calls@a@b", "calls:read@callrail"] {
            assert!(ResourceName::parse_counted(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn write_does_not_include_read() {
        let set: ScopeSet = "calls:write".parse().unwrap();
        assert!(!set.contains(&"calls:read".parse().unwrap()));
        assert!(!ScopeSet::EMPTY.includes(&set) && set.includes(&ScopeSet::EMPTY));
    }

    proptest! {
        #[test]
        fn a_set_survives_its_text(names in prop::collection::vec(("[a-z][a-z0-9_]{0,3}", any::<bool>()), 0..20)) {
            let scope = |(name, writes): &(String, bool)| -> Scope {
                format!("{name}:{}", Access::ALL[usize::from(*writes)].as_str()).parse().unwrap()
            };
            let set: ScopeSet = names.iter().map(scope).collect();
            prop_assert_eq!(set.to_string().parse(), Ok(set.clone()));
            let written: Vec<String> = set.iter().map(ToString::to_string).collect();
            let again: ScopeSet = set.to_string().parse().unwrap();
            prop_assert_eq!(again.iter().map(ToString::to_string).collect::<Vec<_>>(), written);
            prop_assert!(names.iter().all(|name| set.contains(&scope(name))));
        }
    }
}

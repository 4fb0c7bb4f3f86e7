//! The catalog: which resources there are, which scopes they have, and the bits these compile to.
//!
//! Resources are data. A scope that the catalog does not know compiles to nothing, so that a
//! resource that has left the configuration opens nothing, although its scopes stay on their keys.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::connections::scopes::{Asked, ConnectionScopes, SetNumber};
use super::counted::CountedNames;
pub use super::counted::ResourceNumber;
use super::request_path::{may_begin, read_loosely, reads_loosely};
use super::request_rule::RequestRule;
pub use super::scope::OTHER;
use super::scope::{Access, ResourceName, Scope, ScopeSet, UnknownScope, scope_schema};

/// The most resources a catalog holds: two bits each in [`Permissions`].
pub const MOST_RESOURCES: usize = 64;

/// A part of a protected API that scopes are granted over.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The number its requests are counted under in the database.
    pub number: ResourceNumber,
    /// The resource's name in scopes, paths and counts.
    pub name: ResourceName,
    /// A description of the resource for whoever grants access to it.
    pub description: String,
    /// Whether the resource can be written, or only read.
    pub writable: bool,
    /// A request to try the resource's scopes with.
    pub example: Example,
    /// Which requests it is about, where somebody else serves them.
    pub requests: Requests,
}

/// The requests of a resource that another server answers.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// Prefixes of whole segments, each a normal path without a slash at its end.
    pub paths: Vec<String>,
    /// Those that only read, whatever their method.
    pub reads: Vec<RequestRule>,
    /// Those that need a live key and no scope.
    pub open: Vec<RequestRule>,
}

/// A first request for whoever has a new key.
#[derive(Debug, Clone, Default)]
pub struct Example {
    /// The path to read from, or write to.
    pub path: String,
    /// The smallest body that can be written to the path, as JSON.
    pub body: Option<String>,
}

impl Resource {
    /// Whether the resource has a scope for this access: all can be read, not all written.
    pub fn offers(&self, access: Access) -> bool {
        match access {
            Access::Read => true,
            Access::Write => self.writable,
        }
    }

    /// The resource's scope for this access, if it has one.
    pub fn scope(&self, access: Access) -> Option<Scope> {
        let scope = || Scope { resource: self.name.clone(), access, connection: None };
        self.offers(access).then(scope)
    }
}

/// What a credential may do: bits of one catalog, two for each resource in its order, and the number
/// of the scopes that it has at connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions {
    own: u128,
    at_connections: SetNumber,
}

/// Every resource this process knows, in the order in which they are listed.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    resources: Vec<Resource>,
    /// The place of each number in `resources`.
    places: Vec<Option<u8>>,
    by_name: HashMap<ResourceName, u8>,
    /// The place of the resource at each prefix of paths.
    by_path: foldhash::HashMap<String, u8>,
    /// The prefixes, read loosely, each with the place of its resource.
    loose_paths: Vec<(String, u8)>,
    /// Whether that differs for one.
    has_loose_paths: bool,
    /// The most segments that a prefix has.
    deepest: usize,
    /// What is counted besides: resources that have left the configuration, whose counts and scopes
    /// are still in the database, and those of connections.
    pub counted: Arc<CountedNames>,
    /// The scopes at connections, which come and go while the rest stays as it is.
    pub connections: Arc<ConnectionScopes>,
}

impl Catalog {
    /// A catalog of these resources; what is beyond [`MOST_RESOURCES`], or has the name or number of
    /// an earlier one, is left out.
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut catalog = Self::default();
        for resource in resources {
            let number = usize::from(resource.number.0);
            let known = catalog.by_name.contains_key(&resource.name)
                || catalog.find(resource.number).is_some();
            let place = catalog.resources.len();
            let (Ok(place), false) = (u8::try_from(place), known || place >= MOST_RESOURCES) else {
                continue;
            };
            if catalog.places.len() <= number {
                catalog.places.resize(number + 1, None);
            }
            catalog.places[number] = Some(place);
            catalog.by_name.insert(resource.name.clone(), place);
            for path in &resource.requests.paths {
                catalog.by_path.entry(path.clone()).or_insert(place);
                catalog.loose_paths.push((read_loosely(path).into_owned(), place));
                catalog.has_loose_paths |= reads_loosely(path);
                catalog.deepest = catalog.deepest.max(path.matches('/').count());
            }
            catalog.resources.push(resource);
        }
        catalog
    }

    /// The resources, in the order in which they are listed.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resource with this number.
    pub fn find(&self, number: ResourceNumber) -> Option<&Resource> {
        self.resources.get(self.place(number)?)
    }

    /// The resource with this name.
    pub fn named(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name.as_str() == name)
    }

    /// The name under which requests of a resource are shown; [`OTHER`] for those of none.
    pub fn name_of(&self, number: Option<ResourceNumber>) -> &str {
        number.and_then(|number| self.known_name(number)).map_or(OTHER, ResourceName::as_str)
    }

    /// Whether something can be granted of what has this name: it is a resource, or one at a connection
    /// that is there.
    pub fn has(&self, name: &str) -> bool {
        let at_connection = || {
            let offered = self.connections.offered();
            offered.iter().any(|scope| scope.counted_as().as_str() == name)
        };
        self.named(name).is_some() || at_connection()
    }

    fn known_name(&self, number: ResourceNumber) -> Option<&ResourceName> {
        self.find(number).map(|resource| &resource.name).or_else(|| self.counted.name_of(number))
    }

    /// The names that requests can be shown under: the resources', then those of connections and of
    /// resources that are no longer there, then [`OTHER`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.resources.iter().map(|resource| &resource.name);
        own.chain(self.counted.names()).map(ResourceName::as_str).chain([OTHER])
    }

    /// The resource at a path, which is [`normal`](super::request_path::normal): that of the longest
    /// prefix.
    pub fn at_path(&self, path: &str) -> Option<&Resource> {
        let place = self.prefixes(path).filter_map(|prefix| self.by_path.get(prefix)).last()?;
        self.resources.get(usize::from(*place))
    }

    /// Whether a server that reads a path loosely (`read_loosely`), as many do, would find a longer
    /// prefix in it, of another resource.
    pub fn depends_on_spelling(&self, path: &str) -> bool {
        // Otherwise both look-ups are the same.
        if !self.has_loose_paths && !reads_loosely(path) && !path.contains('.') {
            return false;
        }
        let depth = |path: &str| path.split('/').count();
        let known = |prefix| Some((depth(prefix), *self.by_path.get(prefix)?));
        let (found, place) = self.prefixes(path).filter_map(known).last().unwrap_or((0, u8::MAX));
        let loose = read_loosely(path);
        self.loose_paths.iter().any(|(prefix, other)| {
            *other != place && depth(prefix) > found && may_begin(prefix, &loose)
        })
    }

    /// What a prefix may be of a path.
    fn prefixes<'a>(&self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        ends.take(self.deepest + 1).filter_map(|end| path.get(..end))
    }

    fn place(&self, number: ResourceNumber) -> Option<usize> {
        self.places.get(usize::from(number.0)).copied().flatten().map(usize::from)
    }

    /// Every scope there is, in the order in which they are listed: those of the resources, then those
    /// at connections.
    pub fn scopes(&self) -> ScopeSet {
        self.own_scopes().iter().cloned().chain(self.connections.offered()).collect()
    }

    /// The scopes of the resources.
    pub fn own_scopes(&self) -> ScopeSet {
        let of = |resource: &Resource| Access::ALL.map(|access| resource.scope(access));
        self.resources.iter().flat_map(of).flatten().collect()
    }

    /// Whether there is such a scope.
    pub fn offers(&self, scope: &Scope) -> bool {
        self.bit_of(scope).is_some() || self.connections.offers(scope)
    }

    /// The scope that a text names.
    ///
    /// # Errors
    /// One sentence that lists the scopes there are.
    pub fn parse_scope(&self, text: &str) -> Result<Scope, String> {
        text.parse().ok().filter(|scope| self.offers(scope)).ok_or_else(|| {
            let all = self.scopes().to_string().replace(' ', ", ");
            format!("{}; choose from {all}", UnknownScope::of(text))
        })
    }

    /// Sorts scopes into the catalog's order, unknown ones last, and those at connections after all.
    pub fn in_order(&self, scopes: &ScopeSet) -> ScopeSet {
        let mut sorted: Vec<&Scope> = scopes.iter().collect();
        let last = u8::MAX;
        sorted.sort_by_key(|scope| {
            let place = self.by_name.get(&scope.resource).copied().unwrap_or(last);
            (scope.connection.clone(), place, scope.access)
        });
        sorted.into_iter().cloned().collect()
    }

    /// The scopes among these texts, in the catalog's order. Texts that name no scope are left out.
    pub fn known<'a>(&self, texts: impl Iterator<Item = &'a str>) -> ScopeSet {
        self.in_order(&texts.filter_map(|text| self.parse_scope(text).ok()).collect())
    }

    /// The bits of those scopes that the catalog knows, and all those at connections: one that is not
    /// there yet, or no longer, is asked for by nobody.
    pub fn compile(&self, scopes: &ScopeSet) -> Permissions {
        let bits = scopes.iter().filter_map(|scope| self.bit_of(scope));
        Permissions {
            own: bits.fold(0, |bits, bit| bits | bit),
            at_connections: self.connections.intern(scopes),
        }
    }

    /// The scopes that compile to these bits, in the order in which they are listed.
    pub fn scopes_of(&self, permissions: Permissions) -> ScopeSet {
        let own = self.own_scopes();
        let granted =
            |scope: &&Scope| self.bit_of(scope).is_some_and(|bit| permissions.own & bit != 0);
        let at_connections = self.connections.scopes_of(permissions.at_connections);
        own.iter().filter(granted).cloned().chain(at_connections.iter().cloned()).collect()
    }

    /// The bit of a scope; none if the catalog does not have it.
    fn bit_of(&self, scope: &Scope) -> Option<u128> {
        if scope.connection.is_some() {
            return None;
        }
        let place = usize::from(*self.by_name.get(&scope.resource)?);
        self.resources[place].offers(scope.access).then(|| bit(place, scope.access))
    }

    /// Whether these bits allow the access to the resource with this number.
    pub fn allows(&self, permissions: Permissions, number: ResourceNumber, access: Access) -> bool {
        self.place(number).is_some_and(|place| permissions.own & bit(place, access) != 0)
    }

    /// Whether a credential with these permissions may make such requests at a connection.
    pub fn allows_at_connection(&self, permissions: Permissions, asked: Asked) -> bool {
        self.connections.allows(permissions.at_connections, asked)
    }

    /// The JSON Schema of a list of scopes.
    pub fn schema(&self) -> Value {
        json!({"type": "array", "items": self.scope_schema()})
    }

    /// The JSON Schema of one scope.
    pub fn scope_schema(&self) -> Value {
        scope_schema(&json!(self.own_scopes()))
    }
}

fn bit(place: usize, access: Access) -> u128 {
    1 << (place * 2 + access as usize)
}

/// A small catalog for the tests of every layer.
#[cfg(test)]
pub mod sample {
    use super::{Catalog, Example, Requests, Resource, ResourceNumber};

    /// A resource of the sample catalog.
    pub const CALLS: ResourceNumber = ResourceNumber(1);

    /// A resource; one whose number is a multiple of three can only be read.
    pub fn resource(number: u16, name: &str) -> Resource {
        Resource {
            number: ResourceNumber(number),
            name: name.parse().unwrap(),
            description: String::new(),
            writable: !number.is_multiple_of(3),
            example: Example::default(),
            requests: Requests { paths: vec![format!("/{name}")], ..Requests::default() },
        }
    }

    /// Calls and leads, and reports that can only be read.
    pub fn catalog() -> Catalog {
        Catalog::new([resource(CALLS.0, "calls"), resource(2, "leads"), resource(3, "reports")])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::catalog::sample::{catalog, resource};

    #[test]
    fn every_scope_has_a_bit_of_its_own_and_no_other_text_is_one() {
        let catalog = catalog();
        assert_eq!(
            catalog.scopes().to_string(),
            "calls:read calls:write leads:read leads:write reports:read"
        );
        assert_eq!(catalog.compile(&catalog.scopes()).own.count_ones(), 5);
        assert!(catalog.parse_scope("calls:read").is_ok());
        for wrong in ["reports:write", "keys:write", "orders:read", "calls:read "] {
            let message = catalog.parse_scope(wrong).unwrap_err();
            assert!(message.contains("choose from calls:read, calls:write"), "{message}");
        }
    }

    #[test]
    fn an_unknown_scope_compiles_to_nothing_and_is_the_same_when_its_resource_comes_back() {
        let scopes: ScopeSet = "orders:read calls:read reports:write".parse().unwrap();
        let without = catalog();
        let granted = without.scopes_of(without.compile(&scopes));
        assert_eq!(granted.to_string(), "calls:read");
        let orders = resource(40, "orders");
        let with = Catalog::new([orders].into_iter().chain(without.resources().iter().cloned()));
        let permissions = with.compile(&scopes);
        assert_eq!(with.scopes_of(permissions).to_string(), "orders:read calls:read");
        assert!(with.allows(permissions, ResourceNumber(40), Access::Read));
        assert!(!without.allows(permissions, ResourceNumber(40), Access::Read));
    }

    #[test]
    fn the_first_of_a_name_or_number_stands_and_so_do_64_resources() {
        let twins = Catalog::new([resource(1, "a"), resource(2, "a"), resource(1, "b")]);
        assert_eq!(twins.resources().len(), 1);
        let many = Catalog::new((1..=70).map(|n| resource(n, &format!("r{n}"))));
        assert_eq!(many.resources().len(), MOST_RESOURCES);
        let all = many.compile(&many.scopes());
        assert!(many.allows(all, ResourceNumber(64), Access::Read));
        assert!(!many.allows(all, ResourceNumber(65), Access::Read));
        assert_eq!(many.name_of(Some(ResourceNumber(65))), OTHER);
    }

    proptest! {
        #[test]
        fn what_is_granted_is_allowed_and_nothing_else(
            numbers in prop::collection::hash_set(1u16..4096, 1..64),
            picked in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..40),
        ) {
            let numbers: Vec<u16> = numbers.into_iter().collect();
            let catalog = Catalog::new(numbers.iter().map(|n| resource(*n, &format!("r{n}"))));
            let access = |writes: bool| Access::ALL[usize::from(writes)];
            let picked: Vec<(u16, Access)> = picked.into_iter().map(|(at, writes)| (numbers[at.index(numbers.len())], access(writes))).collect();
            let scopes: ScopeSet = picked.iter().map(|(n, access)| format!("r{n}:{}", access.as_str()).parse::<Scope>().unwrap()).collect();
            let permissions = catalog.compile(&scopes);
            for n in &numbers {
                for access in Access::ALL {
                    let offered = access == Access::Read || !n.is_multiple_of(3);
                    let wanted = offered && picked.contains(&(*n, access));
                    prop_assert_eq!(catalog.allows(permissions, ResourceNumber(*n), access), wanted);
                }
            }
        }
    }
}

//! Scopes at connections: which there are, those that credentials have, and whether these open a
//! request.
//!
//! Connections come and go while a server runs, so their scopes are compared by their text, and what is
//! granted is never looked up among the connections there are. Readers of what is granted take no lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::handle::Handle;
use crate::model::scope::{Scope, ScopeSet};

/// The number, in this process, of the scopes that a credential has at connections: most have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SetNumber(u32);

/// The number, in this process, of what a request at a connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked(u32);

/// What a request at a connection asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ask {
    /// A scope at a connection.
    Scope(Scope),
    /// Any scope at this connection.
    Any(Handle),
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scope(scope) => scope.fmt(f),
            Self::Any(connection) => write!(f, "any@{connection}"),
        }
    }
}

/// All that is known of scopes at connections.
#[derive(Debug, Default)]
pub struct ConnectionScopes {
    /// Every distinct set that a credential has or had; the first one has number 1.
    sets: boxcar::Vec<ScopeSet>,
    asks: boxcar::Vec<Ask>,
    numbers: Mutex<Numbers>,
    offered: RwLock<Offered>,
}

#[derive(Debug, Default)]
struct Numbers {
    sets: HashMap<Vec<Scope>, SetNumber>,
    asks: HashMap<Ask, Asked>,
}

/// What each connection offers.
type Offered = Arc<BTreeMap<Handle, ScopeSet>>;

impl ConnectionScopes {
    /// The number of those of some scopes that are at connections.
    pub fn intern(&self, scopes: &ScopeSet) -> SetNumber {
        if scopes.iter().all(|scope| scope.connection.is_none()) {
            return SetNumber::default();
        }
        let set: ScopeSet =
            scopes.iter().filter(|scope| scope.connection.is_some()).cloned().collect();
        let mut sorted: Vec<Scope> = set.iter().cloned().collect();
        sorted.sort();
        let mut numbers = self.numbers.lock();
        let add = || SetNumber(next(self.sets.push(set)));
        *numbers.sets.entry(sorted).or_insert_with(add)
    }

    /// The scopes with this number.
    pub fn scopes_of(&self, number: SetNumber) -> &ScopeSet {
        static NONE: ScopeSet = ScopeSet::EMPTY;
        let set = number.0.checked_sub(1).and_then(|place| self.sets.get(place as usize));
        set.unwrap_or(&NONE)
    }

    /// The number of what a request asks for.
    pub fn ask(&self, ask: Ask) -> Asked {
        let mut numbers = self.numbers.lock();
        if let Some(known) = numbers.asks.get(&ask) {
            return *known;
        }
        let number = Asked(next(self.asks.push(ask.clone())));
        numbers.asks.insert(ask, number);
        number
    }

    /// What is asked for under this number.
    pub fn asked(&self, number: Asked) -> Option<&Ask> {
        self.asks.get(number.0.checked_sub(1)? as usize)
    }

    /// Whether these scopes are what is asked for.
    pub fn allows(&self, granted: SetNumber, asked: Asked) -> bool {
        let granted = self.scopes_of(granted);
        match self.asked(asked) {
            Some(Ask::Scope(scope)) => granted.contains(scope),
            Some(Ask::Any(connection)) => {
                granted.iter().any(|scope| scope.connection.as_ref() == Some(connection))
            }
            None => false,
        }
    }

    /// Takes in which connections there are, and the scopes that each of them offers.
    pub fn set_offered(&self, offered: BTreeMap<Handle, ScopeSet>) {
        *self.offered.write() = Arc::new(offered);
    }

    /// The connections there are, and the scopes at each of them.
    pub fn by_connection(&self) -> Offered {
        self.offered.read().clone()
    }

    /// Every scope at a connection that there is.
    pub fn offered(&self) -> Vec<Scope> {
        self.by_connection().values().flat_map(ScopeSet::iter).cloned().collect()
    }

    /// Whether a connection offers this scope.
    pub fn offers(&self, scope: &Scope) -> bool {
        let there = self.by_connection();
        let connection = scope.connection.as_ref().and_then(|connection| there.get(connection));
        connection.is_some_and(|offered| offered.contains(scope))
    }
}

/// The number of what was put at this place.
fn next(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_scope_opens_its_own_connection_alone() {
        let scopes = ConnectionScopes::default();
        let ask = |text: &str| scopes.ask(Ask::Scope(text.parse().unwrap()));
        let any = |handle: &str| scopes.ask(Ask::Any(handle.parse().unwrap()));
        let granted = scopes.intern(&set("calls:read leads:write calls:read@callrail"));
        assert_eq!(scopes.scopes_of(granted), &set("calls:read@callrail"));
        assert!(scopes.allows(granted, ask("calls:read@callrail")));
        assert!(scopes.allows(granted, any("callrail")));
        for other in ["calls:read@aircall", "calls:write@callrail", "leads:write@callrail"] {
            assert!(!scopes.allows(granted, ask(other)), "{other}");
        }
        assert!(!scopes.allows(granted, any("aircall")));
        let none = scopes.intern(&set("calls:read"));
        assert_eq!(none, SetNumber::default());
        assert!(!scopes.allows(none, ask("calls:read@callrail")));
        assert!(!scopes.allows(none, any("callrail")));
        assert!(!scopes.allows(SetNumber(99), any("callrail")));
        assert!(!scopes.allows(granted, Asked(99)));
    }

    #[test]
    fn what_is_equal_has_one_number() {
        let scopes = ConnectionScopes::default();
        let one = scopes.intern(&set("calls:read@a1 leads:read@b1"));
        assert_eq!(scopes.intern(&set("leads:read@b1 calls:read calls:read@a1")), one);
        assert_ne!(scopes.intern(&set("calls:read@a1")), one);
        let ask = |handle: &str| scopes.ask(Ask::Any(handle.parse().unwrap()));
        assert_eq!(ask("a1"), ask("a1"));
        assert_ne!(ask("a1"), ask("b1"));
    }

    #[test]
    fn only_what_a_connection_offers_can_be_granted() {
        let scopes = ConnectionScopes::default();
        let scope: Scope = "calls:read@callrail".parse().unwrap();
        assert!(!scopes.offers(&scope) && scopes.offered().is_empty());
        let handle: Handle = "callrail".parse().unwrap();
        scopes.set_offered([(handle, set("calls:read@callrail"))].into());
        assert!(scopes.offers(&scope) && scopes.offered() == [scope]);
        assert!(!scopes.offers(&"calls:write@callrail".parse().unwrap()));
    }
}

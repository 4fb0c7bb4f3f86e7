//! Scopes of resources that have left the configuration, and of connections that were removed: they
//! stay on their keys and open nothing.

use super::catalog::Catalog;
use super::scope::{Scope, ScopeSet};

impl Catalog {
    /// Those of the scopes that are gone.
    pub fn gone(&self, scopes: &ScopeSet) -> ScopeSet {
        scopes.iter().filter(|scope| !self.offers(scope)).cloned().collect()
    }

    /// Scopes as commands show them: what is gone is marked.
    pub fn marked(&self, scopes: &ScopeSet, separator: &str) -> String {
        let mark = |scope: &Scope| if self.offers(scope) { "" } else { "(gone)" };
        let marked = scopes.iter().map(|scope| format!("{scope}{}", mark(scope)));
        marked.collect::<Vec<_>>().join(separator)
    }

    /// The scope by which keys are found: also one that was there once, and may still be on some.
    ///
    /// # Errors
    /// One sentence that lists the scopes there are.
    pub fn parse_scope_to_find(&self, text: &str) -> Result<Scope, String> {
        let was_there = |scope: &Scope| self.counted.number_of(&scope.counted_as()).is_some();
        self.parse_scope(text).or_else(|why| text.parse().ok().filter(was_there).ok_or(why))
    }
}

//! The connections in memory, as requests need them: replaced by the change feed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::model::connections::{Connection, Handle};

/// Every connection of the database, those that are gone too, so that no older state comes back.
#[derive(Default)]
pub struct Registry(RwLock<Known>);

/// What is known of the connections.
#[derive(Default)]
pub(super) struct Known {
    database: Arc<str>,
    by_handle: HashMap<Handle, Arc<Connection>>,
}

impl Registry {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read()
    }

    fn change(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write()
    }

    /// The connection with this handle, unless it is removed.
    pub fn find(&self, handle: &Handle) -> Option<Arc<Connection>> {
        self.known().by_handle.get(handle).filter(|found| found.removed_at.is_none()).cloned()
    }

    /// Every connection that is not removed, by handle.
    pub fn list(&self) -> Vec<Arc<Connection>> {
        let known = self.known();
        let mut present: Vec<_> = known.present().cloned().collect();
        present.sort_unstable_by(|a, b| a.handle.cmp(&b.handle));
        present
    }

    /// What tells the database that they were read from.
    pub fn database(&self) -> Arc<str> {
        self.known().database.clone()
    }

    /// Takes changed connections in. A state that is not newer than the one here changes nothing.
    /// `then` sees what is known then, before anybody else changes it.
    pub(super) fn apply(
        &self,
        changed: Vec<Connection>,
        database: &str,
        then: impl FnOnce(&Known),
    ) {
        let mut known = self.change();
        if !changed.is_empty() {
            known.take_in(changed, database);
        }
        then(&known);
    }

    /// Replaces everything, since the database was set back.
    pub(super) fn replace(&self, all: Vec<Connection>, database: &str, then: impl FnOnce(&Known)) {
        let mut known = self.change();
        known.by_handle.clear();
        known.take_in(all, database);
        then(&known);
    }
}

impl Known {
    /// Those that are not removed.
    pub(super) fn present(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.by_handle.values().filter(|found| found.removed_at.is_none())
    }

    fn take_in(&mut self, changed: Vec<Connection>, database: &str) {
        self.database = database.into();
        for connection in changed {
            let here = self.by_handle.get(&connection.handle);
            if here.is_none_or(|here| here.revision < connection.revision) {
                self.by_handle.insert(connection.handle.clone(), Arc::new(connection));
            }
        }
    }
}

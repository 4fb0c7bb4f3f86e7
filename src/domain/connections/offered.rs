//! What the connections offer, as keys and counts name it: kept up to date whenever a connection changes.

use std::collections::BTreeMap;

use crate::domain::Bitting;
use crate::model::connections::{Connection, Handle};
use crate::model::scope::{ResourceName, ScopeSet};
use crate::store;
use crate::store::AnyConnection;
use crate::store::connections;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::resources;

/// The scopes that a connection offers, in the order of its table.
fn scopes_at(connection: &Connection) -> ScopeSet {
    let standing = connection.profile.standing;
    let rows = connection.table().rows().iter().filter(|row| standing || !row.marks().standing);
    let mut scopes: Vec<_> = rows.filter_map(|row| row.scope()).collect();
    scopes.sort_by_key(|scope| (&scope.resource, scope.access));
    scopes.into_iter().map(|scope| scope.at(&connection.handle)).collect()
}

impl Bitting {
    /// Gives the resources of a connection the numbers that its requests are counted under.
    pub(super) fn number_resources(
        &self,
        database: &mut AnyConnection,
        connection: &Connection,
    ) -> store::Result<()> {
        AdvisoryLock::Resources.acquire(database)?;
        let rows = connection.table().rows().iter();
        let wanted = rows.filter_map(|row| Some(row.scope()?.at(&connection.handle).counted_as()));
        let mut known: Vec<ResourceName> =
            resources::list(database)?.into_iter().map(|(_, name)| name).collect();
        for name in wanted {
            if !known.contains(&name) {
                resources::add(database, &name)?;
                known.push(name);
            }
        }
        Ok(())
    }

    /// The connections at which there are some of these scopes, and whose vendors were found not to accept
    /// their credentials.
    pub fn rejected_connections(&self, scopes: &ScopeSet) -> Vec<Handle> {
        let at = |handle: &Handle| scopes.iter().any(|s| s.connection.as_ref() == Some(handle));
        let present = self.connections.registry.list();
        let rejected = present.iter().filter(|each| each.is_rejected() && at(&each.handle));
        rejected.map(|each| each.handle.clone()).collect()
    }

    /// Reads the connections, for whoever does not read the feed: their scopes can be granted then.
    pub fn load_connections(&self) -> store::Result<()> {
        self.database.read(|database| {
            let present = connections::changed_since(database, 0)?;
            self.connections.registry.apply(present, &connections::database_id(database)?);
            self.learn_offered(database)
        })
    }

    /// Takes in what the connections in memory offer, and the numbers that it is counted under.
    pub(in crate::domain) fn learn_offered(
        &self,
        database: &mut AnyConnection,
    ) -> store::Result<()> {
        for (number, name) in resources::list(database)? {
            if self.catalog.find(number).is_none() {
                self.catalog.counted.learn(number, name);
            }
        }
        let there = self.connections.registry.list();
        let offered: BTreeMap<_, _> =
            there.iter().map(|each| (each.handle.clone(), scopes_at(each))).collect();
        self.catalog.connections.set_offered(offered);
        Ok(())
    }
}

//! What the connections offer, as keys and counts name it: kept up to date whenever a connection changes.

use super::registry::Known;
use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::model::catalog::ResourceNumber;
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

/// Connections as the database has them.
pub(in crate::domain) struct ReadConnections {
    /// In the order of their changes.
    pub(in crate::domain) changed: Vec<Connection>,
    /// What tells the database from others.
    database: String,
    /// The numbers that what they offer is counted under.
    numbers: Vec<(ResourceNumber, ResourceName)>,
}

impl ReadConnections {
    /// All of them.
    pub(in crate::domain) fn all(database: &mut AnyConnection) -> store::Result<Self> {
        let all = connections::changed_since(database, 0)?;
        Self::of(database, all)
    }

    /// These, with what belongs to them.
    pub(in crate::domain) fn of(
        database: &mut AnyConnection,
        changed: Vec<Connection>,
    ) -> store::Result<Self> {
        let numbers = resources::list(database)?;
        Ok(Self { changed, database: connections::database_id(database)?, numbers })
    }
}

impl Bitting {
    /// Gives the resources of a connection the numbers that its requests are counted under.
    pub(super) fn number_resources(
        &self,
        database: &mut AnyConnection,
        connection: &Connection,
    ) -> Result<()> {
        AdvisoryLock::Resources.acquire(database)?;
        let rows = connection.table().rows().iter();
        let wanted = rows.filter_map(|row| Some(row.scope()?.at(&connection.handle).counted_as()));
        let wanted = wanted.chain([ResourceName::other_at(&connection.handle)]);
        let mut known: Vec<ResourceName> =
            resources::list(database)?.into_iter().map(|(_, name)| name).collect();
        for name in wanted {
            if !known.contains(&name) {
                resources::add(database, &name).map_err(|why| match why {
                    store::Error::Refused(why) => Error::Refused(why),
                    other => other.into(),
                })?;
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
        let read = self.database.read(ReadConnections::all)?;
        self.take_in_connections(read);
        Ok(())
    }

    /// Takes changed connections in, with what they offer.
    pub(in crate::domain) fn take_in_connections(&self, read: ReadConnections) {
        self.learn_numbers(read.numbers);
        self.connections
            .registry
            .apply(read.changed, &read.database, |all| self.learn_offered(all));
    }

    /// Replaces the connections, since the database was set back.
    pub(in crate::domain) fn replace_connections(&self, read: ReadConnections) {
        self.learn_numbers(read.numbers);
        let offered = |all: &Known| self.learn_offered(all);
        self.connections.registry.replace(read.changed, &read.database, offered);
    }

    fn learn_numbers(&self, numbers: Vec<(ResourceNumber, ResourceName)>) {
        for (number, name) in numbers {
            if self.catalog.find(number).is_none() {
                self.catalog.counted.learn(number, name);
            }
        }
    }

    fn learn_offered(&self, known: &Known) {
        let scopes = known.present().map(|each| (each.handle.clone(), scopes_at(each)));
        self.catalog.connections.set_offered(scopes.collect());
    }
}

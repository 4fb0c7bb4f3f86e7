//! The resources of the configuration, under the numbers that the database has for their names; and
//! whether other servers of the same database are configured with the same ones.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use chrono::Duration;

use super::Bitting;
use crate::model::catalog::{Catalog, Resource, ResourceNumber};
use crate::model::scope::ResourceName;
use crate::model::secret::Digest;
use crate::store;
use crate::store::Database;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::{resources, servers};

/// A server that was not seen for so long does not run.
pub(super) const SEEN_WITHIN: Duration = Duration::seconds(120);

/// The catalog of these resources, each with its number in the database, which gives a new name the
/// next one.
///
/// # Errors
/// When the numbers are used up.
pub fn register(database: &Database, configured: &[Resource]) -> store::Result<Catalog> {
    // A connection of its own, which is closed here: a command that ends leaves no file open.
    let mut session = database.dedicated()?;
    let mut known = by_name(session.read(resources::list)?);
    let is_new = |known: &HashMap<_, _>, resource: &Resource| !known.contains_key(&resource.name);
    if configured.iter().any(|resource| is_new(&known, resource)) {
        let listed = session.write(|connection| {
            AdvisoryLock::Resources.acquire(connection)?;
            // Another server may have added them while we waited.
            let there = by_name(resources::list(connection)?);
            for resource in configured.iter().filter(|resource| is_new(&there, resource)) {
                resources::add(connection, &resource.name)?;
            }
            resources::list(connection)
        });
        known = by_name(listed?);
    }
    let numbered = configured.iter().filter_map(|resource| {
        Some(Resource { number: known.remove(&resource.name)?, ..resource.clone() })
    });
    let catalog = Catalog::new(numbered.collect::<Vec<_>>());
    for (name, number) in known {
        catalog.counted.learn(number, name);
    }
    Ok(catalog)
}

fn by_name(list: Vec<(ResourceNumber, ResourceName)>) -> HashMap<ResourceName, ResourceNumber> {
    list.into_iter().map(|(number, name)| (name, number)).collect()
}

/// What two configurations have in common when they mean the same resources, and let through the same
/// without a key.
pub(super) fn fingerprint(resources: &[Resource], preflight: bool) -> String {
    let line = |resource: &Resource| {
        let Resource { name, writable, requests, .. } = resource;
        format!("{name} {writable} {:?} {:?} {:?}\n", requests.paths, requests.reads, requests.open)
    };
    let mut lines: Vec<String> = resources.iter().map(line).collect();
    lines.sort_unstable();
    lines.extend(preflight.then(|| "preflight\n".to_owned()));
    Digest::of(lines.concat().as_bytes()).to_hex()
}

impl Bitting {
    /// Notes that this server runs and looks for others of the same database whose resources differ;
    /// says so once, and once when it is over.
    pub fn compare_resources(&self) -> store::Result<()> {
        let fingerprint = fingerprint(self.catalog.resources(), self.preflight);
        let now = self.time.now();
        let since = now - SEEN_WITHIN;
        let others = self.background.write(|connection| {
            servers::note(connection, self.meter.process(), &fingerprint, now, since)?;
            servers::count_others(connection, &fingerprint, since)
        })?;
        match (self.differing_servers.swap(others, Ordering::Relaxed), others) {
            (0, 1..) => tracing::warn!(
                servers = others,
                "other servers of this database are configured with other resources: a key may do there what it may not do here; give all of them the same [[resources]] and preflight, and restart them"
            ),
            (1.., 0) => {
                tracing::info!("all servers of this database have the same resources again")
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets this server, which stops.
    pub fn leave(&self) -> store::Result<()> {
        let process = self.meter.process();
        self.background.write(|connection| servers::forget(connection, process))
    }
}

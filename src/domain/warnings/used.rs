//! Warnings about what keys were used for.

use std::collections::HashMap;

use super::sightings::Sighting;
use crate::domain::Bitting;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::warnings::Warning;
use crate::store;
use crate::store::keys;

impl Bitting {
    /// Stores the messages about some of what was seen. Returns whether there is more.
    ///
    /// # Errors
    /// When the database fails; it is tried again.
    pub fn warn_of_sightings(&self) -> store::Result<bool> {
        let now = self.time.now();
        let sightings = self.warnings.sightings.next(now);
        if sightings.is_empty() || self.too_many_wait()? {
            return Ok(false);
        }
        let mut numbers: Vec<KeyNumber> = sightings.iter().map(|sighting| sighting.0).collect();
        numbers.dedup();
        let found = self.background.read(|connection| keys::find_all(connection, &numbers))?;
        let found: HashMap<KeyNumber, ApiKey> =
            found.into_iter().map(|key| (key.number, key)).collect();
        let warning =
            |sighting: &Sighting| sighting.warning(found.get(&sighting.0)?, &self.catalog, now);
        let looked_into: Vec<(Sighting, Option<Warning>)> =
            sightings.into_iter().map(|sighting| (sighting, warning(&sighting))).collect();
        let warnings = || looked_into.iter().filter_map(|(_, warning)| warning.as_ref());
        if warnings().next().is_some() {
            self.background.write(|connection| {
                warnings().try_for_each(|warning| self.store_messages(connection, warning))
            })?;
        }
        let told = looked_into.iter().map(|(sighting, warning)| (*sighting, warning.is_some()));
        self.warnings.sightings.done(told, now);
        Ok(true)
    }
}

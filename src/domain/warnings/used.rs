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
        let sightings = self.warnings.sightings.next();
        if sightings.is_empty() || self.too_many_wait()? {
            return Ok(false);
        }
        let now = self.time.now();
        let mut numbers: Vec<KeyNumber> = sightings.iter().map(|sighting| sighting.0).collect();
        numbers.dedup();
        let found = self.background.read(|connection| keys::find_all(connection, &numbers))?;
        let found: HashMap<KeyNumber, ApiKey> =
            found.into_iter().map(|key| (key.number, key)).collect();
        let warning =
            |sighting: &Sighting| sighting.warning(found.get(&sighting.0)?, &self.catalog, now);
        let warnings: Vec<Warning> = sightings.iter().filter_map(warning).collect();
        if !warnings.is_empty() {
            self.background.write(|connection| {
                warnings
                    .iter()
                    .try_for_each(|warning| self.store_messages(connection, warning, now))
            })?;
        }
        self.warnings.sightings.done(&sightings);
        Ok(true)
    }
}

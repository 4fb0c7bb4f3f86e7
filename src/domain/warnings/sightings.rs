//! What requests show of keys, taken from the counts when they are written: so no request waits for
//! it.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;

use crate::model::catalog::Catalog;
use crate::model::key::{ApiKey, KeyNumber, Status};
use crate::model::scope::Access;
use crate::model::time::Moment;
use crate::model::usage::{Cell, Count, Outcome};
use crate::model::warnings::Warning;

/// How many are noted at once. More are left out: each comes again with the key's next request.
const MOST: usize = 10_000;
/// How many are looked into in one transaction.
const AT_ONCE: usize = 100;

/// Something that a request has shown of a key: it was refused what this cell's resource and access
/// offer, or was used after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Sighting(pub(super) KeyNumber, Cell);

impl Sighting {
    fn of(count: &Count) -> Option<Self> {
        match count.cell.outcome() {
            Outcome::Forbidden => Some(Self(count.key, count.cell)),
            // One is enough, whatever it was used for.
            Outcome::Retired => {
                Some(Self(count.key, Cell::new(None, Access::Read, Outcome::Retired)))
            }
            Outcome::Ok | Outcome::ClientError | Outcome::ServerError | Outcome::RateLimited => {
                None
            }
        }
    }

    /// The warning about it; none where the key was refused for another reason than its scopes.
    pub(super) fn warning(self, key: &ApiKey, catalog: &Catalog, now: Moment) -> Option<Warning> {
        let Self(_, cell) = self;
        if cell.outcome() == Outcome::Retired {
            let ended = key.status(now) != Status::Active;
            return ended.then(|| Warning::key_used_after_end(key, now));
        }
        let (number, access) = (cell.resource()?, cell.access());
        let scope = match catalog.find(number) {
            Some(resource) => resource.scope(access)?,
            None => catalog.counted.scope_at_connection(number, access)?,
        };
        let lacked = !key.scopes.contains(&scope);
        lacked.then(|| Warning::key_scope_refused(key, &scope, now))
    }
}

/// What was seen and nobody was told of yet.
#[derive(Debug, Default)]
pub(super) struct Sightings(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    waiting: BTreeSet<Sighting>,
    /// What was looked into on this day: the same is not looked into again.
    day: NaiveDate,
    done: HashSet<Sighting>,
}

impl Sightings {
    /// Notes what these counts show.
    pub(super) fn note(&self, counts: &[Count], now: Moment) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.day != now.date_naive() {
            (seen.day, seen.done) = (now.date_naive(), HashSet::new());
        }
        for sighting in counts.iter().filter_map(Sighting::of) {
            if seen.waiting.len() < MOST && !seen.done.contains(&sighting) {
                seen.waiting.insert(sighting);
            }
        }
    }

    /// Some of what nobody was told of.
    pub(super) fn next(&self) -> Vec<Sighting> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.waiting.iter().take(AT_ONCE).copied().collect()
    }

    /// Notes that these were looked into.
    pub(super) fn done(&self, sightings: &[Sighting]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.done.len() > MOST {
            seen.done.clear();
        }
        for sighting in sightings {
            seen.waiting.remove(sighting);
            seen.done.insert(*sighting);
        }
    }
}

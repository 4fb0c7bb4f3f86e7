//! What requests show of keys, taken from the counts when they are written: so no request waits for
//! it.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{Duration, NaiveDate};
use parking_lot::Mutex;

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
/// After how long something is looked into again of which there was nothing to tell: the key may have
/// been changed since.
const PAUSE: Duration = Duration::seconds(10);

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
    /// What was told on this day: it is not told again.
    day: NaiveDate,
    told: HashSet<Sighting>,
    /// When something was looked into last of which there was nothing to tell.
    looked: HashMap<Sighting, Moment>,
}

impl Sightings {
    /// Notes what these counts show.
    pub(super) fn note(&self, counts: &[Count], now: Moment) {
        let mut seen = self.0.lock();
        if seen.day != now.date_naive() {
            (seen.day, seen.told) = (now.date_naive(), HashSet::new());
        }
        for sighting in counts.iter().filter_map(Sighting::of) {
            if seen.waiting.len() < MOST && !seen.told.contains(&sighting) {
                seen.waiting.insert(sighting);
            }
        }
    }

    /// Some of what is to be looked into by now.
    pub(super) fn next(&self, now: Moment) -> Vec<Sighting> {
        let seen = self.0.lock();
        let is_due =
            |sighting: &&Sighting| seen.looked.get(sighting).is_none_or(|at| now >= *at + PAUSE);
        seen.waiting.iter().filter(is_due).take(AT_ONCE).copied().collect()
    }

    /// Notes that these were looked into, and whether there was something to tell of each.
    pub(super) fn done(&self, looked_into: impl Iterator<Item = (Sighting, bool)>, now: Moment) {
        let mut seen = self.0.lock();
        if seen.told.len() > MOST {
            seen.told.clear();
        }
        seen.looked.retain(|_, at| now < *at + PAUSE);
        for (sighting, told) in looked_into {
            seen.waiting.remove(&sighting);
            if told {
                seen.told.insert(sighting);
            } else {
                seen.looked.insert(sighting, now);
            }
        }
    }
}

//! What one worker counts, in memory: which keys were used how, and from where.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::{Cell, Count, Minute, Source};

/// How much of a user agent is kept.
const LONGEST_USER_AGENT: usize = 200;
/// A table with more room than this for each of its counters gives it back.
const ROOM_PER_COUNTER: usize = 8;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// What it calls itself.
    pub user_agent: Option<&'a str>,
}

/// One worker's counts. Only that worker adds to it, so its lock is hardly ever waited for.
#[derive(Default)]
pub struct WorkerTally(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    counters: Counters,
    sources: Vec<(KeyNumber, Source)>,
    tokens: HashMap<u32, Moment>,
    /// Which source was noted of whom in this minute: once is enough.
    noted: foldhash::HashMap<KeyNumber, (IpAddr, u32)>,
    noted_in: Option<Minute>,
}

/// One line of the tally. Each is in another place in memory, and waiting for that is most of what
/// counting costs: so it is small.
struct Counter {
    minute: Minute,
    key: KeyNumber,
    n: u32,
    /// Milliseconds from the start of the minute to the last request.
    since: u32,
    cell: Cell,
}

const _: () = assert!(size_of::<Counter>() == 24);

impl Counter {
    fn count(&self) -> Count {
        let &Self { minute, key, n, since, cell } = self;
        Count { key, minute, cell, n: n.into(), last_at: minute.start_ms() + i64::from(since) }
    }
}

/// Counters, found by their key.
#[derive(Default)]
pub(super) struct Counters {
    table: HashTable<Counter>,
    hasher: foldhash::fast::RandomState,
}

impl Counters {
    fn of_key(&self, key: KeyNumber) -> impl Iterator<Item = &Counter> {
        let with_hash = self.table.iter_hash(self.hasher.hash_one(key));
        with_hash.filter(move |counter| counter.key == key)
    }

    /// Counts one request. Returns whether it is the first in its line.
    fn add(&mut self, key: KeyNumber, cell: Cell, minute: Minute, since: u32) -> bool {
        let same =
            |counter: &Counter| (counter.key, counter.cell, counter.minute) == (key, cell, minute);
        let hash = |counter: &Counter| self.hasher.hash_one(counter.key);
        match self.table.entry(self.hasher.hash_one(key), same, hash) {
            Entry::Occupied(mut entry) => {
                let counter = entry.get_mut();
                counter.n += 1;
                counter.since = counter.since.max(since);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(Counter { minute, key, n: 1, since, cell });
                true
            }
        }
    }

    /// Moves them out. What is left has room already, and is for the next taking.
    pub(super) fn drain_into(mut self, counts: &mut Vec<Count>) -> Self {
        let (used, room) = (self.table.len(), self.table.capacity());
        counts.extend(self.table.drain().map(|counter| counter.count()));
        if room / ROOM_PER_COUNTER > used {
            let hasher = &self.hasher;
            self.table.shrink_to(used, |counter| hasher.hash_one(counter.key));
        }
        self
    }
}

/// All that was taken from a worker at once.
pub(super) struct Taken {
    pub(super) counters: Counters,
    /// Where keys were used from.
    pub(super) sources: Vec<(KeyNumber, Source)>,
    /// When admin tokens were last accepted.
    pub(super) tokens: HashMap<u32, Moment>,
}

impl WorkerTally {
    /// Counts one request of a key. Who sent it is asked for when a counter begins, since it may have
    /// to be noted then.
    pub fn count<'a>(
        &self,
        key: KeyNumber,
        cell: Cell,
        at: Moment,
        client: impl FnOnce() -> Option<Client<'a>>,
    ) {
        let minute = Minute::of(at);
        let since = u32::try_from(at.timestamp_millis() - minute.start_ms()).unwrap_or_default();
        let mut tally = self.lock();
        let first = tally.counters.add(key, cell, minute, since);
        if first && let Some(client) = client() {
            tally.note(key, client, at, minute);
        }
    }

    /// Notes that an admin token was accepted.
    pub fn note_token(&self, number: u32, at: Moment) {
        self.lock().tokens.insert(number, at);
    }

    /// Takes everything; the worker goes on with empty counters. Its lock is held only while maps
    /// change hands.
    pub(super) fn take(&self, empty: Counters) -> Taken {
        let mut tally = self.lock();
        Taken {
            counters: std::mem::replace(&mut tally.counters, empty),
            sources: std::mem::take(&mut tally.sources),
            tokens: std::mem::take(&mut tally.tokens),
        }
    }

    /// Copies the counters of some keys.
    pub(super) fn copy(&self, keys: &[KeyNumber]) -> Vec<Count> {
        let tally = self.lock();
        let of_key = |key: &KeyNumber| tally.counters.of_key(*key).map(Counter::count);
        keys.iter().flat_map(of_key).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn note(&mut self, key: KeyNumber, client: Client<'_>, at: Moment, minute: Minute) {
        if self.noted_in != Some(minute) {
            self.noted.clear();
            self.noted_in = Some(minute);
        }
        let agent = client.user_agent.map_or(0, |agent| crc32fast::hash(agent.as_bytes()));
        if self.noted.insert(key, (client.address, agent)) == Some((client.address, agent)) {
            return;
        }
        let user_agent =
            client.user_agent.map(|agent| agent.chars().take(LONGEST_USER_AGENT).collect());
        self.sources.push((key, Source { address: client.address.to_string(), user_agent, at }));
    }
}

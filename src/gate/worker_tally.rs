//! What one worker counts, in memory: which keys were used how, and from where.

use std::collections::{HashMap, hash_map};
use std::hash::BuildHasher;
use std::net::IpAddr;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::Mutex;

use super::last_errors::LastErrors;
use crate::model::failed_request::FailedRequest;
use crate::model::key::KeyNumber;
use crate::model::time::{Moment, Timestamp};
use crate::model::usage::{Cell, Count, Minute, Source};

/// How many addresses of a key are recorded in a minute: more than are kept.
const ADDRESSES_A_MINUTE: usize = 16;
/// How much of a user agent is kept, in characters.
const LONGEST_USER_AGENT: usize = 200;
/// A table with room for more than this many times its counters is shrunk.
const ROOM_PER_COUNTER: usize = 8;

/// One worker's counts. Only that worker adds to them, so its lock is hardly ever contended.
#[derive(Default)]
pub struct WorkerTally(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    counters: Counters,
    sources: Vec<(KeyNumber, Source)>,
    tokens: HashMap<u32, Moment>,
    errors: LastErrors,
    /// The sources of each key that were recorded in this minute.
    noted: foldhash::HashMap<KeyNumber, NotedSources>,
    noted_in: Option<Minute>,
}

/// An address, and a hash of what the client there calls itself.
type SourceKey = (IpAddr, u32);

/// The sources of one key that were recorded in this minute. Most keys have one, which allocates
/// nothing.
struct NotedSources {
    first: SourceKey,
    others: Vec<SourceKey>,
}

impl NotedSources {
    /// Whether this source is to be recorded: it is new in this minute, and there is room.
    fn admit(&mut self, source: SourceKey) -> bool {
        let known = self.first == source || self.others.contains(&source);
        let admitted = !known && self.others.len() + 1 < ADDRESSES_A_MINUTE;
        if admitted {
            self.others.push(source);
        }
        admitted
    }
}

/// One counter of the tally. Every increment is a cache miss, which dominates the cost of counting;
/// keep it at 24 bytes.
struct Counter {
    minute: Minute,
    key: KeyNumber,
    n: u32,
    /// A hash of the last request's address; 0 for none.
    from: u32,
    /// Milliseconds from the start of the minute to the last request.
    since: u16,
    cell: Cell,
}

const _: () = assert!(size_of::<Counter>() == 24);

impl Counter {
    fn count(&self) -> Count {
        let &Self { minute, key, n, from: _, since, cell } = self;
        Count { key, minute, cell, n: n.into(), last_at: minute.start_ms() + i64::from(since) }
    }
}

/// Counters in a hash table by key.
#[derive(Default)]
pub struct Counters {
    table: HashTable<Counter>,
    hasher: foldhash::fast::RandomState,
}

impl Counters {
    fn of_key(&self, key: KeyNumber) -> impl Iterator<Item = &Counter> {
        let with_hash = self.table.iter_hash(self.hasher.hash_one(key));
        with_hash.filter(move |counter| counter.key == key)
    }

    /// Counts `n` requests: one, or none where a key is only noted as used. Returns whether they come
    /// from another address than those before in their line, or are the first.
    fn add(
        &mut self,
        n: u32,
        key: KeyNumber,
        cell: Cell,
        (minute, since): (Minute, u16),
        address: Option<IpAddr>,
    ) -> bool {
        // Two addresses may have the same 32 bits. Then the second is not recorded, and still counted.
        let from = address.map_or(0, |address| self.hasher.hash_one(address) as u32);
        let same =
            |counter: &Counter| (counter.key, counter.cell, counter.minute) == (key, cell, minute);
        let hash = |counter: &Counter| self.hasher.hash_one(counter.key);
        match self.table.entry(self.hasher.hash_one(key), same, hash) {
            Entry::Occupied(mut entry) => {
                let counter = entry.get_mut();
                counter.n += n;
                // Requests are counted when they end, not in the order in which they were judged.
                counter.since = counter.since.max(since);
                std::mem::replace(&mut counter.from, from) != from
            }
            Entry::Vacant(entry) => {
                entry.insert(Counter { minute, key, n, from, since, cell });
                true
            }
        }
    }

    /// Moves the counters out. The empty table keeps its room, for the next worker to be drained.
    pub fn drain_into(mut self, counts: &mut Vec<Count>) -> Self {
        let (used, room) = (self.table.len(), self.table.capacity());
        counts.extend(self.table.drain().map(|counter| counter.count()));
        // One burst must not hold its memory for ever.
        if room / ROOM_PER_COUNTER > used {
            let hasher = &self.hasher;
            self.table.shrink_to(used, |counter| hasher.hash_one(counter.key));
        }
        self
    }
}

/// What was taken from a worker at once.
pub struct Taken {
    /// How many requests there were, by minute, key and cell.
    pub counters: Counters,
    /// The addresses that keys were used from.
    pub sources: Vec<(KeyNumber, Source)>,
    /// When each admin token was last accepted, by row number.
    pub tokens: HashMap<u32, Moment>,
    /// The requests that were refused or failed.
    pub errors: LastErrors,
}

impl WorkerTally {
    /// Counts one request of a key. `user_agent` is called only if its address may have to be
    /// recorded.
    pub fn count<'a>(
        &self,
        key: KeyNumber,
        cell: Cell,
        at: Moment,
        address: Option<IpAddr>,
        user_agent: impl FnOnce() -> Option<&'a str>,
    ) {
        self.add(1, (key, cell), Timestamp::of(at), address, user_agent);
    }

    /// Counts `n` requests: one, or none where a key is only recorded as used, and from where.
    pub(super) fn add<'a>(
        &self,
        n: u32,
        (key, cell): (KeyNumber, Cell),
        at: Timestamp,
        address: Option<IpAddr>,
        user_agent: impl FnOnce() -> Option<&'a str>,
    ) {
        let minute = Minute::at(at);
        let since = u16::try_from(at.0 - minute.start_ms()).unwrap_or_default();
        let mut tally = self.0.lock();
        let other = tally.counters.add(n, key, cell, (minute, since), address);
        if other && let Some(address) = address {
            tally.note(key, address, user_agent(), at);
        }
    }

    /// Records that a request of a key was refused or failed.
    pub fn note_error(&self, key: KeyNumber, failed: FailedRequest) {
        self.0.lock().errors.note(key, failed);
    }

    /// Records that an admin token was accepted.
    pub fn note_token(&self, number: u32, at: Timestamp) {
        self.0.lock().tokens.insert(number, at.moment());
    }

    /// Takes everything, and leaves the worker empty counters. Its lock is held only while maps
    /// change hands.
    pub fn take(&self, empty: Counters) -> Taken {
        let mut tally = self.0.lock();
        Taken {
            counters: std::mem::replace(&mut tally.counters, empty),
            sources: std::mem::take(&mut tally.sources),
            tokens: std::mem::take(&mut tally.tokens),
            errors: std::mem::take(&mut tally.errors),
        }
    }

    /// Copies the counters of some keys.
    pub fn copy(&self, keys: &[KeyNumber]) -> Vec<Count> {
        let tally = self.0.lock();
        let of_key = |key: &KeyNumber| tally.counters.of_key(*key).map(Counter::count);
        keys.iter().flat_map(of_key).collect()
    }
}

impl Tally {
    fn note(&mut self, key: KeyNumber, address: IpAddr, user_agent: Option<&str>, at: Timestamp) {
        let minute = Some(Minute::at(at));
        if self.noted_in != minute {
            self.noted.clear();
            self.noted_in = minute;
        }
        let source = (address, user_agent.map_or(0, |agent| crc32fast::hash(agent.as_bytes())));
        let new = match self.noted.entry(key) {
            hash_map::Entry::Occupied(mut noted) => noted.get_mut().admit(source),
            hash_map::Entry::Vacant(noted) => {
                noted.insert(NotedSources { first: source, others: Vec::new() });
                true
            }
        };
        if !new {
            return;
        }
        let user_agent = user_agent.map(|agent| agent.chars().take(LONGEST_USER_AGENT).collect());
        self.sources
            .push((key, Source { address: address.to_string(), user_agent, at: at.moment() }));
    }
}

//! What one worker counts, in memory: which keys were used how, and from where.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::{Cell, Count, Minute, Source};

/// How much of a user agent is kept.
const LONGEST_USER_AGENT: usize = 200;
/// A map with more room than this for each key that was used gives it back.
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
    counts: Counters,
    sources: Vec<(KeyNumber, Source)>,
    tokens: HashMap<u32, Moment>,
    /// Which source was noted of whom in this minute: once is enough.
    noted: HashMap<KeyNumber, (IpAddr, u32)>,
    noted_in: Option<Minute>,
}

/// The counters of the keys that were used.
#[derive(Default)]
pub(super) struct Counters(foldhash::HashMap<KeyNumber, Slots>);

impl Counters {
    /// Moves them out. What is left has room already, and is for the next taking.
    pub(super) fn drain_into(mut self, counts: &mut Vec<Count>) -> Self {
        let (used, room) = (self.0.len(), self.0.capacity());
        for (key, slots) in self.0.drain() {
            counts.extend(slots.iter().map(|slot| slot.of(key)));
        }
        if room / ROOM_PER_COUNTER > used {
            self.0.shrink_to(used);
        }
        self
    }
}

/// All that was taken from a worker at once.
pub(super) struct Taken {
    pub(super) counts: Counters,
    /// Where keys were used from.
    pub(super) sources: Vec<(KeyNumber, Source)>,
    /// When admin tokens were last accepted.
    pub(super) tokens: HashMap<u32, Moment>,
}

/// A key's counters.
type Slots = SmallVec<[Slot; 2]>;

struct Slot {
    minute: Minute,
    cell: Cell,
    n: u32,
    last_at: i64,
}

impl Slot {
    fn of(&self, key: KeyNumber) -> Count {
        let &Self { minute, cell, n, last_at } = self;
        Count { key, minute, cell, n: n.into(), last_at }
    }
}

impl WorkerTally {
    /// Counts one request of a key. Who sent it is only asked for when it may be noted.
    pub fn count<'a>(
        &self,
        key: KeyNumber,
        cell: Cell,
        at: Moment,
        client: impl FnOnce() -> Option<Client<'a>>,
    ) {
        let (minute, last_at) = (Minute::of(at), at.timestamp_millis());
        let mut tally = self.lock();
        let slots = tally.counts.0.entry(key).or_default();
        let first = slots.is_empty();
        match slots.iter_mut().find(|slot| slot.cell == cell && slot.minute == minute) {
            Some(slot) => {
                slot.n += 1;
                slot.last_at = slot.last_at.max(last_at);
            }
            None => slots.push(Slot { minute, cell, n: 1, last_at }),
        }
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
            counts: std::mem::replace(&mut tally.counts, empty),
            sources: std::mem::take(&mut tally.sources),
            tokens: std::mem::take(&mut tally.tokens),
        }
    }

    /// Copies the counters of some keys.
    pub(super) fn copy(&self, keys: &[KeyNumber]) -> Vec<Count> {
        let tally = self.lock();
        let of_key = |key: &KeyNumber| tally.counts.0.get(key).into_iter().flatten();
        keys.iter().flat_map(|key| of_key(key).map(|slot| slot.of(*key))).collect()
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

//! The limits of keys, and what is used up of them.
//!
//! Each distinct value of limits is kept once and has a number, which the key's policy holds; number
//! 0 is no limits, so that a key without any costs one comparison. What is used up is found without a
//! lock: by a request under the number that the index holds, otherwise under the key's. Nothing is ever
//! removed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::budget::Budget;
use super::key_use::{Exhausted, KeyUse, Now, Reading, Remaining};
use super::slots::SlotTable;
use super::window::Window;
use crate::model::key::KeyNumber;
use crate::model::limits::{KeyLimits, QuotaPeriod};
use crate::model::time::Timestamp;
use crate::model::usage::Count;

/// A key is asked about for this long after it was last used here, in nanoseconds.
const WARM: i64 = 10_000_000_000;

/// The number of limits in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LimitsNumber(u32);

impl LimitsNumber {
    /// Whether there are any limits.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// One more than the place of what is used up of a key's limits; 0 where nothing is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct UseNumber(pub(super) u32);

/// The limits of a key, and what is used up of them, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Which limits.
    pub limits: LimitsNumber,
    pub(super) used: UseNumber,
}

/// The limits of a key, and what is left of them after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The key's limits.
    pub account: Account,
    /// What is left.
    pub remaining: Remaining,
    /// Whether the request has taken one.
    pub taken: bool,
}

/// Limits, how they are held to, and how they are announced.
struct Interned {
    limits: KeyLimits,
    /// None where any number of requests is allowed.
    budget: Option<Budget>,
    policy: String,
}

/// The limits of all keys.
#[derive(Default)]
pub struct Limiter {
    limits: boxcar::Vec<Interned>,
    numbers: Mutex<HashMap<KeyLimits, LimitsNumber>>,
    uses: boxcar::Vec<KeyUse>,
    table: SlotTable,
    /// What the database was last known to hold of keys that were used here.
    readings: Mutex<foldhash::HashMap<u32, Reading>>,
    /// Held while a key is added.
    adding: Mutex<()>,
    due: Mutex<Due>,
}

/// Which keys the database is to be asked about.
#[derive(Default)]
struct Due {
    /// Those with a quota that is new here, and those that were not used here for a while.
    new: HashSet<u32>,
    /// Those that were used here, with the uptime of their last use.
    warm: foldhash::HashMap<u32, i64>,
    /// Up to which uptime nobody else had written anything about those that are warm and not new.
    quiet_until: i64,
    /// Whether what was learnt may hold no longer.
    in_doubt: bool,
}

/// A key that the database is to be asked about.
#[derive(Debug, Clone, Copy)]
pub struct DueKey {
    /// The key.
    pub number: KeyNumber,
    /// The time that it is asked about.
    pub window: Window,
    /// Up to which uptime nobody else had used it, as far as that is known.
    quiet_until: Option<i64>,
    /// Its limits when it was due.
    limits: LimitsNumber,
}

/// Row numbers follow each other, and the table wants hashes that do not.
fn hash(key: u32) -> u64 {
    let mixed = u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

impl Limiter {
    /// The number of limits, which are added if they are new.
    pub fn intern(&self, limits: &KeyLimits) -> LimitsNumber {
        if limits.is_empty() {
            return LimitsNumber::default();
        }
        match self.numbers.lock().entry(limits.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let (limits, budget) = (limits.clone(), Budget::of(limits));
                let interned = Interned { policy: policy(&limits), limits, budget };
                let place = self.limits.push(interned);
                *new.insert(LimitsNumber(u32::try_from(place + 1).unwrap_or(u32::MAX)))
            }
        }
    }

    fn interned(&self, number: LimitsNumber) -> Option<&Interned> {
        self.limits.get(number.0.checked_sub(1)? as usize)
    }

    /// The limits with this number.
    pub fn limits(&self, number: LimitsNumber) -> Option<&KeyLimits> {
        self.interned(number).map(|interned| &interned.limits)
    }

    /// How limits on the number of requests are announced, in the words of the IETF's draft.
    pub fn policy(&self, number: LimitsNumber) -> Option<&str> {
        self.interned(number).map(|interned| &*interned.policy)
    }

    /// Keeps account of a key that has limits, or had some.
    pub(super) fn watch(&self, key: u32, limits: LimitsNumber) -> UseNumber {
        // Most servers have no such key, and a start takes in every key there is.
        if !limits.is_some() && self.uses.is_empty() {
            return UseNumber::default();
        }
        let _adding = self.adding.lock();
        let (place, used) = match self.find(key) {
            Some(found) => found,
            None if !limits.is_some() => return UseNumber::default(),
            None => {
                let place = self.uses.push(KeyUse::new(key));
                let numbered = self.uses.iter().map(|(place, used)| (hash(used.key), place));
                self.table.reserve_slots(place + 1, numbered.take(place));
                self.table.insert(hash(key), place);
                (place, &self.uses[place])
            }
        };
        let counts = self.limits(limits).is_some_and(|limits| limits.quota.is_some());
        if used.current.swap(limits.0, Ordering::Relaxed) != limits.0 && counts {
            self.due.lock().new.insert(key);
        }
        UseNumber(u32::try_from(place + 1).unwrap_or_default())
    }

    fn find(&self, key: u32) -> Option<(usize, &KeyUse)> {
        let candidates = self.table.matches(hash(key));
        let mut found = candidates.filter_map(|place| Some((place, self.uses.get(place)?)));
        found.find(|(_, used)| used.key == key)
    }

    fn budget(&self, number: LimitsNumber) -> Option<&Budget> {
        self.interned(number)?.budget.as_ref()
    }

    /// What is used up by a key whose limits are on the number of its requests, and how many they allow.
    fn kept(&self, account: Account) -> Option<(&KeyUse, &Budget)> {
        let budget = self.budget(account.limits)?;
        Some((self.uses.get(account.used.0.checked_sub(1)? as usize)?, budget))
    }

    /// The same of a key by its number, with the limits that it has now, and their number.
    fn counted(&self, key: u32) -> Option<(&KeyUse, &Budget, LimitsNumber)> {
        let (_, used) = self.find(key)?;
        let limits = LimitsNumber(used.current.load(Ordering::Relaxed));
        Some((used, self.budget(limits)?, limits))
    }

    /// Takes one request from what is left of a key's limits.
    ///
    /// # Errors
    /// Which of them is used up, and what is left of both.
    pub fn take(&self, account: Account, now: Now) -> Result<Remaining, (Exhausted, Remaining)> {
        let Some((used, budget)) = self.kept(account) else { return Ok(Remaining::default()) };
        self.go_over(used, account.limits, budget, now);
        used.take(budget, now).map_err(|why| (why, used.remaining(budget, now)))
    }

    fn go_over(&self, used: &KeyUse, number: LimitsNumber, new: &Budget, now: Now) {
        let before = used.used_under();
        if before != number.0 {
            used.change(number.0, self.budget(LimitsNumber(before)), new, now.uptime);
        }
    }

    /// Gives back what a request has taken that is judged once more.
    pub(super) fn give_back(&self, account: Account, at: Timestamp) {
        if let Some((used, budget)) = self.kept(account) {
            used.give_back(budget, at);
        }
    }

    /// Gives back to the rate limit alone what a request has taken that another limit refuses.
    pub(super) fn give_back_rate(&self, account: Account) {
        if let Some((used, budget)) = self.kept(account) {
            used.give_back_to_bucket(budget);
        }
    }

    /// Gives back to the quota what a request has taken that is not counted as accepted: the figures,
    /// from which the quota is read anew, hold none for it.
    pub(super) fn give_back_quota(&self, account: Account, at: Timestamp) {
        if let Some((used, budget)) = self.kept(account) {
            used.give_back_quota(budget, at);
        }
    }

    /// What is left of a key's limits.
    pub fn remaining(&self, account: Account, now: Now) -> Remaining {
        let Some((used, budget)) = self.kept(account) else { return Remaining::default() };
        self.go_over(used, account.limits, budget, now);
        used.remaining(budget, now)
    }

    /// Notes which requests that this process has accepted are in the database now.
    pub fn note_written(&self, counts: &[Count], uptime: i64) {
        if self.uses.is_empty() {
            return;
        }
        let (mut due, mut readings) = (self.due.lock(), self.readings.lock());
        for count in counts {
            let Some((_, used)) = self.find(count.key.0) else { continue };
            let budget = self.budget(LimitsNumber(used.current.load(Ordering::Relaxed)));
            if budget.is_some() && due.warm.insert(count.key.0, uptime).is_none() {
                due.new.insert(count.key.0);
            }
            if count.cell.is_accepted() {
                let quota = budget.and_then(|budget| budget.quota);
                let reading = readings.entry(count.key.0).or_default();
                used.note_written(reading, quota, count.minute, count.n);
            }
        }
    }

    /// Whether there is any key that the database may have to be asked about, once those are forgotten
    /// that were not used for a while.
    pub fn is_used(&self, now: Now) -> bool {
        let mut due = self.due.lock();
        due.warm.retain(|_, used_at| now.uptime - *used_at < WARM);
        !due.new.is_empty() || !due.warm.is_empty()
    }

    /// The keys that the database is to be asked about: those whose limits are new here, and, if others
    /// have written since they were last asked about, those that were used a short while ago.
    pub fn due(&self, now: Now, others_have_written: bool) -> Vec<DueKey> {
        let mut due = self.due.lock();
        due.new.retain(|key| self.counted(*key).is_some());
        let all = std::mem::take(&mut due.in_doubt) || others_have_written;
        let warm = due.warm.keys().filter(|key| all && !due.new.contains(key));
        let warm: Vec<_> = warm.map(|key| (*key, Some(due.quiet_until))).collect();
        let keys: Vec<_> = due.new.iter().map(|key| (*key, None)).chain(warm).collect();
        if !all {
            due.quiet_until = now.uptime;
        }
        drop(due);
        let due_key = |(key, quiet_until)| {
            let (_, budget, limits) = self.counted(key)?;
            let window = Window::of(budget.quota, now.at);
            Some(DueKey { number: KeyNumber(key), window, quiet_until, limits })
        };
        keys.into_iter().filter_map(due_key).collect()
    }

    /// Learns how many requests of a key the database holds, whoever accepted them.
    pub fn learn(&self, key: &DueKey, total: i64, uptime: i64) {
        if let Some((used, budget, _)) = self.counted(key.number.0) {
            let mut readings = self.readings.lock();
            let reading = readings.entry(key.number.0).or_default();
            used.learn(reading, budget, &key.window, total, (key.quiet_until, uptime));
            drop(readings);
            if used.current.load(Ordering::Relaxed) == key.limits.0 {
                self.due.lock().new.remove(&key.number.0);
            }
        }
    }

    /// Has the database asked about all keys once more, since it may hold less than it did.
    pub fn doubt(&self) {
        self.due.lock().in_doubt = true;
    }
}

/// `"rate";q=600;w=60, "quota";q=50000;w=86400`; a month has no fixed length.
fn policy(limits: &KeyLimits) -> String {
    let mut text = String::new();
    if let Some(rate) = limits.rate_limit {
        let _ = write!(text, "\"rate\";q={};w={}", rate.requests, rate.per.seconds());
    }
    if let Some(quota) = limits.quota {
        let separator = if text.is_empty() { "" } else { ", " };
        let window = if quota.per == QuotaPeriod::Day { ";w=86400" } else { "" };
        let _ = write!(text, "{separator}\"quota\";q={}{window}", quota.requests);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::{RateLimit, RatePeriod};
    use crate::model::scope::Access;
    use crate::model::usage::{Cell, Minute, Outcome};

    #[test]
    fn the_database_is_asked_once_about_a_key_that_nobody_else_uses() {
        let (limiter, key) = (Limiter::default(), KeyNumber(7));
        let per_second = RateLimit { requests: 10, per: RatePeriod::Second };
        let limits = KeyLimits { rate_limit: Some(per_second), ..KeyLimits::default() };
        limiter.watch(key.0, limiter.intern(&limits));
        let at = |uptime| Now { at: Timestamp::default(), uptime };
        let cell = Cell::new(None, Access::Read, Outcome::Ok);
        let count = Count { key, minute: Minute(0), cell, n: 1, last_at: 0 };
        let asked = |now, others_have_written| {
            let due = limiter.due(now, others_have_written);
            due.iter().for_each(|key| limiter.learn(key, 1, now.uptime));
            due.iter().map(|key| (key.number, key.quiet_until)).collect::<Vec<_>>()
        };
        assert!(!limiter.is_used(at(0)) && asked(at(0), true).is_empty());
        limiter.note_written(&[count], 1);
        assert!(limiter.is_used(at(1)));
        assert_eq!(asked(at(1), false), [(key, None)]);
        assert_eq!(asked(at(2), false), []);
        assert_eq!(asked(at(3), true), [(key, Some(2))]);
        assert_eq!(asked(at(4), false), []);
        limiter.doubt();
        assert_eq!(asked(at(5), false), [(key, Some(4))]);
        assert_eq!(asked(at(6), false), []);
        // What was not used here for a while is not kept up with.
        let later = at(WARM + 1);
        assert!(!limiter.is_used(later) && asked(later, true).is_empty());
        limiter.note_written(&[count], later.uptime);
        assert_eq!(asked(later, true), [(key, None)]);
    }
}

//! Limits that hold for all servers together: what others have accepted is read from the counts that
//! every server writes, and taken from what is left here.

use std::collections::BTreeMap;

use crate::domain::Bitting;
use crate::gate::caller::KeyCaller;
use crate::gate::key_use::{Remaining, Window};
use crate::gate::row_numbers::Table;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::limits::KeyLimits;
use crate::model::usage::{Hour, Windows};
use crate::store;
use crate::store::usage::accepted;

/// Keys asked about with one statement.
const KEYS_PER_READ: usize = 500;

impl Bitting {
    /// The limits of the key that calls, and what is left of them now.
    pub fn limits_of(&self, caller: &KeyCaller) -> (KeyLimits, Remaining) {
        let limiter = &self.gate.index.limiter;
        let now = self.gate.both_clocks(self.time.believed());
        let limits = limiter.limits(caller.limits()).cloned().unwrap_or_default();
        (limits, limiter.remaining(caller.number(), caller.limits(), now))
    }

    /// Has a quota that is new begin with what was used before. Where the database cannot be asked just
    /// now, it is a moment later.
    pub(in crate::domain) fn count_what_was_used_before(&self, key: &ApiKey) {
        let learnt = self.flush_usage().and_then(|_| self.share_limits());
        if let Err(why) = learnt {
            tracing::debug!(%why, key = %key.id, "what was used before counts a moment later");
        }
    }

    /// Reads how much of their limits the keys have used that were used here a short while ago, or
    /// have new limits. Nothing is asked when there are none.
    pub fn share_limits(&self) -> store::Result<()> {
        let _one_at_a_time = self.flushes.lock();
        let limiter = &self.gate.index.limiter;
        let now = self.gate.both_clocks(self.time.believed());
        let mut by_start: BTreeMap<Hour, Vec<(KeyNumber, Window)>> = BTreeMap::new();
        for (key, window) in limiter.due(now) {
            // A stand-in is held to its limits by this server alone.
            if self.gate.index.numbers.row(Table::Keys, key.0) == Some(key.0) {
                by_start.entry(window.first_hour()).or_default().push((key, window));
            }
        }
        let windows = Windows::ending(now.moment);
        for (start, keys) in by_start {
            for some in keys.chunks(KEYS_PER_READ) {
                let numbers: Vec<KeyNumber> = some.iter().map(|(key, _)| *key).collect();
                let totals = self.background.snapshot(|connection| {
                    accepted::accepted_since(connection, &numbers, start, &windows)
                })?;
                // Of a day that is over by now, nothing is learnt.
                let now = self.gate.both_clocks(self.time.believed());
                for (key, window) in some.iter().filter(|(_, window)| window.holds(now.moment)) {
                    let total = totals.get(key).copied().unwrap_or_default();
                    limiter.learn(*key, window, total, now.uptime);
                }
            }
        }
        Ok(())
    }
}

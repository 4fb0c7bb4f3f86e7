//! Limits that hold for all servers together: what others have accepted is read from the counts that
//! every server writes, and taken from what is left here.

use std::collections::BTreeMap;

use crate::domain::Bitting;
use crate::gate::caller::KeyCaller;
use crate::gate::key_use::Remaining;
use crate::gate::limiter::DueKey;
use crate::gate::row_numbers::Table;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::limits::KeyLimits;
use crate::model::usage::{Hour, Windows};
use crate::store;
use crate::store::usage::{accepted, others_marks};

/// Keys asked about with one statement.
const KEYS_PER_READ: usize = 500;

impl Bitting {
    /// The limits of the key that calls, and what is left of them now.
    pub fn limits_of(&self, caller: &KeyCaller) -> (KeyLimits, Remaining) {
        let limiter = &self.gate.index.limiter;
        let now = self.gate.believed(self.gate.now());
        let account = caller.account();
        let limits = limiter.limits(account.limits).cloned().unwrap_or_default();
        (limits, limiter.remaining(account, now))
    }

    /// Has a quota that is new begin with what was used before. Where the database cannot be asked just
    /// now, it is a moment later.
    pub(in crate::domain) fn count_what_was_used_before(&self, key: &ApiKey) {
        let learnt = self.flush_usage().and_then(|_| self.share_limits());
        if let Err(why) = learnt {
            tracing::debug!(%why, key = %key.id, "what was used before counts a moment later");
        }
    }

    /// Reads how much of their limits the keys have used that have new limits, or were used here a
    /// short while ago and may have been used elsewhere. Nothing is asked when there are none.
    pub fn share_limits(&self) -> store::Result<()> {
        let mut last = self.flushes.lock();
        let limiter = &self.gate.index.limiter;
        let now = self.gate.believed(self.gate.now());
        if !limiter.is_used(now) {
            return Ok(());
        }
        let process = self.meter.process();
        let marks = self.background.read(|connection| others_marks(connection, process))?;
        let written = (marks, now.at.moment().date_naive());
        // Until all of it is read, it counts as not read.
        let others_have_written = last.take().as_ref() != Some(&written);
        let mut by_start: BTreeMap<Hour, Vec<DueKey>> = BTreeMap::new();
        for key in limiter.due(now, others_have_written) {
            // A stand-in is held to its limits by this server alone.
            let number = key.number.0;
            if self.gate.index.numbers.row(Table::Keys, number) == Some(number) {
                by_start.entry(key.window.first_hour()).or_default().push(key);
            }
        }
        let windows = Windows::ending(now.at.moment());
        for (start, keys) in by_start {
            for some in keys.chunks(KEYS_PER_READ) {
                let numbers: Vec<KeyNumber> = some.iter().map(|key| key.number).collect();
                let totals = self.background.snapshot(|connection| {
                    accepted::accepted_since(connection, &numbers, start, &windows)
                })?;
                // Of a day that is over by now, nothing is learnt.
                let now = self.gate.believed(self.gate.now());
                for key in some.iter().filter(|key| key.window.holds(now.at)) {
                    let total = totals.get(&key.number).copied().unwrap_or_default();
                    limiter.learn(key, total, now.uptime);
                }
            }
        }
        *last = Some(written);
        Ok(())
    }
}

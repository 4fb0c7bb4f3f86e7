//! Keeping what lists are sorted by up to date: each minute that has ended is added, and a few
//! keys at a time are recounted, since days also leave the window.

use crate::domain::Bitting;
use crate::model::usage::{Minute, Windows};
use crate::store;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::keys::summaries;
use crate::store::keys::summaries::SummaryPosition;
use crate::store::usage;

/// How many keys are recounted in one step.
const KEYS_PER_STEP: i64 = 100;

/// How many minutes before this one are looked at for counts that came after the last look.
const LATE: i64 = 3;

impl Bitting {
    /// Does one small step: adds one minute, or recounts a few keys. Returns whether there are
    /// more minutes to add.
    ///
    /// # Errors
    /// When the database fails; the step is done another time.
    pub fn summarize_keys(&self) -> store::Result<bool> {
        let windows = Windows::ending(self.time.believed());
        let this_minute = Minute(windows.day.0 + 24 * 60);
        let more = self.background.write(|connection| {
            // Counts that are folded meanwhile are either in the minute or late for it.
            AdvisoryLock::Usage.acquire(connection)?;
            let from = summaries::position(connection)?;
            let next = summaries::next_minute(connection, from.minute)?;
            let Some(minute) = next.filter(|minute| *minute < this_minute) else {
                return Ok(false);
            };
            let to = SummaryPosition { minute: Minute(minute.0 + 1), ..from };
            if summaries::advance(connection, from, to)? {
                summaries::add_minute(connection, minute)?;
            }
            store::Result::Ok(true)
        })?;
        if more {
            return Ok(true);
        }
        // Counted before the transaction, which then only writes.
        let (from, keys, figures, to_be_added) = self.background.snapshot(|connection| {
            let from = summaries::position(connection)?;
            let keys = summaries::keys_after(connection, from.key, KEYS_PER_STEP)?;
            let rolled_up = usage::position(connection)?;
            let figures = usage::figures(connection, &keys, &windows, &rolled_up)?;
            // Counts of a minute may come late; of longer ago there are hardly any.
            let minutes = from.minute.0.max(this_minute.0 - LATE)..=this_minute.0;
            let to_be_added = summaries::of_minutes(connection, &keys, minutes)?;
            store::Result::Ok((from, keys, figures, to_be_added))
        })?;
        let to = SummaryPosition { key: keys.last().map_or(0, |key| key.0.into()), ..from };
        self.background.write(|connection| {
            if to != from && summaries::advance(connection, from, to)? {
                summaries::replace(connection, &figures, &to_be_added)?;
            }
            Ok(false)
        })
    }
}

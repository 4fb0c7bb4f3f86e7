//! Warnings about keys that will expire: the keys are looked through in the order of their ends, so
//! that each look begins where the last one stopped, whichever server took it.

use std::sync::atomic::Ordering;

use chrono::Duration;

use crate::domain::Bitting;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::key_filter::SOON;
use crate::model::time::Moment;
use crate::model::warnings::{DAYS_AHEAD, Warning, is_warned_of};
use crate::store;
use crate::store::AnyConnection;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::keys::expiring;
use crate::store::keys::expiring::ScanPosition;
use crate::store::notifications;

/// How long after everything was looked through it is looked through again.
const PAUSE: Duration = Duration::seconds(30);
/// How many keys are looked through in one transaction.
const KEYS_PER_STEP: i64 = 100;

/// Which warning of a key is due: the last one of its kinds that it is near enough to its end for, in
/// days. Those before are left to it.
pub(super) fn due_warning(key: &ApiKey, now: Moment) -> Option<i64> {
    let end = key.expires_at?;
    let is_due = |days: &i64| {
        end <= now + Duration::days(*days) && is_warned_of(end - key.created_at, *days)
    };
    DAYS_AHEAD.into_iter().rev().find(is_due)
}

impl Bitting {
    /// Looks through some of the keys that are about to expire, and stores the messages about them.
    /// Returns whether there are more.
    ///
    /// # Errors
    /// When the database fails; the step is done another time.
    pub fn warn_of_expiring_keys(&self) -> store::Result<bool> {
        if self.warnings.channels.is_empty() {
            return Ok(false);
        }
        // While the clock is suspiciously far ahead, the time that is remembered: nobody is warned
        // again of what was looked through too early.
        let now = self.time.believed();
        let (this, last) =
            (now.timestamp_millis(), self.warnings.looked_at.load(Ordering::Relaxed));
        if last <= this && this < last + PAUSE.num_milliseconds() {
            return Ok(false);
        }
        if self.too_many_wait()? {
            return Ok(false);
        }
        for days in DAYS_AHEAD {
            if self.warn_ahead(days, now)? {
                return Ok(true);
            }
        }
        self.warnings.looked_at.store(this, Ordering::Relaxed);
        Ok(false)
    }

    /// Counts what the metrics say of warnings.
    ///
    /// # Errors
    /// When the database fails; the figures stay as they were.
    pub fn count_warnings(&self) -> store::Result<()> {
        let now = self.time.now();
        let (expiring, waiting) = self.background.read(|connection| {
            let expiring = expiring::count(connection, now, now + SOON)?;
            store::Result::Ok((expiring, notifications::count_waiting(connection)?))
        })?;
        self.warnings.expiring.store(expiring.unsigned_abs(), Ordering::Relaxed);
        self.warnings.waiting.store(waiting.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }

    /// Has a key whose end has been brought forward looked at again, wherever the looks have come to: what
    /// was told already is not told again.
    pub(in crate::domain) fn look_again_at(
        connection: &mut AnyConnection,
        key: &ApiKey,
        now: Moment,
    ) -> store::Result<()> {
        let Some(expires_at) = key.expires_at else { return Ok(()) };
        let Some(days) = due_warning(key, now) else { return Ok(()) };
        expiring::step_back(connection, days, ScanPosition { expires_at, key: key.number })
    }

    fn warn_ahead(&self, days: i64, now: Moment) -> store::Result<bool> {
        let nearest = ScanPosition { expires_at: now, key: KeyNumber(u32::MAX) };
        let until = now + Duration::days(days);
        let look = |connection: &mut AnyConnection| {
            let from = expiring::position(connection, days)?;
            let start = if from.expires_at > nearest.expires_at { from } else { nearest };
            expiring::after(connection, start, until, KEYS_PER_STEP)
        };
        // Mostly there is nothing, and nothing to be written.
        if self.background.snapshot(look)?.is_empty() {
            return Ok(false);
        }
        self.background.write(|connection| {
            // No end is brought forward between the look and the new position.
            AdvisoryLock::Keys.acquire(connection)?;
            let keys = look(connection)?;
            let Some(last) = keys.last() else { return Ok(false) };
            let to =
                ScanPosition { expires_at: last.expires_at.unwrap_or(until), key: last.number };
            expiring::advance(connection, days, to)?;
            let more = keys.len() as i64 == KEYS_PER_STEP;
            for key in &keys {
                if due_warning(key, now) == Some(days) {
                    let warning = Warning::key_expiring(key, days, now);
                    self.store_messages(connection, &warning)?;
                }
            }
            Ok(more)
        })
    }
}

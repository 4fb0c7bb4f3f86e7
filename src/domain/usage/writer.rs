//! Bringing counts to the database, and moving old ones on: what runs in the background.

use std::sync::atomic::Ordering;

use chrono::Duration;

use super::meter::Batch;
use crate::domain::Bitting;
use crate::domain::feed_reader::look_for;
use crate::model::usage::{Hour, Minute};
use crate::store;
use crate::store::database::high_water;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::feed::Bookmark;
use crate::store::keys::{errors, summaries};
use crate::store::usage::{addresses, journal, rollup};
use crate::store::{tokens, usage};

/// How long after its end an hour is rolled up: then few counts come late.
const GRACE: Duration = Duration::minutes(2);
/// How long minute rows are kept: a little longer than the 24-hour window needs them.
const MINUTES_KEPT: Duration = Duration::hours(26);
/// How long hour rows are kept: a little longer than the 30-day window needs them.
const HOURS_KEPT: Duration = Duration::days(31);

/// How many counters the journal holds before it is folded: more would be slow to read for a list
/// of many keys.
const LONG_JOURNAL: usize = 100_000;
/// How long a short journal goes unfolded: whoever reads a key's figures reads all of its batches.
const JOURNAL_KEPT: std::time::Duration = std::time::Duration::from_secs(2);

impl Bitting {
    /// Writes what has been counted, exactly once. Returns whether there was anything to write.
    ///
    /// # Errors
    /// When the database fails; the counts are kept for the next time.
    pub fn flush_usage(&self) -> store::Result<bool> {
        let _one_at_a_time = self.flushes.lock();
        let frozen = self.meter.freeze(|| self.feed.bookmarks());
        let Some((batch, bookmarks)) = frozen else { return Ok(false) };
        let began = self.time.uptime();
        let result =
            self.background.write(|connection| self.write_batch(connection, &batch, &bookmarks));
        // A database that was set back takes what is written as soon as it has been read.
        if !matches!(result, Err(store::Error::SetBack)) {
            self.flushes.note(self.time.uptime().saturating_sub(began), result.is_ok());
        }
        result?;
        self.flushes.journaled.fetch_add(batch.counts.len(), Ordering::Relaxed);
        self.meter.written(batch.sequence);
        let now = self.gate.now();
        self.warnings.note(&batch.counts, now.at.moment());
        self.gate.index.limiter.note_written(&batch.counts, now.uptime);
        Ok(true)
    }

    fn write_batch(
        &self,
        connection: &mut store::AnyConnection,
        batch: &Batch,
        bookmarks: &[Bookmark],
    ) -> store::Result<()> {
        let now = self.time.now();
        if !usage::raise_mark(connection, self.meter.process(), batch.sequence, now)? {
            // The earlier attempt, whose outcome was unknown, had been committed.
            return Ok(());
        }
        // In a database that was set back, row numbers may be other keys' by now. Asked after the
        // mark, whose row is waited for while it is being set back.
        let look = look_for(connection, bookmarks)?;
        if !look.is_for_this_program() {
            return Err(store::Error::TooOld);
        }
        if !look.holds(bookmarks) {
            return Err(store::Error::SetBack);
        }
        journal::append(connection, self.meter.process(), batch.sequence, &batch.counts)?;
        addresses::note(connection, &batch.sources)?;
        errors::note(connection, &batch.errors)?;
        for (token, at) in &batch.tokens {
            tokens::set_last_used(connection, *token, *at)?;
        }
        high_water::raise_high_water(connection, self.time.high_water())
    }

    /// Whether it is time to fold the journal: it has grown long, or was left alone for long.
    pub fn is_journal_due(&self, left_alone: std::time::Duration) -> bool {
        let noted = self.flushes.journaled.load(Ordering::Relaxed);
        noted >= LONG_JOURNAL || (noted > 0 && left_alone >= JOURNAL_KEPT)
    }

    /// Moves everything from the journal into the usage rows, whichever process wrote it.
    ///
    /// # Errors
    /// When the database fails; it is all still in the journal then.
    pub fn fold_journal(&self) -> store::Result<()> {
        self.background.write(|connection| {
            AdvisoryLock::Usage.acquire(connection)?;
            let counts = journal::fold(connection)?;
            summaries::add_late(connection, &counts)
        })?;
        self.flushes.journaled.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Does one small step of the roll-up. Returns whether there is more to do.
    ///
    /// # Errors
    /// When the database fails; the step is done another time.
    pub fn roll_up(&self) -> store::Result<bool> {
        // While the clock is suspiciously far ahead, the time that is remembered: what is aged too
        // early leaves the windows for good.
        let now = self.time.believed();
        let hour = |at| Minute::of(at).hour();
        let (end, oldest): (Hour, Hour) = (hour(now - GRACE), hour(now - HOURS_KEPT));
        let more = self.background.write(|connection| {
            AdvisoryLock::Usage.acquire(connection)?;
            let position = usage::position(connection)?;
            rollup::step(connection, position, end, oldest)
        })?;
        if more {
            return Ok(true);
        }
        self.background.write(|connection| {
            AdvisoryLock::Usage.acquire(connection)?;
            let position = usage::position(connection)?;
            usage::forget_marks(connection, now - HOURS_KEPT)?;
            rollup::drop_minute(connection, position, Minute::of(now - MINUTES_KEPT))
        })
    }

    /// Remembers the highest time seen, so that it outlives the process.
    pub fn save_high_water(&self) -> store::Result<()> {
        let high_water = self.time.high_water();
        let saved = self
            .background
            .write(|connection| high_water::raise_high_water(connection, high_water));
        self.flushes.failing.store(saved.is_err(), Ordering::Relaxed);
        saved
    }

    /// Checks whether the database may be written at all. Nothing else would tell while there is
    /// nothing to write, or while a file that was opened before is still in use.
    ///
    /// # Errors
    /// When this user may not write its files.
    pub fn check_writable(&self) -> store::Result<()> {
        let may = self.database.check_writable();
        self.flushes.denied.store(may.is_err(), Ordering::Relaxed);
        may
    }
}

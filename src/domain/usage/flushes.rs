//! How writing the counts has gone, for readiness and metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use chrono::NaiveDate;
use parking_lot::{Mutex, MutexGuard};

use crate::store::usage::OthersMarks;

/// How writing the counts has gone so far, for readiness and metrics.
#[derive(Debug, Default)]
pub struct Flushes {
    written: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
    /// How many counters were written to the journal since it was last folded.
    pub(super) journaled: AtomicUsize,
    /// Held while counts are written, or while what is written is read for the limits: what is this
    /// server's own must be known to be. It knows what others had written when that was last read.
    turn: Mutex<Option<WrittenByOthers>>,
    /// Whether the last write failed.
    pub(super) failing: AtomicBool,
    /// Whether this user may not write the database's file any longer.
    pub(super) denied: AtomicBool,
}

/// What other servers had written, as of some day: limits begin anew with one.
pub(super) type WrittenByOthers = (OthersMarks, NaiveDate);

impl Flushes {
    /// Lets one thread write counts or read them for the limits.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<WrittenByOthers>> {
        self.turn.lock()
    }

    pub(super) fn note(&self, took: std::time::Duration, successful: bool) {
        self.failing.store(!successful, Ordering::Relaxed);
        if successful {
            let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
            self.written.fetch_add(1, Ordering::Relaxed);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether counts can be written, as far as is known.
    pub fn are_taken(&self) -> bool {
        !self.failing.load(Ordering::Relaxed) && !self.denied.load(Ordering::Relaxed)
    }

    /// How many batches were written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How often writing a batch failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The seconds spent on the batches that were written.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9
    }
}

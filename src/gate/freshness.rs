//! How recent the index is, and who waits for the next read. The reading itself is not done
//! here, where no database is known.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// The database could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// When the change feed was last read into the index, and who waits for the next read.
pub struct Freshness {
    max_staleness: Duration,
    /// How many reads have begun.
    begun: AtomicU64,
    /// How many reads have failed.
    failed: AtomicU64,
    /// Uptime at which the last successful read began, in nanoseconds; 0 before the first.
    fresh_at: AtomicU64,
    /// How long the last successful read took, in nanoseconds.
    took: AtomicU64,
    ended: watch::Sender<Ended>,
    wanted: Mutex<bool>,
    wake: Condvar,
    closed: AtomicBool,
}

/// The last read that ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    number: u64,
    successful: bool,
}

impl Freshness {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self {
            max_staleness,
            begun: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            fresh_at: AtomicU64::new(0),
            took: AtomicU64::new(0),
            ended: watch::Sender::new(Ended { number: 0, successful: true }),
            wanted: Mutex::new(false),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// How old what is known may be for keys to be accepted by it.
    pub fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Whether the index is recent enough to accept a key by it.
    pub fn is_fresh(&self, uptime: Duration) -> bool {
        let fresh_at = Duration::from_nanos(self.fresh_at.load(Ordering::Acquire));
        !self.closed.load(Ordering::Acquire)
            && !fresh_at.is_zero()
            && uptime.saturating_sub(fresh_at) <= self.max_staleness
    }

    /// Records that a read begins; returns its number.
    pub fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Records that a read has ended: successfully, if `took` says how long it took.
    pub fn end(&self, number: u64, began: Duration, took: Option<Duration>) {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(took) = took {
            self.took.store(nanoseconds(took), Ordering::Relaxed);
            self.fresh_at.store(nanoseconds(began).max(1), Ordering::Release);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if !self.closed.load(Ordering::Acquire) {
            self.ended.send_replace(Ended { number, successful: took.is_some() });
        }
    }

    /// Accepts no key any more: nobody reads from now on, and a read under way changes nothing.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ended.send_replace(Ended { number: u64::MAX, successful: false });
    }

    /// How many reads have begun so far.
    pub fn reads(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// How many reads have failed so far.
    pub fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How long ago the last successful read began; since the machine started, before the first.
    pub fn age(&self, uptime: Duration) -> Duration {
        uptime.saturating_sub(Duration::from_nanos(self.fresh_at.load(Ordering::Acquire)))
    }

    /// How long the last successful read took.
    pub fn last_read_took(&self) -> Duration {
        Duration::from_nanos(self.took.load(Ordering::Relaxed))
    }

    /// Waits for a read that begins after this call; all who wait meanwhile share it.
    ///
    /// # Errors
    /// [`Unavailable`] when that read fails, or takes longer than the staleness bound.
    pub async fn next_read(&self) -> Result<(), Unavailable> {
        let target = self.begun.load(Ordering::SeqCst) + 1;
        let mut ended = self.ended.subscribe();
        *self.wanted.lock() = true;
        self.wake.notify_one();
        let wait = ended.wait_for(|ended| ended.number >= target);
        match tokio::time::timeout(self.max_staleness, wait).await {
            Ok(Ok(ended)) if ended.successful => Ok(()),
            _ => Err(Unavailable),
        }
    }

    /// Blocks until somebody waits for a read, or the time has passed.
    pub fn wait(&self, longest: Duration) {
        let mut wanted = self.wanted.lock();
        self.wake.wait_while_for(&mut wanted, |wanted| !*wanted, longest);
        *wanted = false;
    }

    /// Wakes who is blocked in [`Self::wait`].
    pub fn wake(&self) {
        *self.wanted.lock() = true;
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fresh_before_the_first_read_or_after_the_bound() {
        let freshness = Freshness::new(Duration::from_secs(5));
        assert!(!freshness.is_fresh(Duration::from_secs(1)));
        freshness.fresh_at.store(Duration::from_secs(100).as_nanos() as u64, Ordering::Release);
        assert!(freshness.is_fresh(Duration::from_secs(105)));
        assert!(!freshness.is_fresh(Duration::from_millis(105_001)));
    }
}

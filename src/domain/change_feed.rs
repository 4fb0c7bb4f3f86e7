//! Keeping the index up to date: reading what was changed since the last time.
//!
//! Every change of a key or token carries the id of its audit event as its revision, and revisions
//! rise in the order of the commits; so "all with a greater revision" is the whole feed, for other
//! processes, for the command line and for the first load alike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Bitting;
use super::key_index::KeyChange;
use crate::store::connection::Session;
use crate::store::{self, keys, tokens};

/// Rows read at once.
const ROWS_PER_READ: i64 = 10_000;

/// The database could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfReach;

/// The state of reading the feed.
pub struct ChangeFeed {
    max_staleness: Duration,
    reader: Mutex<Reader>,
    /// Reads begun so far.
    begun: AtomicU64,
    /// Reads failed so far.
    failed: AtomicU64,
    /// Uptime at which the last successful read began, in nanoseconds; 0 before the first.
    fresh_at: AtomicU64,
    /// How long it took, in nanoseconds.
    took: AtomicU64,
    ended: watch::Sender<Ended>,
    wanted: Mutex<bool>,
    wake: Condvar,
}

struct Reader {
    session: Option<Session>,
    keys: i64,
    tokens: i64,
}

/// The last read that ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    number: u64,
    successful: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChangeFeed {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self {
            max_staleness,
            reader: Mutex::new(Reader { session: None, keys: 0, tokens: 0 }),
            begun: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            fresh_at: AtomicU64::new(0),
            took: AtomicU64::new(0),
            ended: watch::Sender::new(Ended { number: 0, successful: true }),
            wanted: Mutex::new(false),
            wake: Condvar::new(),
        }
    }

    /// Whether the index is recent enough to accept a key by it.
    pub fn is_fresh(&self, uptime: Duration) -> bool {
        let fresh_at = Duration::from_nanos(self.fresh_at.load(Ordering::Acquire));
        !fresh_at.is_zero() && uptime.saturating_sub(fresh_at) <= self.max_staleness
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
    /// [`OutOfReach`] when that read fails, or takes longer than the staleness bound.
    pub async fn next_read(&self) -> Result<(), OutOfReach> {
        let target = self.begun.load(Ordering::SeqCst) + 1;
        let mut ended = self.ended.subscribe();
        *lock(&self.wanted) = true;
        self.wake.notify_one();
        let wait = ended.wait_for(|ended| ended.number >= target);
        match tokio::time::timeout(self.max_staleness, wait).await {
            Ok(Ok(ended)) if ended.successful => Ok(()),
            _ => Err(OutOfReach),
        }
    }

    /// Blocks until somebody waits for a read, or the time has passed.
    pub fn wait(&self, longest: Duration) {
        let wanted = lock(&self.wanted);
        let waited = self.wake.wait_timeout_while(wanted, longest, |wanted| !*wanted);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Wakes who is blocked in [`Self::wait`].
    pub fn wake(&self) {
        *lock(&self.wanted) = true;
        self.wake.notify_one();
    }
}

impl Bitting {
    /// Reads the feed once, up to its end, and takes in what has changed.
    ///
    /// # Errors
    /// When the database fails; what was read before that is taken in.
    pub fn read_feed(&self) -> store::Result<()> {
        let feed = &self.feed;
        let mut reader = lock(&feed.reader);
        let number = feed.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let began = self.time.uptime();
        let result = self.read_to_the_end(&mut reader);
        if result.is_ok() {
            let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            feed.took.store(nanoseconds(self.time.uptime() - began), Ordering::Relaxed);
            feed.fresh_at.store(nanoseconds(began).max(1), Ordering::Release);
        } else {
            feed.failed.fetch_add(1, Ordering::Relaxed);
            reader.session = None;
        }
        feed.ended.send_replace(Ended { number, successful: result.is_ok() });
        result
    }

    fn read_to_the_end(&self, reader: &mut Reader) -> store::Result<()> {
        self.database.check_file()?;
        let Reader { session, keys: last_key, tokens: last_token } = reader;
        let session = match session {
            Some(session) => session,
            none => none.insert(self.database.dedicated()?),
        };
        for token in session.read(|connection| tokens::changed_since(connection, *last_token))? {
            *last_token = token.revision;
            self.index.apply(token.digest, &token);
        }
        if *last_key == 0 {
            self.index.reserve(session.read(keys::count)?);
        }
        std::thread::scope(|scope| {
            loop {
                let changes = session
                    .read(|connection| keys::changed_since(connection, *last_key, ROWS_PER_READ))?;
                *last_key = changes.last().map_or(*last_key, |last| last.revision);
                if (changes.len() as i64) < ROWS_PER_READ {
                    self.take_in(&changes);
                    return Ok(());
                }
                // There are more, which are read meanwhile.
                scope.spawn(move || self.take_in(&changes));
            }
        })
    }

    fn take_in(&self, changes: &[KeyChange]) {
        changes.iter().for_each(|change| self.index.apply(change.digest, change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fresh_before_the_first_read_or_after_the_bound() {
        let feed = ChangeFeed::new(Duration::from_secs(5));
        assert!(!feed.is_fresh(Duration::from_secs(1)));
        feed.fresh_at.store(Duration::from_secs(100).as_nanos() as u64, Ordering::Release);
        assert!(feed.is_fresh(Duration::from_secs(105)));
        assert!(!feed.is_fresh(Duration::from_millis(105_001)));
    }
}

//! How recent the index is, who waits for it to be read anew, and by what the next read will know
//! that it reads the same database. The reading itself is in `feed_reader`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::store::database::connection::Session;
use crate::store::feed::Bookmark;

/// An event that was written here belongs to a transaction that was undone when it is not known to be
/// committed after this time.
const LONGEST_WRITE: Duration = Duration::from_secs(60);

/// The database could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// The state of reading the feed.
pub struct ChangeFeed {
    max_staleness: Duration,
    pub(super) reader: Mutex<Reader>,
    bookmarks: Mutex<Bookmarks>,
    /// Whether the database's file was gone at the last read.
    pub(super) file_lost: AtomicBool,
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

/// Who reads, and up to where it has read.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) session: Option<Session>,
    pub(super) position: Position,
}

/// The greatest revisions that were read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Position {
    pub(super) keys: i64,
    pub(super) tokens: i64,
}

impl Position {
    /// The last event that was read.
    pub(super) fn event(self) -> i64 {
        self.keys.max(self.tokens)
    }
}

/// Events that the database must still hold: if one is gone, or is another, the database was set
/// back.
#[derive(Default)]
struct Bookmarks {
    /// The last one that was read.
    read: Option<Bookmark>,
    /// Those that were written here and have not been seen by a read.
    written: BTreeMap<i64, Written>,
}

struct Written {
    bookmark: Bookmark,
    committed: bool,
    /// Uptime at which it was written.
    at: Duration,
}

/// The last read that ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    number: u64,
    successful: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChangeFeed {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self {
            max_staleness,
            reader: Mutex::default(),
            bookmarks: Mutex::default(),
            file_lost: AtomicBool::new(false),
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

    /// Whether a load balancer may send requests here: the index is recent enough, and nobody has
    /// taken the database's file away.
    pub fn is_ready(&self, uptime: Duration) -> bool {
        self.is_fresh(uptime) && !self.file_lost.load(Ordering::Acquire)
    }

    /// Notes an event of a key or token that is about to be committed here.
    pub(super) fn announce(&self, bookmark: Bookmark, uptime: Duration) {
        let written = Written { bookmark, committed: false, at: uptime };
        lock(&self.bookmarks).written.insert(written.bookmark.id, written);
    }

    /// Notes that it was committed. To be called before anybody can know the change by the index.
    pub(super) fn committed(&self, event: i64) {
        if let Some(written) = lock(&self.bookmarks).written.get_mut(&event) {
            written.committed = true;
        }
    }

    /// What the database must still hold.
    pub(super) fn bookmarks(&self) -> Vec<Bookmark> {
        let bookmarks = lock(&self.bookmarks);
        let written = bookmarks.written.values().filter(|written| written.committed);
        bookmarks.read.iter().chain(written.map(|written| &written.bookmark)).cloned().collect()
    }

    /// Notes how far the database was read, after it was asked for some bookmarks; whatever it said
    /// of them counts from now on.
    pub(super) fn turn_to(&self, read: Option<Bookmark>, asked: &[Bookmark], uptime: Duration) {
        let mut bookmarks = lock(&self.bookmarks);
        bookmarks.read = read.or(bookmarks.read.take());
        bookmarks.written.retain(|_, written| match written.committed {
            true => !asked.contains(&written.bookmark),
            false => uptime.saturating_sub(written.at) <= LONGEST_WRITE,
        });
    }

    /// A read begins; returns its number.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A read has ended, well if it is said how long it took since it began.
    pub(super) fn end(&self, number: u64, began: Duration, took: Option<Duration>) {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(took) = took {
            self.took.store(nanoseconds(took), Ordering::Relaxed);
            self.fresh_at.store(nanoseconds(began).max(1), Ordering::Release);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.ended.send_replace(Ended { number, successful: took.is_some() });
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
        *lock(&self.wanted) = true;
        self.wake.notify_one();
        let wait = ended.wait_for(|ended| ended.number >= target);
        match tokio::time::timeout(self.max_staleness, wait).await {
            Ok(Ok(ended)) if ended.successful => Ok(()),
            _ => Err(Unavailable),
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

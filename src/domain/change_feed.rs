//! How far the feed of changes has been read, and by what the next read will know that it reads the
//! same database. The reading itself is in `feed_reader`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::store::database::connection::Session;
use crate::store::feed::Bookmark;

/// An event that was written here belongs to a transaction that was undone when it is not known to be
/// committed after this time.
const LONGEST_WRITE: Duration = Duration::from_secs(60);

/// Up to where the feed was read, and what was written in the meantime.
#[derive(Default)]
pub struct ChangeFeed {
    pub(super) reader: Mutex<Reader>,
    bookmarks: Mutex<Bookmarks>,
    /// Whether the database's file was gone at the last read.
    pub(super) file_lost: AtomicBool,
}

/// The one reader's state: up to where it has read.
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
    pub(super) connections: i64,
}

impl Position {
    /// The last event that was read.
    pub(super) fn event(self) -> i64 {
        self.keys.max(self.tokens).max(self.connections)
    }
}

/// Events that the database must still hold: if one is gone, or is another, the database was set
/// back.
#[derive(Default)]
struct Bookmarks {
    /// The last event that was read.
    read: Option<Bookmark>,
    /// Events that this process wrote and no read has seen yet.
    written: BTreeMap<i64, OwnEvent>,
}

/// An event that this process wrote.
struct OwnEvent {
    bookmark: Bookmark,
    committed: bool,
    /// The uptime at which the event was written.
    at: Duration,
}

impl ChangeFeed {
    /// Whether the database's file was gone at the last read.
    pub(super) fn has_lost_its_file(&self) -> bool {
        self.file_lost.load(Ordering::Acquire)
    }

    /// Records an event of a key or token that this process is about to commit.
    pub(super) fn announce(&self, bookmark: Bookmark, uptime: Duration) {
        let written = OwnEvent { bookmark, committed: false, at: uptime };
        self.bookmarks.lock().written.insert(written.bookmark.id, written);
    }

    /// Records that an announced event was committed. To be called before the change is in the
    /// index.
    pub(super) fn committed(&self, event: i64) {
        if let Some(written) = self.bookmarks.lock().written.get_mut(&event) {
            written.committed = true;
        }
    }

    /// The events that the database must still hold.
    pub(super) fn bookmarks(&self) -> Vec<Bookmark> {
        let bookmarks = self.bookmarks.lock();
        let written = bookmarks.written.values().filter(|written| written.committed);
        bookmarks.read.iter().chain(written.map(|written| &written.bookmark)).cloned().collect()
    }

    /// Moves the bookmarks on after a read that asked for some of them.
    pub(super) fn turn_to(&self, read: Option<Bookmark>, asked: &[Bookmark], uptime: Duration) {
        let mut bookmarks = self.bookmarks.lock();
        bookmarks.read = read.or(bookmarks.read.take());
        bookmarks.written.retain(|_, written| match written.committed {
            true => !asked.contains(&written.bookmark),
            false => uptime.saturating_sub(written.at) <= LONGEST_WRITE,
        });
    }
}

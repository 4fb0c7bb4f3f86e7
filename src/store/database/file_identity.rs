//! Whether the SQLite file is still the one that was opened.
//!
//! An open connection goes on working on a file that has been deleted or replaced: keys would be
//! accepted by a database that nobody can change any longer, and what is written would be lost.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::store::error::{Error, Result};

/// For how many milliseconds it is believed that the file is there: asking costs a read that finds
/// little a twentieth of its time.
const BELIEVED: u64 = 20;

/// A file identified by device and inode, not by its name.
#[derive(Debug, Clone)]
pub(in crate::store) struct FileIdentity {
    path: PathBuf,
    device_and_inode: Option<(u64, u64)>,
    known_since: Instant,
    /// Until when it is believed to be there, in milliseconds after that.
    believed_until: Arc<AtomicU64>,
}

impl FileIdentity {
    /// Identifies the file that has this name now.
    pub(in crate::store) fn of(path: &Path) -> Self {
        let (device_and_inode, known_since) = (look_up(path), Instant::now());
        let believed_until = Arc::default();
        Self { path: path.to_owned(), device_and_inode, known_since, believed_until }
    }

    /// The file's path, as it was given.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the path named another file a moment ago, or none.
    pub(in crate::store) fn check_lately(&self) -> Result<()> {
        let now = self.known_since.elapsed().as_millis() as u64;
        if now >= self.believed_until.load(Ordering::Relaxed) {
            self.check()?;
            self.believed_until.store(now + BELIEVED, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Fails if the path now names another file, or none.
    pub(in crate::store) fn check(&self) -> Result<()> {
        let now = look_up(&self.path);
        if now.is_some() && now == self.device_and_inode {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{}: the file was deleted or replaced while it was in use; put it back, or restart the server to use the one that is there",
            self.path.display()
        )))
    }
}

fn look_up(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

//! Whether the SQLite file is still the one that was opened.
//!
//! An open connection goes on working on a file that has been deleted or replaced: keys would be
//! accepted by a database that nobody can change any longer, and what is written would be lost. So it
//! is with the two files beside it, by which connections find what others have written.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::store::error::{Error, Result};

/// For how many milliseconds it is believed that the file is there: asking costs a read that finds
/// little a twentieth of its time.
const BELIEVED: u64 = 20;

/// What the names of the files beside it end with: the write-ahead log, and its index.
pub(super) const WAL: &str = "-wal";
pub(super) const SHM: &str = "-shm";
const BESIDE: [&str; 2] = [WAL, SHM];

/// The file that a path leads to over symbolic links, beside which SQLite keeps the others.
pub(super) fn behind_links(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The file beside this one whose name ends so.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

type DeviceAndInode = (u64, u64);

/// A file identified by device and inode, not by its name.
#[derive(Debug, Clone)]
pub(in crate::store) struct FileIdentity {
    path: PathBuf,
    behind_links: PathBuf,
    device_and_inode: Option<DeviceAndInode>,
    /// The files beside it, as far as they are known.
    beside: Arc<Mutex<[Option<DeviceAndInode>; BESIDE.len()]>>,
    known_since: Instant,
    /// Until when it is believed to be there, in milliseconds after that.
    believed_until: Arc<AtomicU64>,
}

impl FileIdentity {
    /// Identifies the file that has this name now.
    pub(in crate::store) fn of(path: &Path) -> Self {
        let (device_and_inode, known_since) = (look_up(path), Instant::now());
        let (beside, believed_until) = (Arc::default(), Arc::default());
        Self {
            path: path.to_owned(),
            behind_links: behind_links(path),
            device_and_inode,
            beside,
            known_since,
            believed_until,
        }
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

    /// Fails if the path now names another file, or none, or if one of those beside it is another.
    pub(in crate::store) fn check(&self) -> Result<()> {
        let now = look_up(&self.path);
        if now.is_none() || now != self.device_and_inode {
            return Err(refused(
                &self.path,
                "put it back, or restart the server to use the one that is there",
            ));
        }
        let mut files = self.beside.lock();
        for (ending, known) in BESIDE.iter().zip(files.iter_mut()) {
            let name = beside(&self.behind_links, ending);
            let now = look_up(&name);
            // Whoever closes the last connection deletes both, and the next one makes them anew.
            if known.is_some_and(|known| now != Some(known) && is_open(known)) {
                let remedy =
                    "restart the server before anything else is changed, which would be lost";
                return Err(refused(&name, remedy));
            }
            *known = now;
        }
        Ok(())
    }
}

fn refused(path: &Path, remedy: &str) -> Error {
    let path = path.display();
    Error::Refused(format!(
        "{path}: the file was deleted or replaced while it was in use; {remedy}"
    ))
}

fn look_up(path: &Path) -> Option<DeviceAndInode> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Whether this process has a file open, whatever has become of its name.
fn is_open(file: DeviceAndInode) -> bool {
    let descriptors = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    descriptors.into_iter().any(|descriptor| look_up(&descriptor.path()) == Some(file))
}

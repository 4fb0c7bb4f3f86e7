//! What SQLite's words about a file mean to whoever runs the program, and what to do.

use std::path::Path;

use super::target::Target;
use crate::store::error::Error;

/// A disk with less room takes nothing more that SQLite has to write, in bytes.
const NO_ROOM: u64 = 1 << 20;

/// Turns them into a sentence with a remedy.
pub(super) fn explain(error: Error, target: &Target) -> Error {
    match (error, target) {
        (Error::Statement(why), Target::Sqlite(path)) if has_no_room(&why, path) => {
            Error::Refused(format!(
                "{}: {why}; its disk is full, so make room there: nothing is damaged by that",
                path.display()
            ))
        }
        (Error::Statement(why), Target::Sqlite(path)) => Error::Refused(format!(
            "{}: {why}; check that the file is an undamaged Bitting database that this user may write to, or restore a backup",
            path.display()
        )),
        (error, _) => error,
    }
}

/// Whether a failure is one of a full disk: where the file beside the database cannot be made longer,
/// SQLite only says that reading or writing failed.
fn has_no_room(why: &diesel::result::Error, path: &Path) -> bool {
    let said = why.to_string();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let disk = rustix::fs::statvfs(folder.unwrap_or(Path::new(".")));
    let room = disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    said.contains("disk is full") || (said.contains("disk I/O error") && room < NO_ROOM)
}

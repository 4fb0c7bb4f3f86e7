//! Copying a live SQLite database into a new file.
//!
//! `VACUUM INTO` reads one state of the database and holds up no writer. The copy is made under
//! another name, checked, brought to the disk and only then given its own: whoever finds the file
//! finds all of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::Value;
use uuid::Uuid;

use super::any_connection::AnyConnection;
use super::inspect::Inspection;
use super::migrate;
use super::sqlite_faults;
use super::target::Target;
use crate::model::actor::Origin;
use crate::model::audit::Action;
use crate::model::time::Moment;
use crate::store::audit;
use crate::store::error::{Error, Result};

/// Copies the database to a file that does not exist yet.
///
/// # Errors
/// [`Error::Refused`] with one sentence for people; there is no file of that name then that was not
/// there before.
pub fn copy(target: &Target, to: &Path) -> Result<()> {
    let opened = target.open().and_then(|mut session| {
        migrate::look(&mut session.connection, target)?;
        Ok(session)
    });
    let mut session = opened.map_err(|why| sqlite_faults::explain(why, target))?;
    let AnyConnection::Sqlite(connection) = &mut session.connection else {
        return Err(Error::Refused(format!("{target}: only SQLite databases can be copied")));
    };
    if to.symlink_metadata().is_ok() {
        return Err(exists(to));
    }
    let draft = draft_of(to);
    let made = write(connection, &draft).and_then(|()| publish(&draft, to));
    if made.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    made
}

/// Records in the audit log that the database was copied.
///
/// # Errors
/// When the database cannot be written to.
pub fn note(target: &Target, at: Moment, origin: &Origin, detail: &Value) -> Result<()> {
    let mut session = target.open()?;
    audit::insert(&mut session.connection, at, Action::DatabaseBackedUp, origin, None, detail)?;
    Ok(())
}

fn exists(to: &Path) -> Error {
    Error::Refused(format!(
        "{}: already exists and was left as it is; name another file",
        to.display()
    ))
}

fn draft_of(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".new-{}", Uuid::now_v7().simple()));
    name.into()
}

fn write(connection: &mut SqliteConnection, draft: &Path) -> Result<()> {
    let refused = |why: &dyn std::fmt::Display| {
        Error::Refused(format!("{}: the copy cannot be written: {why}", draft.display()))
    };
    // SQLite fills an empty file; made here, it is nobody else's to read from the beginning.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    made.map_err(|why| refused(&why))?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(draft.to_string_lossy().into_owned())
        .execute(connection)
        .map_err(|why| refused(&why))?;
    let target = Target::Sqlite(draft.to_owned());
    target.open()?.connection.batch_execute("PRAGMA journal_mode = WAL;")?;
    let mut copy = Inspection::open(&target)?;
    copy.look(&target)?;
    if let Some(damage) = copy.damages()?.first() {
        return Err(refused(&format!("it is damaged: {damage}")));
    }
    drop(copy);
    File::open(draft).and_then(|file| file.sync_all()).map_err(|why| refused(&why))
}

/// Gives the copy its name, unless somebody else has taken it meanwhile.
fn publish(draft: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    renameat_with(CWD, draft, CWD, to, RenameFlags::NOREPLACE)
        .map_err(io::Error::from)
        .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(|why| match why.kind() {
            io::ErrorKind::AlreadyExists => exists(to),
            _ => Error::Refused(format!("{}: {why}", to.display())),
        })
}

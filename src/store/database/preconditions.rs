//! What a server cannot work without, as one list: `bitting check` shows what of it is not so, and a
//! database that is opened to be written is refused for the same reasons.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Text};
use rustix::fs::{Access, access};

use super::any_connection::AnyConnection;
use super::file_identity::{SHM, WAL, behind_links, beside};
use super::libpq;
use super::ownership::OUR_SCHEMA;
use super::structure;
use super::target::Target;
use crate::model::finding::{Finding, Verdict};
use crate::store::error::{Error, Result};

/// What keeps this user from writing the SQLite file, if anything does.
///
/// The system is asked by name and nothing is opened: closing a file of SQLite's would drop the
/// locks that this process has on it.
pub fn of_file(path: &Path) -> Option<Finding> {
    let path = &behind_links(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let denied = |place: PathBuf| {
        let why = access(&place, Access::READ_OK | Access::WRITE_OK).err()?;
        Some((place, std::io::Error::from(why)))
    };
    // Whoever closes the file last removes those beside it, also after they were listed here.
    let is_there = |(_, why): &(PathBuf, std::io::Error)| why.kind() != ErrorKind::NotFound;
    let file = files_of(path).into_iter().filter_map(denied).find(is_there);
    let (place, why) = file.or_else(|| denied(folder))?;
    Some(Finding::wrong(
        "permissions",
        format!("this user may not write {}: {why}", place.display()),
        "run as the server's user, or give this user the file, those beside it and their folder \
         (chown); a file system that is mounted read-only must be mounted for writing",
    ))
}

/// The database's files, as far as they are there: SQLite keeps two more beside it while it is open.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let path = behind_links(path);
    let files = ["", WAL, SHM].map(|ending| beside(&path, ending));
    files.into_iter().filter(|file| file.exists()).collect()
}

/// The write-ahead log of a database.
pub fn log_of(path: &Path) -> PathBuf {
    beside(&behind_links(path), WAL)
}

/// What a PostgreSQL server says of itself.
#[derive(Debug, QueryableByName)]
pub struct ServerFacts {
    /// The server's version as a number: 150006 for 15.6.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// The database's encoding.
    #[diesel(sql_type = Text)]
    pub encoding: String,
    /// Which of the settings that keep a committed change through a crash are off.
    #[diesel(sql_type = Text)]
    pub unsafe_settings: String,
    /// The server's clock, in seconds since 1970.
    #[diesel(sql_type = Double)]
    pub clock: f64,
    /// Whether the server is a standby.
    #[diesel(sql_type = Bool)]
    pub standby: bool,
    /// Whether the server refuses every change, as standbys do.
    #[diesel(sql_type = Bool)]
    pub read_only: bool,
    /// Whether commits wait for standbys that this user may not look at.
    #[diesel(sql_type = Bool)]
    pub standbys_unseen: bool,
    /// Whether there is a schema in which tables are looked for and made.
    #[diesel(sql_type = Bool)]
    pub has_schema: bool,
    /// Whether this user may change our tables or, where there are none, make them.
    #[diesel(sql_type = Bool)]
    pub may_write: bool,
}

impl ServerFacts {
    /// Asks a PostgreSQL server for its facts; none on SQLite.
    pub fn of(connection: &mut AnyConnection) -> Result<Option<Self>> {
        let AnyConnection::Postgres(connection) = connection else { return Ok(None) };
        // Nothing changes an event, so that who runs the database may forbid that.
        let tables: Vec<&str> = structure::tables().collect();
        let may_change = format!(
            "(SELECT bool_and(has_table_privilege(oid, 'SELECT') \
             AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'DELETE') \
             AND (has_table_privilege(oid, 'UPDATE') OR relname = 'audit_events')) \
             FROM pg_catalog.pg_class WHERE relnamespace = {OUR_SCHEMA} \
             AND CAST(relname AS TEXT) = ANY(string_to_array('{}', ' ')))",
            tables.join(" ")
        );
        let facts = diesel::sql_query(format!(
            "SELECT CAST(current_setting('server_version_num') AS BIGINT) AS version, \
             current_setting('server_encoding') AS encoding, \
             CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION) AS clock, \
             (SELECT COALESCE(string_agg(name, ', '), '') FROM pg_catalog.pg_settings WHERE \
             name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off') \
             AS unsafe_settings, \
             pg_is_in_recovery() AS standby, \
             current_setting('transaction_read_only') = 'on' AS read_only, \
             current_setting('synchronous_standby_names') <> '' \
             AND NOT pg_has_role('pg_read_all_stats', 'USAGE') AS standbys_unseen, \
             current_schema() IS NOT NULL AS has_schema, \
             COALESCE({may_change}, has_schema_privilege(current_schema(), 'CREATE'), FALSE) \
             AS may_write",
        ))
        .get_result(connection)?;
        Ok(Some(facts))
    }
}

/// What keeps Bitting from working on a PostgreSQL server.
pub fn of_server(server: &ServerFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if server.encoding != "UTF8" {
        findings.push(Finding::wrong(
            "encoding",
            format!("the database is {}", server.encoding),
            "make one with ENCODING 'UTF8' and move the data there with pg_dump",
        ));
    }
    // A standby is no more than a warning for whoever looks, and refused wherever it is connected to
    // for work.
    if server.read_only && !server.standby {
        let [message, remedy] = libpq::NO_CHANGES;
        findings.push(Finding::wrong("writing", message, remedy));
    } else if !server.has_schema {
        findings.push(Finding::wrong(
            "schema",
            "search_path names no schema that there is",
            "make it (CREATE SCHEMA …), or set search_path to one that there is (ALTER ROLE … SET \
             search_path)",
        ));
    } else if !server.may_write && !server.standby {
        let [message, remedy] = libpq::NOT_OWNER;
        findings.push(Finding::wrong("writing", message, remedy));
    }
    findings
}

/// Refuses a database for the first thing that keeps a server from working on it.
///
/// # Errors
/// [`Error::Refused`] in the words of `bitting check`.
pub(in crate::store) fn demand(
    target: &Target,
    unmet: impl IntoIterator<Item = Finding>,
) -> Result<()> {
    let wrong = unmet.into_iter().find(|finding| finding.verdict == Verdict::Wrong);
    let Some(Finding { message, remedy, .. }) = wrong else { return Ok(()) };
    let remedy = remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default();
    Err(Error::Refused(format!("{target}: {message}{remedy}")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_log_that_goes_while_it_is_looked_for_forbids_no_writing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().join("x.db"), folder.path().join("x.db-wal"));
        std::fs::write(&path, "").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::fs::write(&log, "").unwrap();
                    std::fs::remove_file(&log).unwrap();
                }
            });
            let found = (0..20_000).find_map(|_| of_file(&path));
            done.store(true, Ordering::Relaxed);
            assert!(found.is_none(), "{found:?}");
        });
        assert!(of_file(&folder.path().join("missing").join("x.db")).is_some());
    }
}

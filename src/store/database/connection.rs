//! Opening connections, in the pools and outside them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable};

use super::any_connection::AnyConnection;
use super::libpq;
use super::lifeline;
use super::lifeline::{Lifeline, Lifelines};
use super::parameters;
use super::standby;
use super::standby::Kind;
use super::target::Target;
use crate::store::error::{Error, Result};

/// How long to wait for a connection, and for SQLite's write lock: together under 5 s, after
/// which a client is told to come back.
pub(super) const PATIENCE: Duration = Duration::from_millis(2300);
/// How long what follows on connecting may take.
const SETTING_UP: Duration = Duration::from_secs(3);
/// How long a connection that was idle may take to show that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_millis(1500);

/// How long PostgreSQL lets a statement run, and a transaction wait for its next one; there is no other
/// limit to waiting for a lock. Each transaction says so itself: a pooler may run it on a connection that
/// nobody has set up.
const LIMITED: &str = "SET LOCAL statement_timeout = 4000; SET LOCAL lock_timeout = 0; \
                       SET LOCAL idle_in_transaction_session_timeout = 10000";
/// For what takes its time: migrating a database, looking it over, mending it.
const UNLIMITED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                         SET LOCAL idle_in_transaction_session_timeout = 0";

/// A pooled connection. One that was left inside a transaction is thrown away.
pub struct Session {
    /// None on SQLite. Dropped before the connection, whose socket it may shut.
    line: Option<Arc<Lifeline>>,
    pub(in crate::store) connection: AnyConnection,
    pub(in crate::store) in_transaction: bool,
    /// Whether the connection broke while a transaction was being committed.
    pub(super) unsure: bool,
    /// What sets the limits of a transaction on PostgreSQL.
    pub(super) limits: &'static str,
    /// Whether the limits hold outside of transactions too: on a connection of PostgreSQL's own, and not
    /// of a pooler's.
    pub(super) is_limited: bool,
    /// Which of the database's states it was opened in ([`super::pool::Database::renew`]).
    era: u64,
    /// Dropped after the connection: its clones are the connections that are open.
    _open: Arc<()>,
    /// Likewise, of the connections that a server keeps.
    _kept: Option<Arc<()>>,
}

/// What all connections to one database have in common.
#[derive(Debug, Default)]
pub(in crate::store) struct Shared {
    /// How often the database was set back, which makes older connections unusable.
    pub(super) era: AtomicU64,
    kept: Arc<()>,
    pub(super) lines: Lifelines,
    /// Whether a newer program has made the database unfit for this one.
    pub(super) no_writing: AtomicBool,
    /// How many connections are kept, or opened again before any other.
    pub(super) to_keep: AtomicUsize,
    /// Whether there was any connection.
    pub(super) was_opened: AtomicBool,
}

impl Shared {
    fn are_kept(&self) -> bool {
        Arc::strong_count(&self.kept) > self.to_keep.load(Ordering::Acquire)
    }
}

/// Opens connections to one target.
#[derive(Debug, Clone)]
pub(in crate::store) struct Connector {
    target: Target,
    shared: Arc<Shared>,
    /// Its clones are the connections that are open.
    open: Arc<()>,
    /// Whether they are those that a server keeps. While one of these is missing, no other is
    /// opened: where PostgreSQL has few to give, the pools would take the last ones, and a server
    /// that cannot read what changed accepts nothing.
    keeps: bool,
}

impl Connector {
    pub(super) fn new(target: &Target, shared: &Arc<Shared>, open: &Arc<()>, keeps: bool) -> Self {
        Self { target: target.clone(), shared: shared.clone(), open: open.clone(), keeps }
    }

    pub(super) fn open(&self) -> Result<Session> {
        let Shared { era, kept, .. } = &*self.shared;
        if !self.keeps && !self.shared.are_kept() {
            return Err(Error::Away(
                "the connections that read changes and write counts come first".to_owned(),
            ));
        }
        let era = era.load(Ordering::Acquire);
        let (connection, line, is_limited) = match &self.target {
            Target::Sqlite(path) => (AnyConnection::Sqlite(connect_sqlite(path)?), None, true),
            Target::Postgres(url) => {
                let (connection, line, direct) = connect_postgres(url, &self.shared.lines)?;
                (AnyConnection::Postgres(connection), Some(line), direct)
            }
        };
        let (open, kept) = (self.open.clone(), self.keeps.then(|| kept.clone()));
        self.shared.was_opened.store(true, Ordering::Release);
        Ok(Session {
            line,
            connection,
            in_transaction: false,
            unsure: false,
            limits: LIMITED,
            is_limited,
            era,
            _open: open,
            _kept: kept,
        })
    }
}

impl r2d2::ManageConnection for Connector {
    type Connection = Session;
    type Error = Error;

    fn connect(&self) -> Result<Session> {
        self.open()
    }

    fn is_valid(&self, session: &mut Session) -> Result<()> {
        if session.era != self.shared.era.load(Ordering::Acquire) {
            return Err(Error::Refused("opened before the database was set back".to_owned()));
        }
        session.demand(Kind::Writable)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.in_transaction
    }
}

impl Session {
    /// Runs `f`, which uses the connection, as long as this thread may wait for the database.
    ///
    /// # Errors
    /// [`Error::TooSlow`] when it took longer, [`Error::OutcomeUnknown`] when a commit was under way
    /// by then, else those of `f`.
    pub(super) fn guard<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let Some(line) = self.line.clone() else { return f(self) };
        match line.guard(|| f(self)) {
            Err(_) if self.unsure => Err(Error::OutcomeUnknown.into()),
            Err(_) if line.is_cut() => Err(Error::TooSlow.into()),
            result => result,
        }
    }

    /// Has the database set no limit to what follows.
    pub(super) fn take_time(&mut self) {
        (self.limits, self.is_limited) = (UNLIMITED, false);
    }

    /// Fails where the connection leads to no server of this kind, or nowhere any more.
    pub(super) fn demand(&mut self, kind: Kind) -> Result<()> {
        lifeline::within(SIGN_OF_LIFE, || {
            self.guard(|session| match &mut session.connection {
                AnyConnection::Sqlite(_) => Ok(()),
                AnyConnection::Postgres(connection) => standby::refuse(connection, kind),
            })
        })
    }
}

impl Target {
    /// Opens a connection outside the pools, for a command that may take its time.
    pub(in crate::store) fn open(&self) -> Result<Session> {
        let mut session = Connector::new(self, &Arc::default(), &Arc::default(), false).open()?;
        session.take_time();
        Ok(session)
    }

    /// Opens a connection that on SQLite works only while nobody else has the file open.
    pub(in crate::store) fn open_alone(&self) -> Result<Session> {
        let mut session = self.open()?;
        if let AnyConnection::Sqlite(connection) = &mut session.connection {
            connection.batch_execute("PRAGMA locking_mode = EXCLUSIVE;")?;
        }
        Ok(session)
    }

    /// Opens a connection for looking. It does not open an SQLite file read-only: such a connection
    /// leaves its write-ahead log behind.
    pub(in crate::store) fn open_to_look(&self) -> Result<Session> {
        let mut session = self.open()?;
        if let AnyConnection::Sqlite(connection) = &mut session.connection {
            connection.batch_execute("PRAGMA query_only = ON;")?;
        }
        Ok(session)
    }
}

/// Closes an SQLite file once more, which folds its write-ahead log into it unless somebody else has
/// the file open.
pub(super) fn close_again(path: &Path) -> Result<()> {
    // Only who has read the file knows of its log.
    Ok(connect_sqlite(path)?.batch_execute("PRAGMA schema_version")?)
}

/// Opens an existing file; a missing one is not made.
fn connect_sqlite(path: &Path) -> Result<SqliteConnection> {
    let mut connection = SqliteConnection::establish(&sqlite_uri(path, "rw"))
        .map_err(|why| Error::Refused(format!("{}: {why}", path.display())))?;
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;",
        PATIENCE.as_millis()
    ))?;
    crate::store::text::register_unicode_lower(&mut connection)?;
    Ok(connection)
}

/// A file name as an SQLite URI, which alone can say that the file must exist.
pub(in crate::store) fn sqlite_uri(path: &Path, mode: &str) -> String {
    // With two slashes nothing that follows is taken for the name of a host.
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "file:" });
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri.push_str("?mode=");
    uri.push_str(mode);
    uri
}

/// Connects, and says whether nothing lies between this end and the server.
fn connect_postgres(url: &str, lines: &Lifelines) -> Result<(PgConnection, Arc<Lifeline>, bool)> {
    let connect = || PgConnection::establish(&parameters::complete(url));
    let (mut connection, line) = lines.connect(url, connect).map_err(|why| {
        let why = why.to_string();
        let told = format!("{}: {}", Target::Postgres(url.to_owned()), libpq::reason(&why));
        if libpq::may_pass(&why) { Error::Away(told) } else { Error::Refused(told) }
    })?;
    let set_up = || line.guard(|| set_up(&mut connection, line.own_port()));
    let direct = lifeline::within(SETTING_UP, set_up)?;
    Ok((connection, line, direct))
}

/// Prepares a connection for use, also one that a pooler hands out for a transaction at a time, and
/// says whether nothing lies between. `own_port`: this end's, by which the server knows that.
fn set_up(connection: &mut PgConnection, own_port: Option<u16>) -> Result<bool> {
    // By itself: only so does a pooler that allows no transactions get to say so.
    diesel::sql_query("BEGIN").execute(connection)?;
    connection.batch_execute(
        "SET TIME ZONE 'UTC'; SET statement_timeout = 4000; SET lock_timeout = 0; \
         SET idle_in_transaction_session_timeout = 10000; SET application_name = 'bitting'",
    )?;
    // A pooler may send the next transaction elsewhere, where nothing has been prepared.
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    let port = diesel::dsl::sql::<Nullable<Integer>>("inet_client_port()");
    let port: Option<i32> = diesel::select(port).get_result(connection)?;
    let direct = port.is_some() && port == own_port.map(i32::from);
    if direct {
        connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
    }
    connection.batch_execute("COMMIT")?;
    Ok(direct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::preconditions::files_of;

    #[test]
    fn a_log_that_was_left_behind_goes_into_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let [open, left] = ["open.db", "left.db"].map(|name| folder.path().join(name));
        std::fs::write(&open, "").unwrap();
        let mut connection = connect_sqlite(&open).unwrap();
        connection
            .batch_execute(
                "PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (7)",
            )
            .unwrap();
        for file in files_of(&open) {
            let name = file.file_name().unwrap().to_str().unwrap().replace("open", "left");
            std::fs::copy(&file, folder.path().join(name)).unwrap();
        }
        assert_eq!(files_of(&left).len(), 3);
        close_again(&left).unwrap();
        assert_eq!(files_of(&left), std::slice::from_ref(&left));
        connect_sqlite(&left).unwrap().batch_execute("INSERT INTO t VALUES (8)").unwrap();
    }
}

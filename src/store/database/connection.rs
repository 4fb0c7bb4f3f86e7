//! The pools of connections.
//!
//! SQLite has a pool of readers and a single writer, so that writers wait in line instead of
//! polling for the lock. PostgreSQL has one pool for both.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::any_connection::AnyConnection;
use super::file_identity::FileIdentity;
use super::libpq;
use super::preconditions;
use super::standby;
use super::target::Target;
use crate::store::error::{Error, Result};

/// How long to wait for a connection, and for SQLite's write lock: together under 5 s, after
/// which a client is told to come back.
const PATIENCE: Duration = Duration::from_millis(2300);
/// How long the last handle of a database waits for its connections to be closed.
const LONGEST_CLOSING: Duration = Duration::from_secs(1);

/// A pooled connection. One that was left inside a transaction is thrown away.
pub struct Session {
    pub(in crate::store) connection: AnyConnection,
    pub(in crate::store) in_transaction: bool,
    /// Which of the database's states it was opened in ([`Database::renew`]).
    era: u64,
    /// Dropped after the connection: its clones are the connections that are open.
    _open: Arc<()>,
}

/// Opens connections to one target.
#[derive(Debug, Clone)]
struct Connector {
    target: Target,
    era: Arc<AtomicU64>,
    open: Arc<()>,
}

impl r2d2::ManageConnection for Connector {
    type Connection = Session;
    type Error = Error;

    fn connect(&self) -> Result<Session> {
        let era = self.era.load(Ordering::Acquire);
        let connection = match &self.target {
            Target::Sqlite(path) => AnyConnection::Sqlite(connect_sqlite(path)?),
            Target::Postgres(url) => AnyConnection::Postgres(connect_postgres(url)?),
        };
        Ok(Session { connection, in_transaction: false, era, _open: self.open.clone() })
    }

    fn is_valid(&self, session: &mut Session) -> Result<()> {
        if session.era != self.era.load(Ordering::Acquire) {
            return Err(Error::Refused("opened before the database was set back".to_owned()));
        }
        match &mut session.connection {
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(connection) => standby::refuse(connection),
        }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.in_transaction
    }
}

impl Target {
    /// Opens a connection outside the pools.
    pub(in crate::store) fn open(&self) -> Result<Session> {
        let (era, open) = (Arc::default(), Arc::default());
        r2d2::ManageConnection::connect(&Connector { target: self.clone(), era, open })
    }

    /// Opens a connection that on SQLite works only while nobody else has the file open.
    pub(in crate::store) fn open_alone(&self) -> Result<Session> {
        let mut session = self.open()?;
        if let AnyConnection::Sqlite(connection) = &mut session.connection {
            connection.batch_execute("PRAGMA locking_mode = EXCLUSIVE;")?;
        }
        Ok(session)
    }

    /// Opens a connection for looking, which may take its time. It does not open an SQLite file
    /// read-only: such a connection leaves its write-ahead log behind.
    pub(in crate::store) fn open_to_look(&self) -> Result<Session> {
        let mut session = self.open()?;
        session.connection.batch_execute(match self {
            Self::Sqlite(_) => "PRAGMA query_only = ON;",
            Self::Postgres(_) => {
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
            }
        })?;
        Ok(session)
    }
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

fn connect_postgres(url: &str) -> Result<PgConnection> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let mut full = url.to_owned();
    if !url.contains("connect_timeout=") {
        full = format!("{full}{separator}connect_timeout=2&tcp_user_timeout=4000");
    }
    if standby::has_several_hosts(url) && !url.contains("target_session_attrs=") {
        full.push_str("&target_session_attrs=read-write");
    }
    let mut connection = PgConnection::establish(&full).map_err(|why| {
        let why = why.to_string();
        let told = format!("{}: {}", Target::Postgres(url.to_owned()), libpq::reason(&why));
        if libpq::may_pass(&why) { Error::Away(told) } else { Error::Refused(told) }
    })?;
    connection.batch_execute(
        "SET TIME ZONE 'UTC'; SET statement_timeout = 4000; \
         SET idle_in_transaction_session_timeout = 10000; SET application_name = 'bitting';",
    )?;
    Ok(connection)
}

type Pool = r2d2::Pool<Connector>;

fn take(pool: &Pool, waiting: &AtomicUsize) -> Result<r2d2::PooledConnection<Connector>> {
    waiting.fetch_add(1, Ordering::Relaxed);
    let taken = pool.get();
    waiting.fetch_sub(1, Ordering::Relaxed);
    Ok(taken?)
}

/// Logs the pools' errors as log lines of ours.
#[derive(Debug)]
struct LogErrors;

impl r2d2::HandleError<Error> for LogErrors {
    fn handle_error(&self, error: Error) {
        tracing::debug!(%error, "opening a database connection failed");
    }
}

/// The database: where to read and where to write.
#[derive(Clone)]
pub struct Database {
    target: Target,
    file: Option<FileIdentity>,
    readers: Pool,
    writer: Pool,
    /// How many callers wait for a reader, and for the writer.
    waiting: Arc<[AtomicUsize; 2]>,
    /// How often the database was set back, which makes older connections unusable.
    era: Arc<AtomicU64>,
    /// Dropped after the pools.
    _closing: Arc<Closing>,
}

/// Waits, when it is dropped, for the connections of pools that were dropped before. A thread of
/// r2d2's that has opened one may hold its pool a moment longer than whoever used it, and a process
/// that ended in that moment would leave SQLite's write-ahead log behind.
struct Closing {
    open: Arc<()>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        let began = Instant::now();
        while Arc::strong_count(&self.open) > 1 && began.elapsed() < LONGEST_CLOSING {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// How busy a pool is.
#[derive(Debug, Clone, Copy)]
pub struct PoolState {
    /// `readers`, `writer`, or `shared` where one pool is for both.
    pub name: &'static str,
    /// How many connections are in use.
    pub in_use: u32,
    /// How many connections are open and not in use.
    pub idle: u32,
    /// How many callers wait for a connection.
    pub waiting: u32,
}

impl Database {
    /// Makes the pools; connections are opened when they are needed. The database must exist.
    pub fn new(target: Target, connections: u32) -> Self {
        let (era, open) = (Arc::<AtomicU64>::default(), Arc::<()>::default());
        let pool = |size| {
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(0))
                .connection_timeout(PATIENCE)
                .error_handler(Box::new(LogErrors))
                .build_unchecked(Connector {
                    target: target.clone(),
                    era: era.clone(),
                    open: open.clone(),
                })
        };
        let readers = pool(connections);
        let writer = match target {
            Target::Sqlite(_) => pool(1),
            Target::Postgres(_) => readers.clone(),
        };
        let file = match &target {
            Target::Sqlite(path) => Some(FileIdentity::of(path)),
            Target::Postgres(_) => None,
        };
        Self {
            target,
            file,
            readers,
            writer,
            waiting: Arc::default(),
            era,
            _closing: Arc::new(Closing { open }),
        }
    }

    /// How busy the pools are.
    pub fn pools(&self) -> Vec<PoolState> {
        let waiting = [0, 1].map(|place| self.waiting[place].load(Ordering::Relaxed) as u32);
        let state = |name, pool: &Pool, waiting| {
            let r2d2::State { connections, idle_connections: idle, .. } = pool.state();
            PoolState { name, in_use: connections.saturating_sub(idle), idle, waiting }
        };
        match self.target {
            Target::Sqlite(_) => vec![
                state("readers", &self.readers, waiting[0]),
                state("writer", &self.writer, waiting[1]),
            ],
            Target::Postgres(_) => vec![state("shared", &self.readers, waiting[0] + waiting[1])],
        }
    }

    /// Whether the database is still the one that was opened.
    ///
    /// # Errors
    /// When its SQLite file was deleted or replaced.
    pub fn check_file(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), FileIdentity::check)
    }

    /// Whether this user may still write the SQLite file.
    ///
    /// # Errors
    /// When permissions or the file system forbid it.
    pub fn check_writable(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        preconditions::demand(&self.target, preconditions::of_file(file.path()))
    }

    /// Has every pooled connection reopened: the database was set back, and one that was open
    /// before may lead to another server, or remember pages of an SQLite file as they were.
    pub fn renew(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Which database this is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(in crate::store) fn reader(
        &self,
    ) -> Result<r2d2::PooledConnection<impl r2d2::ManageConnection<Connection = Session>>> {
        self.check_file()?;
        take(&self.readers, &self.waiting[0])
    }

    pub(in crate::store) fn writer(
        &self,
    ) -> Result<r2d2::PooledConnection<impl r2d2::ManageConnection<Connection = Session>>> {
        self.check_file()?;
        take(&self.writer, &self.waiting[1])
    }

    /// Opens a connection outside the pools.
    ///
    /// # Errors
    /// When the database cannot be opened, or is a standby.
    pub fn dedicated(&self) -> Result<Session> {
        let mut session = self.target.open()?;
        if let AnyConnection::Postgres(connection) = &mut session.connection {
            standby::refuse(connection)?;
        }
        Ok(session)
    }
}

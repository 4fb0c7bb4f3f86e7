//! One connection type for both databases, chosen by the URL's scheme, and the pools.
//!
//! SQLite has a pool of readers and a single writer, so that writers wait in line instead of
//! polling for the lock. PostgreSQL has one pool for both.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::error::{Error, Result};
use super::file_identity::FileIdentity;
use super::standby;

/// How long to wait for a connection, and for SQLite's write lock: together under 5 s, after
/// which a client is told to come back.
const PATIENCE: Duration = Duration::from_millis(2300);

mod any {
    #![allow(missing_docs, reason = "the derive makes public items without documentation")]

    use diesel::{PgConnection, SqliteConnection};

    /// A connection to either database.
    #[derive(diesel::MultiConnection)]
    pub enum AnyConnection {
        /// The embedded database.
        Sqlite(SqliteConnection),
        /// A PostgreSQL server.
        Postgres(PgConnection),
    }
}
pub use any::AnyConnection;
pub(super) use any::MultiBackend;
pub(super) type AnyRawValue<'a> = <MultiBackend as diesel::backend::Backend>::RawValue<'a>;

/// Writes a statement once for both databases, where diesel cannot go through the enum:
/// `on_either!(connection => statement.execute(connection))`.
macro_rules! on_either {
    ($connection:ident => $body:expr) => {
        match $connection {
            $crate::store::connection::AnyConnection::Sqlite($connection) => $body,
            $crate::store::connection::AnyConnection::Postgres($connection) => $body,
        }
    };
}
pub(super) use on_either;

/// Which database to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A connection URL; it may hold a password.
    Postgres(String),
}

impl FromStr for Target {
    type Err = Error;
    fn from_str(url: &str) -> Result<Self> {
        let refused = |why: &str| Err(Error::Url(format!("database URL: {why}")));
        match url.split_once("://") {
            Some(("sqlite", "" | "/" | ":memory:")) => {
                refused("sqlite:// needs a file name, such as sqlite://bitting.db")
            }
            Some(("sqlite", path)) if path.contains(['?', '#']) => {
                refused("sqlite:// takes a file name without ? or #")
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            _ => refused("must begin with sqlite:// or postgres://"),
        }
    }
}

/// For people: the file, or the server without the password.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
                // A question mark before the @ belongs to an ill-written password.
                let place = if parameters.contains('@') { "…" } else { place };
                let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
                write!(f, "{scheme}://{place}")
            }
        }
    }
}

/// A pooled connection. One that was left inside a transaction is thrown away.
pub struct Session {
    pub(super) connection: AnyConnection,
    pub(super) in_transaction: bool,
    /// Which of the database's states it was opened in ([`Database::renew`]).
    era: u64,
}

/// Opens connections to one target.
#[derive(Debug, Clone)]
struct Connector {
    target: Target,
    era: Arc<AtomicU64>,
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
        Ok(Session { connection, in_transaction: false, era })
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
    /// Opens a connection of one's own.
    pub(super) fn open(&self) -> Result<Session> {
        let era = Arc::default();
        r2d2::ManageConnection::connect(&Connector { target: self.clone(), era })
    }

    /// Opens a connection that on SQLite works only while nobody else has the file open.
    pub(super) fn open_alone(&self) -> Result<Session> {
        let mut session = self.open()?;
        if let AnyConnection::Sqlite(connection) = &mut session.connection {
            connection.batch_execute("PRAGMA locking_mode = EXCLUSIVE;")?;
        }
        Ok(session)
    }

    /// Opens a connection for looking, which may take its time. It does not open an SQLite file
    /// read-only: such a connection leaves its write-ahead log behind.
    pub(super) fn open_to_look(&self) -> Result<Session> {
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
    super::text::teach_letters(&mut connection)?;
    Ok(connection)
}

/// A file name as an SQLite URI, which alone can say that the file must exist.
pub(super) fn sqlite_uri(path: &Path, mode: &str) -> String {
    let mut uri = String::from("file:");
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
        let why = reason(&why.to_string());
        Error::Refused(format!("{}: {why}", Target::Postgres(url.to_owned())))
    })?;
    connection.batch_execute(
        "SET TIME ZONE 'UTC'; SET statement_timeout = 4000; \
         SET idle_in_transaction_session_timeout = 10000; SET application_name = 'bitting';",
    )?;
    Ok(connection)
}

/// What libpq says, on one line. Its words about the URL itself repeat parts of it, among them
/// of the password, and are left out.
fn reason(message: &str) -> String {
    if !message.starts_with("connection to server") {
        return "the server's name is not found, or the URL is not of the form \
                postgres://USER:PASSWORD@HOST:PORT/DATABASE with every other character \
                percent-encoded"
            .to_owned();
    }
    if message.contains("session is read-only") || message.contains("hot standby mode") {
        return standby::refusal().to_string();
    }
    let said = message.rsplit_once(" failed: ").map_or(message, |(_, said)| said);
    said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

type Pool = r2d2::Pool<Connector>;

fn take(pool: &Pool, waiting: &AtomicUsize) -> Result<r2d2::PooledConnection<Connector>> {
    waiting.fetch_add(1, Ordering::Relaxed);
    let taken = pool.get();
    waiting.fetch_sub(1, Ordering::Relaxed);
    Ok(taken?)
}

/// Says what the pools say, as our own log lines.
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
    /// Who waits for a reader, and for the writer.
    waiting: Arc<[AtomicUsize; 2]>,
    /// How often it was set back.
    era: Arc<AtomicU64>,
}

/// How busy a pool is.
#[derive(Debug, Clone, Copy)]
pub struct PoolState {
    /// `readers`, `writer`, or `shared` where one pool is for both.
    pub name: &'static str,
    /// Connections in use.
    pub in_use: u32,
    /// Connections open and not in use.
    pub idle: u32,
    /// Who waits for one.
    pub waiting: u32,
}

impl Database {
    /// Makes the pools; connections are opened when they are needed. The database must exist.
    pub fn new(target: Target, connections: u32) -> Self {
        let era = Arc::<AtomicU64>::default();
        let pool = |size| {
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(0))
                .connection_timeout(PATIENCE)
                .error_handler(Box::new(LogErrors))
                .build_unchecked(Connector { target: target.clone(), era: era.clone() })
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
        Self { target, file, readers, writer, waiting: Arc::default(), era }
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

    /// Has every pooled connection opened anew: the database was set back, and one that was open
    /// before may lead to another server, or remember pages of an SQLite file as they were.
    pub fn renew(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Which database this is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn reader(
        &self,
    ) -> Result<r2d2::PooledConnection<impl r2d2::ManageConnection<Connection = Session>>> {
        self.check_file()?;
        take(&self.readers, &self.waiting[0])
    }

    pub(super) fn writer(
        &self,
    ) -> Result<r2d2::PooledConnection<impl r2d2::ManageConnection<Connection = Session>>> {
        self.check_file()?;
        take(&self.writer, &self.waiting[1])
    }

    /// A connection of one's own, outside the pools.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_and_a_typo_makes_no_database() {
        assert_eq!("sqlite://a/b.db".parse::<Target>().unwrap(), Target::Sqlite("a/b.db".into()));
        assert!(matches!("postgresql://h/d".parse(), Ok(Target::Postgres(_))));
        for wrong in [
            "bitting.db",
            "sqlite:bitting.db",
            "mysql://h/d",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://a?mode=rw",
            "",
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for (url, shown) in [
            ("postgres://me:pass@word@host:5432/db?password=x", "postgres://host:5432/db"),
            ("postgres://host/db?user=a@b&password=x", "postgres://…"),
            ("postgres://me:pa?s@host/db", "postgres://…"),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().to_string(), shown);
        }
    }
}

//! The pools of connections.
//!
//! SQLite has a pool of readers and a single writer, so that writers wait in line instead of
//! polling for the lock. PostgreSQL has one pool for both, of which writers take a part alone. Beside
//! it a server keeps two connections for good: the change feed's, and one to write counts.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use r2d2::{Pool, PooledConnection};

use super::connection::{Connector, PATIENCE, Session, Shared, close_again};
use super::file_identity::FileIdentity;
use super::lifeline;
use super::permits::{Permit, Permits};
use super::preconditions;
use super::standby::Kind;
use super::target::Target;
use crate::store::error::{Error, Result};

/// Connections to read an SQLite file with.
const SQLITE_READERS: u32 = 8;
/// Those that a server keeps: the change feed's, and one to write counts.
const KEPT: u32 = 2;
/// How often it is looked for connections that are waited for too long.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Connections that writers leave to readers, however long a commit takes.
const FOR_READERS: u32 = 2;
/// How long a connection of the pool is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(10);
/// How long the last handle of a database waits for its connections to be closed.
const LONGEST_CLOSING: Duration = Duration::from_secs(1);

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
    readers: Pool<Connector>,
    writer: Pool<Connector>,
    /// How many may write at once.
    writing: Arc<Permits>,
    /// How many callers wait for a reader, and for the writer.
    waiting: Arc<[AtomicUsize; 2]>,
    shared: Arc<Shared>,
    /// Dropped after the pools.
    closing: Arc<Closing>,
}

/// Waits, when it is dropped, for the connections of pools that were dropped before. A thread of
/// r2d2's that has opened one may hold its pool a moment longer than whoever used it, and a process
/// that ended in that moment would leave SQLite's write-ahead log behind. So would two connections
/// that are closed in one moment, since each finds the other there.
struct Closing {
    open: Arc<()>,
    shared: Arc<Shared>,
    /// The file, of SQLite.
    path: Option<PathBuf>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        let began = Instant::now();
        while Arc::strong_count(&self.open) > 1 && began.elapsed() < LONGEST_CLOSING {
            thread::sleep(Duration::from_millis(1));
        }
        let was_opened = self.shared.was_opened.load(Ordering::Acquire);
        if let Some(path) = &self.path
            && was_opened
            && preconditions::files_of(path).len() > 1
            && let Err(error) = close_again(path)
        {
            tracing::debug!(%error, "the write-ahead log is left for the next start");
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

/// A connection to write with, and the right to.
pub(in crate::store) struct Writer {
    session: PooledConnection<Connector>,
    /// Given back after the connection.
    _permit: Permit,
}

impl Deref for Writer {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Database {
    /// Makes the pools; connections are opened when they are needed. The database must exist.
    /// `connections`: how many there are at most on PostgreSQL, all of a server's included.
    pub fn new(target: Target, connections: u32) -> Self {
        let (shared, open) = (Arc::<Shared>::default(), Arc::<()>::default());
        let of = |size| pool(Connector::new(&target, &shared, &open, false), size, Some(IDLE));
        let pooled = connections.saturating_sub(KEPT).max(1);
        let (readers, writer, writers) = match &target {
            Target::Sqlite(_) => (of(SQLITE_READERS), of(1), 1),
            Target::Postgres(_) => {
                let pool = of(pooled);
                (pool.clone(), pool, pooled.saturating_sub(FOR_READERS).max(1))
            }
        };
        let path = match &target {
            Target::Sqlite(path) => Some(path.clone()),
            Target::Postgres(_) => None,
        };
        let file = path.as_deref().map(FileIdentity::of);
        Self {
            file,
            readers,
            writer,
            writing: Arc::new(Permits::new(writers)),
            waiting: Arc::default(),
            closing: Arc::new(Closing { open: open.clone(), shared: shared.clone(), path }),
            shared,
            target,
        }
    }

    /// The same database for what runs in the background, which on PostgreSQL has a connection of
    /// its own.
    pub fn for_background(&self) -> Self {
        let Target::Postgres(_) = self.target else { return self.clone() };
        let open = &self.closing.open;
        let kept = pool(Connector::new(&self.target, &self.shared, open, true), 1, None);
        Self {
            readers: kept.clone(),
            writer: kept,
            writing: Arc::new(Permits::new(1)),
            waiting: Arc::default(),
            ..self.clone()
        }
    }

    /// From now on, the connections that a server keeps are opened before any other when they are
    /// lost.
    pub fn keep_connections(&self) {
        if let Target::Postgres(_) = self.target {
            self.shared.to_keep.store(KEPT as usize, Ordering::Release);
        }
    }

    /// Opens the connection of [`Self::for_background`] again if it was lost: others wait for that.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn reopen(&self) -> Result<()> {
        match self.target {
            Target::Postgres(_) if self.writer.state().connections == 0 => self.writer().map(drop),
            _ => Ok(()),
        }
    }

    /// Whether this program may write: a newer one may have made the database unfit for it.
    pub fn allow_writing(&self, allowed: bool) {
        let forbidden = self.shared.no_writing.swap(!allowed, Ordering::AcqRel);
        if !allowed && !forbidden {
            tracing::error!(
                "A NEWER BITTING HAS CHANGED THE DATABASE: this server is too old for it, changes and \
                 counts nothing more, and accepts no key after --max-staleness; update it"
            );
        }
    }

    /// Has a thread end every connection to PostgreSQL that somebody waits for longer than they may
    /// ([`lifeline::within`]), for as long as the database is open.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn watch(&self) -> std::io::Result<()> {
        if let Target::Sqlite(_) = self.target {
            return Ok(());
        }
        let shared = Arc::downgrade(&self.shared);
        let cut = move || {
            while let Some(shared) = shared.upgrade() {
                shared.lines.cut_overdue();
                drop(shared);
                thread::sleep(WATCH_INTERVAL);
            }
        };
        thread::Builder::new().name("database-watch".to_owned()).spawn(cut).map(drop)
    }

    /// Has nobody who waits for PostgreSQL now wait longer than this from now on.
    pub fn hurry(&self, limit: Duration) {
        self.shared.lines.hurry(Instant::now() + limit);
    }

    /// How busy the pools are.
    pub fn pools(&self) -> Vec<PoolState> {
        let waiting = [0, 1].map(|place| self.waiting[place].load(Ordering::Relaxed) as u32);
        let state = |name, pool: &Pool<Connector>, waiting| {
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
        self.shared.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Which database this is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(in crate::store) fn reader(&self) -> Result<PooledConnection<Connector>> {
        self.file.as_ref().map_or(Ok(()), FileIdentity::check_lately)?;
        self.waited(0, || Ok(self.readers.get_timeout(lifeline::left_of(PATIENCE))?))
    }

    pub(in crate::store) fn writer(&self) -> Result<Writer> {
        self.check_file()?;
        if self.shared.no_writing.load(Ordering::Acquire) {
            return Err(Error::TooOld);
        }
        let began = Instant::now();
        let patience = || lifeline::left_of(PATIENCE.saturating_sub(began.elapsed()));
        self.waited(1, || {
            let permit = self.writing.take(patience()).ok_or(Error::Busy)?;
            Ok(Writer { session: self.writer.get_timeout(patience())?, _permit: permit })
        })
    }

    /// Counts who waits for a connection.
    fn waited<T>(&self, place: usize, take: impl FnOnce() -> Result<T>) -> Result<T> {
        self.waiting[place].fetch_add(1, Ordering::Relaxed);
        let taken = take();
        self.waiting[place].fetch_sub(1, Ordering::Relaxed);
        taken
    }

    /// Opens a connection outside the pools, also to a primary that takes no changes at the moment.
    ///
    /// # Errors
    /// When the database cannot be opened, or is a standby.
    pub fn dedicated(&self) -> Result<Session> {
        let mut session =
            Connector::new(&self.target, &self.shared, &Arc::default(), true).open()?;
        session.demand(Kind::Primary)?;
        Ok(session)
    }
}

fn pool(connector: Connector, size: u32, idle: Option<Duration>) -> Pool<Connector> {
    let pool = Pool::builder().max_size(size).min_idle(Some(0)).connection_timeout(PATIENCE);
    let pool = pool.idle_timeout(idle).error_handler(Box::new(LogErrors));
    pool.build_unchecked(connector)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Barrier;

    use diesel::connection::SimpleConnection;

    use super::*;

    #[test]
    fn connections_that_are_closed_in_one_moment_leave_no_log() {
        let memory = Some(Path::new("/dev/shm")).filter(|place| place.is_dir());
        let folder = memory.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
        let path = folder.path().join("x.db");
        std::fs::write(&path, "").unwrap();
        let setting_up = "PRAGMA journal_mode = WAL; CREATE TABLE t (n)";
        Target::Sqlite(path.clone()).open().unwrap().connection.batch_execute(setting_up).unwrap();
        for round in 0..2000 {
            let database = Database::new(Target::Sqlite(path.clone()), 0);
            let mut reader = database.readers.get().unwrap();
            let mut writer = database.writer().unwrap();
            writer.connection.batch_execute("INSERT INTO t VALUES (1)").unwrap();
            reader.connection.batch_execute("SELECT * FROM t").unwrap();
            let barrier = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    // Some time within which the other's is closed.
                    (0..round % 100 * 40).for_each(|_| std::hint::spin_loop());
                    drop(reader);
                });
                drop(writer);
                barrier.wait();
                drop(database);
            });
            assert_eq!(preconditions::files_of(&path).len(), 1, "round {round}");
        }
    }
}

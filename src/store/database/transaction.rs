//! The three ways to use the database: one read, one snapshot, one write transaction.

use std::borrow::Cow;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::any_connection::AnyConnection;
use super::connection::Session;
use super::lifeline;
use super::pool::Database;
use super::replication;
use super::statement::Statement;
use crate::store::error::{Error, Result};

/// How long a commit may take. PostgreSQL sets no limit to its wait for standbys; a server's requests
/// have an earlier end.
const LONGEST_COMMIT: Duration = Duration::from_secs(20);

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Snapshot,
    Write,
}

impl Mode {
    /// How one begins on SQLite and on PostgreSQL. SQLite takes its write lock at once, since a
    /// transaction that reads first and then writes fails when another wrote in between.
    fn begin(self) -> (&'static str, &'static str) {
        match self {
            Self::Read => ("BEGIN DEFERRED", "BEGIN"),
            Self::Snapshot => ("BEGIN DEFERRED", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            Self::Write => ("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED"),
        }
    }
}

impl Session {
    /// Runs `f` in a transaction, as long as this thread may wait for the database.
    fn transaction<T, E: From<Error>>(
        &mut self,
        mode: Mode,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let begin = match (&self.connection, mode.begin()) {
            (AnyConnection::Sqlite(_), (begin, _)) => Cow::Borrowed(begin),
            (AnyConnection::Postgres(_), (_, begin)) => format!("{begin}; {}", self.limits).into(),
        };
        self.guard(|session| session.run_transaction(mode, begin, f))
    }

    /// Runs `f` in a transaction that begins with this statement. The session counts as broken, and is
    /// thrown away by the pool, while it is inside one.
    fn run_transaction<T, E: From<Error>>(
        &mut self,
        mode: Mode,
        begin: Cow<'static, str>,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.in_transaction = true;
        let result = self.run(begin).map_err(E::from).and_then(|()| f(&mut self.connection));
        let committing = result.is_ok();
        let result = result.and_then(|value| {
            lifeline::within(LONGEST_COMMIT, || self.run("COMMIT"))?;
            Ok(value)
        });
        let ended = result.is_ok() || self.run("ROLLBACK").is_ok();
        // What only read has changed nothing.
        self.unsure = mode == Mode::Write && committing && !ended;
        self.in_transaction = !ended;
        result
    }

    fn run(&mut self, statement: impl Into<Cow<'static, str>>) -> Result<()> {
        let statement = statement.into();
        match &mut self.connection {
            // Those few are prepared once; what begins a transaction on PostgreSQL is several statements.
            AnyConnection::Sqlite(_) => {
                Statement::<()>::on(&self.connection)
                    .sql(statement)
                    .execute(&mut self.connection)?;
            }
            AnyConnection::Postgres(connection) => connection.batch_execute(&statement)?,
        }
        Ok(())
    }

    /// Runs what needs no transaction and no time limit of the database's, because whoever waits for
    /// it ends it: it spares the two statements around it.
    ///
    /// # Errors
    /// Whatever `f` returns.
    pub fn ask<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.guard(|session| f(&mut session.connection))
    }

    /// Runs single reads that need not agree with each other: in a transaction where time limits hold in
    /// one alone, because a pooler changes connections, or because there are to be none.
    ///
    /// # Errors
    /// Whatever `f` returns, or the database's failure.
    pub fn read<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        match self.connection {
            AnyConnection::Postgres(_) if !self.is_limited => self.transaction(Mode::Read, f),
            _ => self.ask(f),
        }
    }

    /// Reads one consistent state of the database.
    ///
    /// # Errors
    /// Whatever `f` returns, or the database's failure.
    pub fn snapshot<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.transaction(Mode::Snapshot, f)
    }

    /// Changes the database: all of it or nothing.
    ///
    /// # Errors
    /// Whatever `f` returns, or the database's failure; [`Error::OutcomeUnknown`] when standbys that
    /// must have the change do not confirm it.
    pub fn write<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let (value, waits) = self.transaction(Mode::Write, |connection| {
            let value = f(connection)?;
            Ok::<_, E>((value, replication::waits(connection)?))
        })?;
        if waits {
            // Whatever failed, the change is committed and nobody knows where.
            self.ask(replication::confirm).map_err(|why| {
                tracing::warn!(%why, "whether standbys have a change is not known");
                Error::OutcomeUnknown
            })?;
        }
        Ok(value)
    }
}

impl Database {
    /// Runs single reads that need not agree with each other.
    ///
    /// # Errors
    /// Whatever `f` returns, or that there is no connection.
    pub fn read<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.reader()?.read(f)
    }

    /// Reads one consistent state of the database.
    ///
    /// # Errors
    /// Whatever `f` returns, or the database's failure.
    pub fn snapshot<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.reader()?.snapshot(f)
    }

    /// Changes the database: all of it or nothing.
    ///
    /// # Errors
    /// Whatever `f` returns, or the database's failure.
    pub fn write<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.writer()?.write(f)
    }
}

/// What only one write transaction does at a time, across all processes of a PostgreSQL database.
/// SQLite has one writer anyway.
#[derive(Debug, Clone, Copy)]
pub enum AdvisoryLock {
    /// Changing keys or tokens: the ids of their audit events must rise in the order of the
    /// commits.
    Keys,
    /// Folding the journal, and rolling up usage.
    Usage,
    /// Creating and migrating the schema.
    Schema,
    /// Dropping kept answers that have expired.
    Answers,
    /// Changing users, or signing one in. A transaction that needs [`Self::Keys`] too takes it after this.
    Users,
    /// Counting failed logins, so that none is lost to a concurrent one.
    Logins,
    /// Giving resources their numbers.
    Resources,
}

impl AdvisoryLock {
    /// Waits for the lock, and holds it to the end of the transaction.
    ///
    /// # Errors
    /// When the database fails or the turn does not come in time.
    pub fn acquire(self, connection: &mut AnyConnection) -> Result<()> {
        match connection {
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(connection) => Ok(connection
                .batch_execute(&format!("SELECT pg_advisory_xact_lock({})", self.number()))?),
        }
    }

    /// Takes the lock if nobody holds it, and says whether it did.
    pub(super) fn try_acquire(self, connection: &mut AnyConnection) -> Result<bool> {
        let AnyConnection::Postgres(connection) = connection else { return Ok(true) };
        let taken = format!("pg_try_advisory_xact_lock({})", self.number());
        Ok(diesel::select(diesel::dsl::sql::<Bool>(&taken)).get_result(connection)?)
    }

    /// Both of its numbers, as PostgreSQL takes them.
    fn number(self) -> String {
        // "bitt" in ASCII, so that other programs' locks are unlikely to be the same.
        const NAMESPACE: i32 = 0x6269_7474;
        let number = match self {
            Self::Keys => 1,
            Self::Usage => 2,
            Self::Schema => 3,
            Self::Answers => 4,
            Self::Users => 5,
            Self::Logins => 6,
            Self::Resources => 7,
        };
        format!("{NAMESPACE}, {number}")
    }
}

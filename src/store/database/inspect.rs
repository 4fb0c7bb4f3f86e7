//! Looking a database over without changing it: is every page and row readable, and does what must
//! hold between the rows hold.

use std::os::unix::fs::MetadataExt;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::any_connection::AnyConnection;
use super::connection::Session;
use super::identities;
use super::migrate;
use super::migrate::Look;
use super::ownership::OUR_SCHEMA;
use super::preconditions::ServerFacts;
use super::structure;
use super::target::Target;
use crate::model::connections::Connection;
use crate::model::finding::Finding;
use crate::model::time::Moment;
use crate::store::error::{Error, Result};
use crate::store::users::powers;
use crate::store::users::powers::Powers;
use crate::store::{connections, keys, servers, tokens};

/// How many damages are listed at most; one is enough to know.
const DAMAGES_LISTED: usize = 5;
/// Keys read at once.
const KEYS_PER_READ: i64 = 10_000;

/// What must hold of the rows, each with a query that counts where it does not. Where a key's events are
/// looked for, the action is no column but an expression: by its index, SQLite would read all events of that
/// action for each key.
const INVARIANTS: [(&str, &str); 12] = [
    (
        "every key has one key.created event",
        "SELECT COUNT(*) AS n FROM api_keys AS k WHERE 1 <> (SELECT COUNT(*) FROM audit_events AS e \
         WHERE e.key_id = k.id AND e.action || '' = 'key.created')",
    ),
    (
        "every revoked key has one key.revoked event, and no other key has one",
        "SELECT COUNT(*) AS n FROM api_keys AS k WHERE \
         CASE WHEN k.revoked_at IS NULL THEN 0 ELSE 1 END <> (SELECT COUNT(*) FROM audit_events \
         AS e WHERE e.key_id = k.id AND e.action || '' = 'key.revoked')",
    ),
    (
        "every key's revision is the id of an event of its own",
        "SELECT COUNT(*) AS n FROM api_keys AS k WHERE NOT EXISTS (SELECT 1 FROM audit_events AS e \
         WHERE e.id = k.revision AND e.key_id = k.id)",
    ),
    (
        "every key that was rotated is named by the key that replaces it, and by no other",
        "SELECT COUNT(*) AS n FROM api_keys AS k LEFT JOIN api_keys AS o ON o.id = k.replaces \
         LEFT JOIN api_keys AS r ON r.id = k.replaced_by WHERE \
         (k.replaces IS NOT NULL AND (o.replaced_by IS NULL OR o.replaced_by <> k.id)) OR \
         (k.replaced_by IS NOT NULL AND (r.replaces IS NULL OR r.replaces <> k.id))",
    ),
    (
        "every admin token has one token.created event, and one token.revoked event if revoked",
        "SELECT COUNT(*) AS n FROM admin_tokens AS t WHERE 1 <> (SELECT COUNT(*) FROM audit_events \
         AS e WHERE e.action = 'token.created' AND e.detail LIKE '%\"' || t.id || '\"%') \
         OR CASE WHEN t.revoked_at IS NULL THEN 0 ELSE 1 END <> (SELECT COUNT(*) FROM audit_events \
         AS e WHERE e.action = 'token.revoked' AND e.detail LIKE '%\"' || t.id || '\"%')",
    ),
    (
        "every event of a key has its key",
        "SELECT COUNT(*) AS n FROM audit_events AS e WHERE e.key_id IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM api_keys AS k WHERE k.id = e.key_id)",
    ),
    (
        "every count and address belongs to a key",
        "SELECT COUNT(*) AS n FROM (SELECT key_number FROM usage_minutes UNION ALL SELECT key_number \
         FROM usage_hours UNION ALL SELECT key_number FROM usage_totals UNION ALL \
         SELECT key_number FROM key_addresses) AS u \
         WHERE NOT EXISTS (SELECT 1 FROM api_keys AS k WHERE k.number = u.key_number)",
    ),
    (
        "no count is negative",
        "SELECT COUNT(*) AS n FROM (SELECT n FROM usage_minutes UNION ALL SELECT n FROM usage_hours \
         UNION ALL SELECT n FROM usage_totals UNION ALL SELECT n FROM usage_journal) AS u \
         WHERE u.n < 0",
    ),
    (
        "no count by the minute is older than those that were dropped",
        // Of the last minute that was dropped some may still be there.
        "SELECT COUNT(*) AS n FROM usage_minutes AS u CROSS JOIN usage_rollup AS r \
         WHERE u.minute < r.minutes_from - 1",
    ),
    (
        "no count by the hour lies in an hour that is not rolled up",
        "SELECT COUNT(*) AS n FROM usage_hours AS u CROSS JOIN usage_rollup AS r \
         WHERE u.hour > r.hour OR (u.hour = r.hour AND u.key_number > r.key_number)",
    ),
    (
        "counts by the hour are the sums of those by the minute",
        "SELECT COUNT(*) AS n FROM (SELECT u.key_number, u.minute / 60 AS hour, u.cell, \
         CAST(SUM(u.n) AS BIGINT) AS total FROM usage_minutes AS u CROSS JOIN usage_rollup AS r \
         WHERE u.minute / 60 * 60 >= r.minutes_from AND (u.minute / 60 < r.hour \
         OR (u.minute / 60 = r.hour AND u.key_number <= r.key_number)) \
         GROUP BY u.key_number, u.minute / 60, u.cell) AS m \
         LEFT JOIN usage_hours AS h ON h.key_number = m.key_number AND h.hour = m.hour \
         AND h.cell = m.cell WHERE COALESCE(h.n, 0) <> m.total",
    ),
    (
        "there is one row that says how far counts are rolled up",
        "SELECT CAST(CASE WHEN COUNT(*) = 1 THEN 0 ELSE 1 END AS BIGINT) AS n FROM usage_rollup",
    ),
];

/// A connection for inspecting a database without changing it.
pub struct Inspection(Session);

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Damage {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// What tells databases apart.
pub struct Identity {
    /// What a database keeps when it is copied, and no other has.
    pub database_id: String,
    /// Where it is, whatever it is called.
    pub place: String,
}

impl Inspection {
    /// How many servers were seen since then whose resources have another fingerprint.
    pub fn count_differing_servers(&mut self, fingerprint: &str, since: Moment) -> Result<u64> {
        self.0.read(|connection| servers::count_others(connection, fingerprint, since))
    }

    /// Every connection that is not removed, and what tells this database from others.
    pub fn connections(&mut self) -> Result<(Vec<Connection>, String)> {
        self.0.read(|connection| {
            Ok((connections::list(connection)?, connections::database_id(connection)?))
        })
    }

    /// What tells this database from all others, and which of its copies this is.
    ///
    /// # Errors
    /// When the database or its file cannot be read.
    pub fn identity(&mut self, target: &Target) -> Result<Identity> {
        let database_id = self.0.read(connections::database_id)?;
        let place = match (&mut self.0.connection, target) {
            (AnyConnection::Postgres(connection), _) => {
                diesel::sql_query(format!(
                    "SELECT CONCAT_WS(' ', pg_postmaster_start_time(), current_database(), \
                     {OUR_SCHEMA}) AS line"
                ))
                .get_result::<Line>(connection)?
                .line
            }
            (AnyConnection::Sqlite(_), Target::Sqlite(path)) => {
                let file = std::fs::metadata(path)
                    .map_err(|why| Error::Refused(format!("{target}: {why}")))?;
                format!("{} {}", file.dev(), file.ino())
            }
            (AnyConnection::Sqlite(_), Target::Postgres(_)) => String::new(),
        };
        Ok(Identity { database_id, place })
    }

    /// Opens the database for looking only.
    ///
    /// # Errors
    /// When it is missing or cannot be opened.
    pub fn open(target: &Target) -> Result<Self> {
        target.open_to_look().map(Self)
    }

    /// Reads whose database it is and which program it needs.
    ///
    /// # Errors
    /// One sentence for people when it is not a database of ours.
    pub fn look(&mut self, target: &Target) -> Result<Look> {
        self.0.read(|connection| migrate::look(connection, target))
    }

    /// Reads every page (SQLite) or every row (PostgreSQL); returns the damages found.
    ///
    /// # Errors
    /// When the database cannot even say what is damaged.
    pub fn damages(&mut self) -> Result<Vec<String>> {
        self.0.snapshot(|connection| match connection {
            AnyConnection::Sqlite(connection) => {
                let damages: Vec<Damage> =
                    diesel::sql_query(format!("PRAGMA integrity_check({DAMAGES_LISTED})"))
                        .load(connection)?;
                let orphans: Vec<Line> = diesel::sql_query(format!(
                    "SELECT 'a row of ' || \"table\" || ' refers to none in ' || parent AS line \
                     FROM pragma_foreign_key_check LIMIT {DAMAGES_LISTED}"
                ))
                .load(connection)?;
                let damages = damages.into_iter().map(|damage| damage.integrity_check);
                let damages = damages.filter(|damage| damage != "ok");
                Ok(damages.chain(orphans.into_iter().map(|orphan| orphan.line)).collect())
            }
            AnyConnection::Postgres(connection) => {
                let tables: Vec<Line> = diesel::sql_query(format!(
                    "SELECT CAST(t.oid::regclass AS TEXT) AS line FROM pg_catalog.pg_class AS t \
                     WHERE t.relnamespace = {OUR_SCHEMA} AND t.relkind IN ('r', 'p') \
                     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d \
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid \
                     AND d.deptype = 'e')"
                ))
                .load(connection)?;
                for Line { line: table } in tables {
                    connection.batch_execute(&format!(
                        "SELECT SUM(LENGTH(CAST(t AS TEXT))) FROM {table} AS t"
                    ))?;
                }
                Ok(Vec::new())
            }
        })
    }

    /// Reads all keys and tokens as a server does at its start; returns how many there are.
    ///
    /// # Errors
    /// When one holds what this program never wrote.
    pub fn credentials(&mut self) -> Result<usize> {
        self.0.snapshot(|connection| {
            let mut found = tokens::changed_since(connection, 0)?.len();
            let mut last = 0;
            loop {
                let keys = keys::changes::changed_since(connection, last, KEYS_PER_READ)?;
                let Some(key) = keys.last() else { return Ok(found) };
                last = key.revision;
                found += keys.len();
            }
        })
    }

    /// Reads who may do what according to this database.
    ///
    /// # Errors
    /// When the database fails, or one holds what this program never wrote.
    pub fn powers(&mut self) -> Result<Powers> {
        self.0.snapshot(powers::read)
    }

    /// What must hold between the rows and does not, with the number of rows; all are counted in
    /// one state of the database, since a server may be writing.
    pub fn broken_invariants(&mut self) -> Result<Vec<(&'static str, i64)>> {
        self.0.snapshot(|connection| {
            let mut broken = Vec::new();
            for (invariant, query) in INVARIANTS {
                let Number { n } = diesel::sql_query(query).get_result(connection)?;
                if n > 0 {
                    broken.push((invariant, n));
                }
            }
            Ok(broken)
        })
    }

    /// Whether the SQLite file has a write-ahead log; true on PostgreSQL, which always has one.
    pub fn writes_ahead(&mut self) -> Result<bool> {
        match &mut self.0.connection {
            AnyConnection::Sqlite(connection) => {
                let mode =
                    diesel::sql_query("SELECT journal_mode AS line FROM pragma_journal_mode");
                Ok(mode.get_result::<Line>(connection)?.line == "wal")
            }
            AnyConnection::Postgres(_) => Ok(true),
        }
    }

    /// What is missing of the database, if anything is.
    pub fn structure(&mut self) -> Result<Option<Finding>> {
        self.0.read(structure::finding)
    }

    /// What is wrong with the numbers that PostgreSQL gives out next, if anything is.
    pub fn sequences(&mut self) -> Result<Option<Finding>> {
        self.0.read(identities::finding)
    }

    /// What the PostgreSQL server says of itself; nothing on SQLite.
    pub fn server(&mut self) -> Result<Option<ServerFacts>> {
        self.0.read(ServerFacts::of)
    }
}

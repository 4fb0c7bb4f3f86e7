//! What each read of the change feed asks the database at once: whether it may be believed, whether
//! it is still the one that was read before, and whether there is anything new.

use diesel::Queryable;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp};

use super::database::any_connection::AnyConnection;
use super::database::generation::GENERATION;
use super::database::standby;
use super::database::statement::Statement;
use super::error::Result;
use crate::model::audit::Action;
use crate::model::time::Moment;
use crate::model::words::Word;
use crate::store::rows::MomentColumn;

/// An audit event that was read or written here. As long as the database holds it unchanged, nothing
/// that was committed before it has been lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The event's id: the revision of the change it records.
    pub id: i64,
    /// What else tells it from an event that was given the same id later; none where the database
    /// holds no such event.
    event: Option<(Moment, String, Option<String>)>,
}

impl Bookmark {
    /// The event with this id, as it is about to be written.
    pub fn new(id: i64, at: Moment, action: Action, key_id: Option<String>) -> Self {
        Self { id, event: Some((at, action.as_str().to_owned(), key_id)) }
    }
}

/// What the database says of itself at one moment.
#[derive(Debug, Default)]
pub struct Look {
    oldest_program: i64,
    /// The greatest revision of a key; 0 where there is none.
    pub keys: i64,
    /// The greatest revision of an admin token; 0 where there is none.
    pub tokens: i64,
    /// The greatest revision of a connection; 0 where there is none.
    pub connections: i64,
    events: Vec<Bookmark>,
}

impl Look {
    /// Whether this program is not too old for the database.
    pub fn is_for_this_program(&self) -> bool {
        self.oldest_program <= GENERATION
    }

    /// Whether the database still holds these events, which were asked for, as they were.
    pub fn holds(&self, bookmarks: &[Bookmark]) -> bool {
        bookmarks.iter().all(|bookmark| self.bookmark(bookmark.id) == *bookmark)
    }

    /// The event with this id, which was asked for.
    pub fn bookmark(&self, id: i64) -> Bookmark {
        let found = self.events.iter().find(|event| event.id == id);
        found.cloned().unwrap_or(Bookmark { id, event: None })
    }
}

/// The newest revisions, and an event if any that was asked for is there.
#[derive(Queryable)]
struct Row {
    in_recovery: bool,
    oldest_program: i64,
    keys: i64,
    tokens: i64,
    connections: i64,
    id: Option<i64>,
    at: Option<MomentColumn>,
    action: Option<String>,
    key_id: Option<String>,
}

type Columns = (
    Bool,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    Nullable<BigInt>,
    Nullable<Timestamp>,
    Nullable<Text>,
    Nullable<Text>,
);

/// Asks for the newest revisions and for some events, in one statement.
///
/// # Errors
///
/// [`super::Error::Refused`] on a standby, which may lag behind.
pub fn look(connection: &mut AnyConnection, events: &[i64]) -> Result<Look> {
    let in_recovery = match connection {
        AnyConnection::Sqlite(_) => "SELECT 0",
        AnyConnection::Postgres(_) => "SELECT pg_is_in_recovery()",
    };
    let statement = Statement::<Columns>::on(connection)
        .sql(in_recovery)
        .sql(
            ", COALESCE((SELECT MAX(oldest_program) FROM bitting), 0), \
             COALESCE((SELECT MAX(revision) FROM api_keys), 0), \
             COALESCE((SELECT MAX(revision) FROM admin_tokens), 0), \
             COALESCE((SELECT MAX(revision) FROM connections), 0), \
             e.id, e.at, e.action, e.key_id FROM (SELECT 1 AS one) AS always \
             LEFT JOIN audit_events AS e ON e.id",
        )
        .among(events.iter().copied());
    let rows: Vec<Row> = statement.load(connection)?;
    if rows.first().is_some_and(|row| row.in_recovery) {
        return Err(standby::refusal());
    }
    let mut look = Look::default();
    for row in rows {
        let Row { oldest_program, keys, tokens, connections, .. } = row;
        look = Look { oldest_program, keys, tokens, connections, ..look };
        if let (Some(id), Some(at), Some(action)) = (row.id, row.at, row.action) {
            look.events.push(Bookmark { id, event: Some((at.0, action, row.key_id)) });
        }
    }
    Ok(look)
}

/// Has SQLite read the file itself next. Else a file that was overwritten in place would not show:
/// nothing but SQLite's own writes tells a connection that the pages it remembers are old.
pub fn forget_pages(connection: &mut AnyConnection) -> Result<()> {
    match connection {
        AnyConnection::Sqlite(connection) => Ok(connection.batch_execute("PRAGMA shrink_memory")?),
        AnyConnection::Postgres(_) => Ok(()),
    }
}

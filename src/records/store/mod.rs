//! Records in the database: what each kind must be able to do.
//!
//! A kind's own file says what is its own: its row, its columns, what it refers to, and how it is
//! filtered. The statements that are the same for every table are written here, as macros, since
//! diesel's types name the table.

pub mod agents;
pub mod analytics;
mod article_words;
pub mod articles;
pub mod calls;
pub mod contacts;
pub mod integrations;
pub mod leads;
mod period;
mod schema;

use diesel::sql_types::{Integer, Nullable, Text};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::model::{Fields, Record, RecordId, WriterFilter, Writers};
use crate::model::FieldErrors;
use crate::model::id::KeyId;
use crate::model::page::Limit;
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::contents::are_empty;
use crate::store::error::{Error, Result};
use crate::store::rows;

/// How many records are taken out of one that is deleted, in one transaction.
const CLEARED_AT_ONCE: i64 = 500;

/// The tables of all kinds.
const TABLES: [&str; 6] =
    ["agents", "calls", "contacts", "integrations", "knowledge_base", "leads"];

/// Whether there is no record of any kind.
pub fn is_empty(connection: &mut AnyConnection) -> Result<bool> {
    are_empty(connection, &TABLES)
}

/// How a kind of record is stored.
pub trait RecordStore: Fields {
    /// Errors about references to records that do not exist, as far as `before`, the record that is
    /// changed, has others. Those that do exist cannot be deleted until the transaction ends.
    ///
    /// One that stays is not asked for: a deletion locks first what is deleted and then what refers to
    /// it, so whoever asked in the other order might wait for it while it waits for them.
    fn check_references(
        &self,
        _before: Option<&Self>,
        _connection: &mut AnyConnection,
    ) -> Result<FieldErrors> {
        Ok(FieldErrors::default())
    }

    /// Takes a record that a key is about to delete out of `CLEARED_AT_ONCE` of those that refer to
    /// it, which are thereby changed; says whether there are no more.
    fn clear_references(
        _connection: &mut AnyConnection,
        _id: RecordId<Self>,
        _by: Option<KeyId>,
        _now: Moment,
    ) -> Result<bool> {
        Ok(true)
    }

    /// Brings up to date what a record that was just stored or changed is searched by.
    fn index(_connection: &mut AnyConnection, _record: &Record<Self>) -> Result<()> {
        Ok(())
    }

    /// Stores a new record.
    fn insert(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()>;

    /// The record with this id; `for_update` keeps others from changing it meanwhile.
    fn find(
        connection: &mut AnyConnection,
        id: RecordId<Self>,
        for_update: bool,
    ) -> Result<Option<Record<Self>>>;

    /// Replaces a record's fields and its time of change.
    fn update(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()>;

    /// Deletes a record.
    fn delete(connection: &mut AnyConnection, id: RecordId<Self>) -> Result<()>;

    /// Records from the newest to the oldest.
    fn list(
        connection: &mut AnyConnection,
        filter: &Self::Filter,
        writers: &WriterFilter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Found<Self>>;
}

/// One page of a list.
pub struct Found<F> {
    /// The records from the newest to the oldest; fewer than the limit if they are long.
    pub records: Vec<Record<F>>,
    /// The record after which the next page begins, unless this is the last one.
    pub next: Option<RecordId<F>>,
}

/// The methods of [`RecordStore`] that are one plain statement: `statements!(table, Row, Columns)`.
///
/// `Row` is `Queryable` and becomes a `Record` with `TryFrom`. `Columns` is `Insertable` and
/// `AsChangeset`, holds every column but `id` and `created_at`, and is made by `Columns::of`.
macro_rules! statements {
    ($table:ident, $row:ty, $columns:ident) => {
        fn insert(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()> {
            diesel::insert_into($table::table)
                .values((
                    $table::id.eq(record.stamp.id.to_string()),
                    $table::created_at.eq(record.stamp.created_at.naive_utc()),
                    $columns::of(record)?,
                ))
                .execute(connection)?;
            Ok(())
        }

        fn find(
            connection: &mut AnyConnection,
            id: RecordId<Self>,
            for_update: bool,
        ) -> Result<Option<Record<Self>>> {
            let query = $table::table.filter($table::id.eq(id.to_string()));
            let row: Option<$row> = match connection {
                AnyConnection::Postgres(connection) if for_update => {
                    query.for_update().first(connection).optional()?
                }
                connection => query.first(connection).optional()?,
            };
            row.map(Record::try_from).transpose()
        }

        fn update(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()> {
            diesel::update($table::table.filter($table::id.eq(record.stamp.id.to_string())))
                .set($columns::of(record)?)
                .execute(connection)?;
            Ok(())
        }

        fn delete(connection: &mut AnyConnection, id: RecordId<Self>) -> Result<()> {
            diesel::delete($table::table.filter($table::id.eq(id.to_string())))
                .execute(connection)?;
            Ok(())
        }
    };
}
use statements;

/// How many bytes of text the records of a page have together, unless it is a single one.
const LONGEST_PAGE: usize = 1024 * 1024;

/// The room that is left on a page.
struct Room {
    records: usize,
    text: usize,
    is_empty: bool,
}

impl Room {
    fn of(limit: Limit) -> Self {
        Self { records: limit.get(), text: LONGEST_PAGE, is_empty: true }
    }

    /// Takes the next record, with so many bytes of text, if there is room for it. After one for which
    /// there is none, nothing else is to be asked about.
    fn take(&mut self, length: usize) -> bool {
        let text = self.text.checked_sub(length).or(self.is_empty.then_some(0));
        let (Some(records), Some(text)) = (self.records.checked_sub(1), text) else { return false };
        *self = Self { records, text, is_empty: false };
        true
    }
}

/// A column whose text counts for the room on a page.
trait Length {
    /// Bytes.
    fn length(&self) -> usize;
}

impl Length for String {
    fn length(&self) -> usize {
        self.len()
    }
}

impl Length for Option<String> {
    fn length(&self) -> usize {
        self.as_ref().map_or(0, String::len)
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// How many bytes a text has.
    fn octet_length(text: Nullable<Text>) -> Nullable<Integer>;
    /// The number, or the other one where it is null.
    #[sql_name = "COALESCE"]
    fn or_else(number: Nullable<Integer>, other: Integer) -> Integer;
}

/// The page of a boxed query, which has its filters: `page!(table[long columns], Row, query,
/// connection, limit, after)`.
macro_rules! page {
    (
        $table:ident[$long:ident $(, $more:ident)*],
        $row:ty, $query:ident, $connection:ident, $limit:ident, $after:ident
    ) => {{
        use $crate::records::store::{Length as _, Room, or_else, octet_length};
        if let Some(id) = $after {
            $query = $query.filter($table::id.lt(id.to_string()));
        }
        let query = $query.then_order_by($table::id.desc()).limit($limit.get() as i64 + 1);
        let (mut room, mut more) = (Room::of($limit), false);
        let mut fits = |length| {
            more = !room.take(length);
            !more
        };
        let records: Vec<Record<Self>> = match $connection {
            // The rows are read one by one, and none after the page is full.
            AnyConnection::Sqlite(_) => {
                let rows = query.select($table::all_columns).load_iter::<$row, _>($connection)?;
                let rows = rows.take_while(|row| {
                    row.as_ref().map_or(true, |row| fits(row.$long.length() $(+ row.$more.length())*))
                });
                rows.map(|row| Record::try_from(row?)).collect::<Result<_>>()?
            }
            // All that is asked for comes at once, so the rows are asked for when it is known how many
            // of them are given out. Saying how long a text is takes no reading of it.
            AnyConnection::Postgres(_) => {
                let length = or_else(octet_length($table::$long.nullable()), 0)
                    $(+ or_else(octet_length($table::$more.nullable()), 0))*;
                let lengths: Vec<(String, i32)> =
                    query.select(($table::id, length)).load($connection)?;
                let lengths = lengths.into_iter();
                let ids: Vec<String> = lengths
                    .take_while(|(_, length)| fits(usize::try_from(*length).unwrap_or(0)))
                    .map(|(id, _)| id)
                    .collect();
                let query = $table::table.filter($table::id.eq_any(&ids)).order($table::id.desc());
                let rows: Vec<$row> = query.load($connection)?;
                rows.into_iter().map(Record::try_from).collect::<Result<_>>()?
            }
        };
        let next = records.last().filter(|_| more).map(|last| last.stamp.id);
        Found { records, next }
    }};
}
use page;

/// Restricts a boxed query to the rows that have these values, where one is given:
/// `only!(query; column => value, …)`, the choosiest column first. Each has an index on it and `id`,
/// and the first given one's is walked.
///
/// With a plain `=`, PostgreSQL may rather walk all ids from the newest on, in the hope of meeting
/// enough such rows soon, and read the whole table when they are all old. A set of one value, put
/// first in the order, can only be read in order from that index. SQLite takes it for `=`.
macro_rules! only {
    ($query:ident; $($column:expr => $value:expr,)+) => {
        let mut first = true;
        $(if let Some(value) = $value {
            $query = if std::mem::take(&mut first) {
                $query.filter($column.eq_any([value])).then_order_by($column.desc())
            } else {
                $query.filter($column.eq(value))
            };
        })+
    };
}
use only;

/// Whether there is a row with this id, which then stays until the transaction ends:
/// `exists!(table, id, connection)`.
macro_rules! exists {
    ($table:ident, $id:expr, $connection:ident) => {{
        let query = $table::table.filter($table::id.eq($id)).select($table::id);
        let found: Option<String> = match $connection {
            AnyConnection::Postgres(connection) => {
                query.for_key_share().first(connection).optional()?
            }
            connection => query.first(connection).optional()?,
        };
        found.is_some()
    }};
}
use exists;

/// Makes a column null in some records where it names this id, on behalf of a key; their time of
/// change is `now`, or just above the last one that any of them has. Whether those were all:
/// `clear!(table, column, id, connection, by, now)`.
macro_rules! clear {
    ($table:ident, $column:ident, $id:expr, $connection:ident, $by:ident, $now:expr) => {{
        // As for `only!`: PostgreSQL would rather walk all records, those that are cleared too.
        let some = $table::table
            .filter($table::$column.eq_any([$id.to_string()]))
            .select(($table::id, $table::updated_at))
            .order($table::$column)
            .limit($crate::records::store::CLEARED_AT_ONCE);
        let some: Vec<(String, NaiveDateTime)> = match &mut *$connection {
            AnyConnection::Postgres(connection) => some.for_update().load(connection)?,
            connection => some.load(connection)?,
        };
        let after = some.iter().map(|(_, latest)| *latest + Duration::milliseconds(1)).max();
        let at = after.map_or($now.naive_utc(), |after| after.max($now.naive_utc()));
        diesel::update($table::table.filter($table::id.eq_any(some.iter().map(|(id, _)| id))))
            .set((
                $table::$column.eq(None::<String>),
                $table::updated_at.eq(at),
                $table::updated_by.eq($by.map(|by| by.to_string())),
            ))
            .execute($connection)?;
        (some.len() as i64) < $crate::records::store::CLEARED_AT_ONCE
    }};
}
use clear;

/// The two columns of a record's writers.
fn writers(created_by: Option<String>, updated_by: Option<String>) -> Result<Writers> {
    Ok(Writers {
        created_by: rows::optional_id("key id", created_by)?,
        updated_by: rows::optional_id("key id", updated_by)?,
    })
}

/// The JSON that a column holds for a value.
fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|why| Error::Unreadable(why.to_string()))
}

/// Reads a column that holds JSON.
fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|why| rows::unreadable(what, &why.to_string()))
}

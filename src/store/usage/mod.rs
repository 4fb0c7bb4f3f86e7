//! Counts in the database: adding them, and reading keys' usage by index seeks.
//!
//! Minute rows are clustered by time, hour rows by key; `rollup` moves the former into the latter.
//! The statements are written out: diesel's `ON CONFLICT` does not work through an enum of connections,
//! and what seeks best differs between the databases. `counter_rows` has the expensive one.

pub mod accepted;
pub mod addresses;
pub mod counter_rows;
pub mod days;
pub mod journal;
pub mod ledger;
pub mod rollup;
mod scopes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use diesel::prelude::*;
use diesel::query_dsl::methods;
use diesel::sql_types::BigInt;
use diesel::upsert::excluded;

use super::database::any_connection::{AnyConnection, on_either};
use super::database::statement::Statement;
use super::error::Result;
use super::rows;
use super::schema::{usage_marks, usage_rollup};
use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::{Cell, Count, Hour, KeySelection, Minute, Share, Usage, Windows};
use counter_rows::{Hours, Minutes, Row};

/// Up to this many minutes are looked up one by one; for more, the range is read.
const MINUTES_BY_SEEK: i64 = 240;

/// Up to where usage has been rolled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Every earlier hour has been rolled up.
    pub hour: Hour,
    /// Of `hour`, the keys up to this one have been rolled up too.
    pub key: i64,
    /// Minute rows before this one have been dropped.
    pub minutes_from: Minute,
}

impl Position {
    fn of((hour, key, minutes_from): (i64, i64, i64)) -> Self {
        Self { hour: Hour(hour), key, minutes_from: Minute(minutes_from) }
    }

    /// Whether a minute of this key has been rolled up.
    pub fn covers(&self, key: KeyNumber, minute: Minute) -> bool {
        let hour = minute.hour();
        hour < self.hour || (hour == self.hour && i64::from(key.0) <= self.key)
    }
}

type PositionColumns = (usage_rollup::hour, usage_rollup::key_number, usage_rollup::minutes_from);

/// Reads up to where usage has been rolled up.
pub fn position(connection: &mut AnyConnection) -> Result<Position> {
    let position = usage_rollup::table.select(PositionColumns::default());
    let row: (i64, i64, i64) = on_either!(connection => position.first(connection)?);
    Ok(Position::of(row))
}

/// How far usage is written.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Up to where it has been rolled up.
    pub position: Position,
    /// The last batch that a process has written; 0 before the first.
    pub mark: i64,
}

/// Reads how far usage is written, with the mark of this process.
pub fn progress(connection: &mut AnyConnection, process: &str) -> Result<Progress> {
    let own = usage_marks::process.eq(process);
    let progress = usage_rollup::table.left_join(usage_marks::table.on(own));
    let progress = progress.select((PositionColumns::default(), usage_marks::sequence.nullable()));
    let (position, mark): ((i64, i64, i64), Option<i64>) =
        on_either!(connection => progress.first(connection)?);
    Ok(Progress { position: Position::of(position), mark: mark.unwrap_or(0) })
}

/// Adds counts to the minute rows; each (minute, key, cell) may occur once.
pub fn add_to_minutes<'a>(
    connection: &mut AnyConnection,
    counts: impl Iterator<Item = &'a Count>,
) -> Result<()> {
    let row = |c: &Count| [c.minute.0, c.key.0.into(), c.cell.number(), c.n, c.last_at];
    let rows: Vec<Row> = counts.map(row).collect();
    counter_rows::add::<Minutes>(connection, &rows)
}

/// Adds counts to the hour rows, to the sums over all keys, and to what is known of scopes in use.
pub fn add_to_hours(connection: &mut AnyConnection, counts: &[Count]) -> Result<()> {
    let mut hours: BTreeMap<[i64; 3], (i64, i64)> = BTreeMap::new();
    for count in counts {
        let row = [count.key.0.into(), count.minute.hour().0, count.cell.number()];
        let (n, last_at) = hours.entry(row).or_default();
        *n += count.n;
        *last_at = count.last_at.max(*last_at);
    }
    let row = |([key, hour, cell], (n, last_at)): ([i64; 3], _)| [key, hour, cell, n, last_at];
    let rows: Vec<Row> = hours.into_iter().map(row).collect();
    counter_rows::add::<Hours>(connection, &rows)?;
    scopes::note_uses(connection, counts)?;
    add_to_sums(connection, counts)
}

/// Adds counts to the sums over all keys.
fn add_to_sums(connection: &mut AnyConnection, counts: &[Count]) -> Result<()> {
    let mut sums: BTreeMap<(Hour, Cell), i64> = BTreeMap::new();
    for count in counts {
        *sums.entry((count.minute.hour(), count.cell)).or_default() += count.n;
    }
    for ((hour, cell), n) in sums {
        Statement::<()>::on(connection)
            .sql("INSERT INTO usage_sums (hour, cell, n) VALUES (")
            .number(hour.0)
            .sql(", ")
            .number(cell.number())
            .sql(", ")
            .number(n)
            .sql(") ON CONFLICT (hour, cell) DO UPDATE SET n = usage_sums.n + excluded.n")
            .execute(connection)?;
    }
    Ok(())
}

/// Raises a process's mark to a batch's sequence number; `false` if the batch was written before.
pub fn raise_mark(
    connection: &mut AnyConnection,
    process: &str,
    sequence: i64,
    at: Moment,
) -> Result<bool> {
    let row = (
        usage_marks::process.eq(process),
        usage_marks::sequence.eq(sequence),
        usage_marks::at.eq(at.naive_utc()),
    );
    let newer = (
        usage_marks::sequence.eq(excluded(usage_marks::sequence)),
        usage_marks::at.eq(excluded(usage_marks::at)),
    );
    // One statement: the same batch may still be under way on a connection that was lost, and
    // PostgreSQL asks the condition again after waiting for that one's end.
    let raised = on_either!(connection => {
        let upsert = diesel::insert_into(usage_marks::table).values(row);
        let upsert = upsert.on_conflict(usage_marks::process).do_update().set(newer);
        let later = usage_marks::sequence.lt(excluded(usage_marks::sequence));
        methods::FilterDsl::filter(upsert, later).execute(connection)?
    });
    Ok(raised > 0)
}

/// The marks of other processes, with their names.
pub type OthersMarks = Vec<(String, i64)>;

/// Reads how far other processes have written.
pub fn others_marks(connection: &mut AnyConnection, process: &str) -> Result<OthersMarks> {
    let others = usage_marks::table.filter(usage_marks::process.ne(process));
    let marks = others.select((usage_marks::process, usage_marks::sequence));
    let marks = marks.order(usage_marks::process);
    Ok(on_either!(connection => marks.load(connection)?))
}

/// Drops the marks of processes that have written nothing since `before`.
pub fn forget_marks(connection: &mut AnyConnection, before: Moment) -> Result<()> {
    diesel::delete(usage_marks::table.filter(usage_marks::at.lt(before.naive_utc())))
        .execute(connection)?;
    Ok(())
}

/// The usage of some keys, as far as it is written.
pub fn figures(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    windows: &Windows,
    position: &Position,
) -> Result<HashMap<KeyNumber, Usage>> {
    let mut figures = HashMap::with_capacity(keys.len());
    if keys.is_empty() {
        return Ok(figures);
    }
    let mut in_part_hour = BTreeSet::new();
    for sum in sums(connection, keys, windows)? {
        let key = key_number(sum.key)?;
        let Sum { day, week, month, lifetime, .. } = sum;
        let usage: &mut Usage = figures.entry(key).or_default();
        usage.add(cell(sum.cell)?, Share { day, week, month, lifetime }, sum.last_at);
        if sum.in_part_hour > 0 {
            in_part_hour.insert(key);
        }
    }
    let in_part_hour: Vec<KeyNumber> = in_part_hour.into_iter().collect();
    let statement = from_needed_minutes(
        Statement::on(connection).sql(SELECT_COUNTS),
        KeySelection::Only(keys),
        KeySelection::Only(&in_part_hour),
        windows,
        position,
    );
    for count in counts(connection, statement)? {
        let usage = figures.entry(count.key).or_default();
        if !position.covers(count.key, count.minute) {
            usage.add_minute(&count, windows);
        } else if in_first_part_hour(count.minute, windows) {
            let share = Share { day: count.n, ..Share::default() };
            usage.add(count.cell, share, count.last_at);
        }
    }
    Ok(figures)
}

/// What is rolled up of a key in one cell: its counts in whole hours of the windows, in all, and in the
/// hour of which only a part belongs to the 24-hour window.
#[derive(Queryable)]
struct Sum {
    key: i64,
    cell: i64,
    day: i64,
    week: i64,
    month: i64,
    in_part_hour: i64,
    lifetime: i64,
    last_at: i64,
}
type SumColumns = (BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt);

/// Adds up what is rolled up of some keys; a cell may occur twice.
fn sums(connection: &mut AnyConnection, keys: &[KeyNumber], windows: &Windows) -> Result<Vec<Sum>> {
    let at_once = match connection {
        // Key by key: grouping the rows of all at once would sort them all.
        AnyConnection::Sqlite(_) => 1,
        AnyConnection::Postgres(_) => keys.len(),
    };
    let mut sums = Vec::new();
    for keys in keys.chunks(at_once) {
        const SINCE: &str = ", CAST(SUM(CASE WHEN hour >= ";
        const IN: &str = ", CAST(SUM(CASE WHEN hour = ";
        const END: &str = " THEN n ELSE 0 END) AS BIGINT)";
        const NONE: &str = "CAST(0 AS BIGINT)";
        let mut statement = Statement::<SumColumns>::on(connection).sql("SELECT key_number, cell");
        for (when, hour) in [
            (SINCE, windows.first_whole_hour()),
            (SINCE, windows.week),
            (SINCE, windows.month),
            (IN, windows.part_hour()),
        ] {
            statement = statement.sql(when).number(hour.0).sql(END);
        }
        let statement = statement
            .sql(", CAST(SUM(n) AS BIGINT), MAX(last_at) FROM usage_hours WHERE key_number")
            .among(numbers(keys))
            .sql(" GROUP BY key_number, cell UNION ALL SELECT key_number, cell, ")
            .sql([NONE; 4].join(", "))
            .sql(", n, last_at FROM usage_totals WHERE key_number")
            .among(numbers(keys));
        sums.extend(statement.load::<Sum>(connection)?);
    }
    Ok(sums)
}

/// Whether a minute lies in the hour of which only a part belongs to the 24-hour window.
pub(super) fn in_first_part_hour(minute: Minute, windows: &Windows) -> bool {
    minute >= windows.day && minute < windows.first_whole_hour().first_minute()
}

/// Has a statement go on with the minute rows that figures need, of some keys or of all: those of the
/// part hour that begins the 24-hour window, and all that are not rolled up yet. Each minute costs a
/// seek, so the part hour is read of those keys alone of which it is rolled up that they were used then.
pub(super) fn from_needed_minutes<T>(
    mut statement: Statement<T>,
    keys: KeySelection<'_>,
    in_part_hour: KeySelection<'_>,
    windows: &Windows,
    position: &Position,
) -> Statement<T> {
    let part_hour = windows.day.0..windows.first_whole_hour().first_minute().0;
    let open = position.hour.first_minute().0;
    let newest = windows.day.0 + 24 * 60;
    let seek = newest - open <= MINUTES_BY_SEEK;
    // Minutes ahead of the clock exist where another node's clock is ahead.
    let after = if seek { newest } else { open - 1 };
    let of_keys = |statement: Statement<T>, keys| match keys {
        KeySelection::Only(keys) => statement.sql(" AND key_number").among(numbers(keys)),
        KeySelection::All => statement,
    };
    let sought = |statement: Statement<T>, minutes: Range<i64>, keys| {
        let statement = statement.sql(SELECT_COUNTS).sql(" FROM ").number_table(minutes);
        let statement = statement.sql(" CROSS JOIN usage_minutes WHERE minute = number.value");
        of_keys(statement, keys).sql(" UNION ALL ")
    };
    statement = statement.sql(" FROM (");
    if !matches!(in_part_hour, KeySelection::Only([])) {
        statement = sought(statement, part_hour.start..part_hour.end.min(open), in_part_hour);
    }
    if seek {
        statement = sought(statement, open..newest + 1, keys);
    }
    statement =
        statement.sql(SELECT_COUNTS).sql(" FROM usage_minutes WHERE minute > ").number(after);
    of_keys(statement, keys).sql(") AS needed")
}

/// What is not rolled up yet of some keys, by the minute.
pub(super) fn open_minutes(
    connection: &mut AnyConnection,
    keys: &[KeyNumber],
    windows: &Windows,
    position: &Position,
) -> Result<Vec<Count>> {
    let (keys, none) = (KeySelection::Only(keys), KeySelection::Only(&[]));
    let statement = Statement::on(connection).sql(SELECT_COUNTS);
    let statement = from_needed_minutes(statement, keys, none, windows, position);
    let mut counts = counts(connection, statement)?;
    counts.retain(|count| !position.covers(count.key, count.minute));
    Ok(counts)
}

/// The columns of a minute row.
pub(super) type CountColumns = (BigInt, BigInt, BigInt, BigInt, BigInt);
const SELECT_COUNTS: &str = "SELECT minute, key_number, cell, n, last_at";

/// Runs a statement that selects minute rows.
pub(super) fn counts(
    connection: &mut AnyConnection,
    statement: Statement<CountColumns>,
) -> Result<Vec<Count>> {
    let rows: Vec<(i64, i64, i64, i64, i64)> = statement.load(connection)?;
    let count = |(minute, key, cell_number, n, last_at)| {
        let (key, cell) = (key_number(key)?, cell(cell_number)?);
        Ok(Count { key, minute: Minute(minute), cell, n, last_at })
    };
    rows.into_iter().map(count).collect()
}

/// The numbers of keys, as they are stored.
pub(in crate::store) fn numbers(keys: &[KeyNumber]) -> impl Iterator<Item = i64> {
    keys.iter().map(|key| i64::from(key.0))
}

pub(in crate::store) fn key_number(number: i64) -> Result<KeyNumber> {
    rows::row_number(number).map(KeyNumber)
}

pub(super) fn cell(number: i64) -> Result<Cell> {
    Cell::from_number(number).ok_or_else(|| rows::unreadable("usage cell", &number.to_string()))
}

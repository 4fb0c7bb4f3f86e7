//! The counts of the last 30 days over time, of some keys or of all together.

use diesel::sql_types::{BigInt, Bool};

use super::{Position, cell, from_needed_minutes, in_first_part_hour, numbers};
use crate::model::usage::{Cell, Hour, KeySelection, Minute, Windows};
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;

/// Counts by hour where they are rolled up, by minute elsewhere.
#[derive(Debug, Default)]
pub struct UsageRows {
    /// Counts that are rolled up.
    pub hours: Vec<(Hour, Cell, i64)>,
    /// Counts that are not rolled up yet.
    pub minutes: Vec<(Minute, Cell, i64)>,
    /// Counts that are rolled up but needed by the minute: the part hour that begins the 24-hour
    /// window.
    pub part_hour: Vec<(Minute, Cell, i64)>,
}

impl UsageRows {
    /// What is counted, once for each count.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        let hours = self.hours.iter().map(|(_, cell, _)| cell);
        hours.chain(self.minutes.iter().chain(&self.part_hour).map(|(_, cell, _)| cell))
    }

    /// Keeps these counts alone.
    pub fn retain(&mut self, kept: impl Fn(&Cell) -> bool) {
        self.hours.retain(|(_, cell, _)| kept(cell));
        self.minutes.retain(|(_, cell, _)| kept(cell));
        self.part_hour.retain(|(_, cell, _)| kept(cell));
    }

    /// Reads the counts of some keys, or of all, as far as they are written.
    pub fn read(
        connection: &mut AnyConnection,
        keys: KeySelection<'_>,
        windows: &Windows,
        position: &Position,
    ) -> Result<Self> {
        let mut ledger = Self::default();
        let hours = Statement::<(BigInt, BigInt, BigInt)>::on(connection);
        let since = windows.month.0;
        let hours = match keys {
            KeySelection::Only(keys) => hours
                .sql("SELECT hour, cell, CAST(SUM(n) AS BIGINT) FROM usage_hours WHERE hour >= ")
                .number(since)
                .sql(" AND key_number")
                .among(numbers(keys))
                .sql(" GROUP BY hour, cell"),
            KeySelection::All => {
                hours.sql("SELECT hour, cell, n FROM usage_sums WHERE hour >= ").number(since)
            }
        };
        for (hour, cell_number, n) in hours.load::<(i64, i64, i64)>(connection)? {
            ledger.hours.push((Hour(hour), cell(cell_number)?, n));
        }
        let open = position.hour.first_minute().0;
        // The same as `Position::covers`.
        let minutes = Statement::<(BigInt, BigInt, Bool, BigInt)>::on(connection)
            .sql("SELECT minute, cell, (minute < ")
            .number(open)
            .sql(" OR (minute < ")
            .number(open + 60)
            .sql(" AND key_number <= ")
            .number(position.key)
            .sql(")) AS covered, CAST(SUM(n) AS BIGINT)");
        let used_then = ledger.hours.iter().any(|(hour, ..)| *hour == windows.part_hour());
        let in_part_hour = if used_then { keys } else { KeySelection::Only(&[]) };
        let minutes = from_needed_minutes(minutes, keys, in_part_hour, windows, position);
        let minutes = minutes.sql(" GROUP BY 1, 2, 3");
        for (minute, cell_number, covered, n) in
            minutes.load::<(i64, i64, bool, i64)>(connection)?
        {
            let (minute, cell) = (Minute(minute), cell(cell_number)?);
            if !covered {
                ledger.minutes.push((minute, cell, n));
            } else if in_first_part_hour(minute, windows) {
                ledger.part_hour.push((minute, cell, n));
            }
        }
        Ok(ledger)
    }
}

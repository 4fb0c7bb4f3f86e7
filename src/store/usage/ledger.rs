//! The counts of the last 30 days over time, of some keys or of all together.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::{cell, in_first_part_hour, needed_minutes, number_list, position};
use crate::model::usage::{Cell, Hour, KeySelection, Minute, Windows};
use crate::store::database::any_connection::AnyConnection;
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

#[derive(QueryableByName)]
struct HourRow {
    #[diesel(sql_type = BigInt)]
    hour: i64,
    #[diesel(sql_type = BigInt)]
    cell: i64,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct MinuteRow {
    #[diesel(sql_type = BigInt)]
    minute: i64,
    #[diesel(sql_type = BigInt)]
    cell: i64,
    #[diesel(sql_type = Bool)]
    covered: bool,
    #[diesel(sql_type = BigInt)]
    n: i64,
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
    ) -> Result<Self> {
        let of_keys = match keys {
            KeySelection::Only(keys) => {
                let list = number_list(keys.iter().map(|key| i64::from(key.0)));
                format!("AND key_number IN ({list})")
            }
            KeySelection::All => String::new(),
        };
        let hours = match keys {
            KeySelection::Only(_) => format!(
                "SELECT hour, cell, CAST(SUM(n) AS BIGINT) AS n FROM usage_hours \
                 WHERE hour >= {} {of_keys} GROUP BY hour, cell",
                windows.month.0
            ),
            KeySelection::All => {
                format!("SELECT hour, cell, n FROM usage_sums WHERE hour >= {}", windows.month.0)
            }
        };
        let mut ledger = Self::default();
        for row in diesel::sql_query(hours).load::<HourRow>(connection)? {
            ledger.hours.push((Hour(row.hour), cell(row.cell)?, row.n));
        }
        let position = position(connection)?;
        let open = position.hour.first_minute().0;
        for condition in needed_minutes(windows, &position) {
            // The same as `Position::covers`.
            let minutes = diesel::sql_query(format!(
                "SELECT minute, cell, (minute < {open} OR (minute < {open} + 60 AND \
                 key_number <= {})) AS covered, CAST(SUM(n) AS BIGINT) AS n FROM usage_minutes \
                 WHERE {condition} {of_keys} GROUP BY 1, 2, 3",
                position.key
            ));
            for row in minutes.load::<MinuteRow>(connection)? {
                let (minute, cell) = (Minute(row.minute), cell(row.cell)?);
                if !row.covered {
                    ledger.minutes.push((minute, cell, row.n));
                } else if in_first_part_hour(minute, windows) {
                    ledger.part_hour.push((minute, cell, row.n));
                }
            }
        }
        Ok(ledger)
    }
}

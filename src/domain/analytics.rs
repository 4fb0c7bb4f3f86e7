//! What happened in a period.

use super::Bitting;
use super::error::Result;
use crate::model::analytics::{Overview, Period};
use crate::store::analytics;

impl Bitting {
    /// Calls and leads of a period in numbers, at one moment.
    ///
    /// # Errors
    /// When the database fails.
    pub fn overview(&self, period: Period) -> Result<Overview> {
        self.database.snapshot(|connection| {
            let calls = analytics::calls(connection, &period)?;
            Ok(Overview { period, calls, leads: analytics::leads(connection, &period)? })
        })
    }
}

//! What happened in a period.

use crate::domain::{Bitting, Result};
use crate::records::model::analytics::{Overview, Period};
use crate::records::store::analytics;

/// Calls and leads of a period in numbers, at one moment.
pub fn overview(bitting: &Bitting, period: Period) -> Result<Overview> {
    bitting.database.snapshot(|connection| {
        let calls = analytics::calls(connection, &period)?;
        Ok(Overview { period, calls, leads: analytics::leads(connection, &period)? })
    })
}

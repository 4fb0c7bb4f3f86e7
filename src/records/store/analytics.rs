//! Calls and leads of a period, counted in the database: one pass over an index, without sorting.

use diesel::dsl::{count_star, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::model::words::Word;
use crate::records::model::analytics::{CallFigures, LeadFigures, Period};
use crate::records::model::call::CallStatus;
use crate::records::model::lead::LeadStatus;
use crate::records::store::schema::{calls, leads};
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;

/// How many of the rows have this status and, beside it, a value.
fn count_with(status: impl Word, value: &str) -> SqlLiteral<BigInt> {
    sql(&format!("COUNT(CASE WHEN status = '{}' THEN {value} END)", status.as_str()))
}

/// The calls of a period in numbers.
pub fn calls(connection: &mut AnyConnection, period: &Period) -> Result<CallFigures> {
    let completed = CallStatus::Completed;
    let (total, completed, missed, timed, seconds): (i64, i64, i64, i64, i64) = calls::table
        .filter(calls::occurred_at.ge(period.from.naive_utc()))
        .filter(calls::occurred_at.lt(period.to.naive_utc()))
        .select((
            count_star(),
            count_with(completed, "1"),
            count_with(CallStatus::Missed, "1"),
            count_with(completed, "duration_seconds"),
            sql::<BigInt>(&format!(
                "CAST(COALESCE(SUM(CASE WHEN status = '{}' THEN duration_seconds END), 0) \
                 AS BIGINT)",
                completed.as_str()
            )),
        ))
        .get_result(connection)?;
    let average_duration_seconds = (timed > 0).then(|| seconds as f64 / timed as f64);
    Ok(CallFigures { total, completed, missed, average_duration_seconds })
}

/// The leads of a period in numbers.
pub fn leads(connection: &mut AnyConnection, period: &Period) -> Result<LeadFigures> {
    let (captured, qualified, converted): (i64, i64, i64) = leads::table
        .filter(leads::created_at.ge(period.from.naive_utc()))
        .filter(leads::created_at.lt(period.to.naive_utc()))
        .select((
            count_star(),
            count_with(LeadStatus::Qualified, "1"),
            count_with(LeadStatus::Converted, "1"),
        ))
        .get_result(connection)?;
    // Whoever has become a customer was qualified before.
    Ok(LeadFigures { captured, qualified: qualified + converted, converted })
}

//! Calls and leads of a period, counted in the database.

use diesel::dsl::{count, count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::connection::AnyConnection;
use super::error::Result;
use super::schema::{calls, leads};
use crate::model::analytics::{CallFigures, LeadFigures, Period};
use crate::model::records::call::CallStatus;
use crate::model::records::lead::LeadStatus;
use crate::model::words::Word;

/// The calls of a period in numbers.
///
/// # Errors
/// When the database fails.
pub fn calls(connection: &mut AnyConnection, period: &Period) -> Result<CallFigures> {
    let groups: Vec<(Option<String>, i64, i64, i64)> = calls::table
        .filter(calls::occurred_at.ge(period.from.naive_utc()))
        .filter(calls::occurred_at.lt(period.to.naive_utc()))
        .group_by(calls::status)
        .select((
            calls::status,
            count_star(),
            count(calls::duration_seconds),
            sql::<BigInt>("CAST(COALESCE(SUM(duration_seconds), 0) AS BIGINT)"),
        ))
        .load(connection)?;
    let mut figures = CallFigures::default();
    for (status, number, timed, seconds) in groups {
        figures.total += number;
        match status.as_deref().and_then(CallStatus::parse) {
            Some(CallStatus::Completed) => {
                figures.completed = number;
                figures.average_duration_seconds =
                    (timed > 0).then(|| seconds as f64 / timed as f64);
            }
            Some(CallStatus::Missed) => figures.missed = number,
            Some(CallStatus::Ringing | CallStatus::InProgress | CallStatus::Failed) | None => {}
        }
    }
    Ok(figures)
}

/// The leads of a period in numbers.
///
/// # Errors
/// When the database fails.
pub fn leads(connection: &mut AnyConnection, period: &Period) -> Result<LeadFigures> {
    let groups: Vec<(String, i64)> = leads::table
        .filter(leads::created_at.ge(period.from.naive_utc()))
        .filter(leads::created_at.lt(period.to.naive_utc()))
        .group_by(leads::status)
        .select((leads::status, count_star()))
        .load(connection)?;
    let mut figures = LeadFigures::default();
    for (status, number) in groups {
        figures.captured += number;
        match LeadStatus::parse(&status) {
            Some(LeadStatus::Qualified) => figures.qualified += number,
            Some(LeadStatus::Converted) => {
                figures.qualified += number;
                figures.converted = number;
            }
            Some(LeadStatus::New | LeadStatus::Contacted) | None => {}
        }
    }
    Ok(figures)
}

//! What happened in a period: calls and leads in numbers.

use chrono::{Duration, NaiveDate, NaiveTime};
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::FieldErrors;
use crate::model::time;
use crate::model::time::Moment;

/// The length of the period if none is given.
const USUAL: Duration = Duration::days(30);
/// The longest period that may be asked for.
const LONGEST: Duration = Duration::days(366);

/// A stretch of time: `from` is in it, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Period {
    /// Its first moment.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub from: Moment,
    /// The moment that ends it.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub to: Moment,
}

impl Period {
    /// The period between two moments: without `from` 30 days, without `to` up to the present
    /// millisecond, which is in it.
    ///
    /// # Errors
    /// When it ends before it begins, or is too long.
    pub fn between(
        from: Option<Moment>,
        to: Option<Moment>,
        now: Moment,
    ) -> Result<Self, FieldErrors> {
        let to = to.unwrap_or(now + Duration::milliseconds(1));
        // The year before 0000 cannot be written.
        let earliest = NaiveDate::from_ymd_opt(0, 1, 1).unwrap_or_default();
        let earliest = earliest.and_time(NaiveTime::MIN).and_utc();
        let from = from.unwrap_or_else(|| (to - USUAL).max(earliest));
        if from > to {
            Err(FieldErrors::one("from", "must not be after the end of the period"))
        } else if to - from > LONGEST {
            Err(FieldErrors::one("from", "must be at most 366 days before the end of the period"))
        } else {
            Ok(Self { from, to })
        }
    }
}

/// The parameters that choose a period.
#[derive(Debug, Clone, Copy, Default, JsonSchema)]
pub struct PeriodFilter {
    /// Its first moment; 30 days before its end unless said.
    pub from: Option<Moment>,
    /// The moment that ends it, and is not in it; now unless said.
    pub to: Option<Moment>,
}

/// A period in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Overview {
    /// Which period.
    pub period: Period,
    /// The calls that began in it or, where that is not known, were recorded in it.
    pub calls: CallFigures,
    /// The leads that were made in it.
    pub leads: LeadFigures,
}

/// Calls in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct CallFigures {
    /// All.
    pub total: i64,
    /// Ended after being answered.
    pub completed: i64,
    /// Never answered.
    pub missed: i64,
    /// The mean over the completed calls of known length; none when there is no such call.
    pub average_duration_seconds: Option<f64>,
}

/// Leads in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeadFigures {
    /// All.
    pub captured: i64,
    /// Of those, the ones that are qualified by now, the converted among them.
    pub qualified: i64,
    /// Of those, the ones that are converted by now.
    pub converted: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_period_is_thirty_days_up_to_now_unless_said() {
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let end = now + Duration::milliseconds(1);
        let between = |from, to| Period::between(from, to, now).map(|p| (p.from, p.to)).ok();
        let day = |days| now - Duration::days(days);
        assert_eq!(between(None, None), Some((end - Duration::days(30), end)));
        assert_eq!(between(Some(day(1)), None), Some((day(1), end)));
        assert_eq!(between(None, Some(day(1))), Some((day(31), day(1))));
        assert_eq!(between(Some(day(2)), Some(day(2))), Some((day(2), day(2))));
        assert_eq!(between(Some(day(1)), Some(day(2))), None);
        assert_eq!(between(Some(now + Duration::days(1)), None), None);
        assert_eq!(between(Some(day(367)), Some(day(1))), Some((day(367), day(1))));
        assert_eq!(between(Some(day(368)), Some(day(1))), None);
    }

    #[test]
    fn the_earliest_and_the_latest_times_are_periods_too() {
        let at = |text| parse_rfc3339(text);
        let now = at("2026-11-21T12:00:00Z").unwrap();
        let first = at("0000-01-01T00:00:00Z").unwrap();
        let period = Period::between(None, Some(first), now);
        assert_eq!(period, Ok(Period { from: first, to: first }));
        assert!(Period::between(None, at("9999-12-31T23:59:59.999Z"), now).is_ok());
        assert!(Period::between(at("0000-01-01T00:00:00Z"), None, now).is_err());
    }
}

//! The days and months that quotas are counted by.

use chrono::{Datelike, Months, NaiveDate};

use crate::model::limits::{Quota, QuotaPeriod};
use crate::model::time::Timestamp;
use crate::model::usage::{Hour, Minute};

const MINUTES_A_DAY: i64 = 24 * 60;

/// The bit of a window's number that tells a month from a day.
const MONTH: u32 = 1;

/// A day or a month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tells it from every other day and month.
    pub(super) number: u32,
    /// Its first minute.
    pub start: Minute,
    /// The first minute after it.
    end: Minute,
}

impl Window {
    /// That of a quota, or a day where there is none.
    pub fn of(quota: Option<Quota>, at: Timestamp) -> Self {
        Self::of_period(quota.map_or(QuotaPeriod::Day, |quota| quota.per), at)
    }

    /// That of a period.
    pub(super) fn of_period(period: QuotaPeriod, at: Timestamp) -> Self {
        match period {
            QuotaPeriod::Day => Self::of_day(at),
            QuotaPeriod::Month => Self::of_month(at),
        }
    }

    /// Without a calendar, since every request of a key with limits asks for it.
    fn of_day(at: Timestamp) -> Self {
        let days = Minute::at(at).0.div_euclid(MINUTES_A_DAY);
        let start = days * MINUTES_A_DAY;
        let number = u32::try_from(days).unwrap_or_default() << 1;
        Self { number, start: Minute(start), end: Minute(start + MINUTES_A_DAY) }
    }

    fn of_month(at: Timestamp) -> Self {
        let today = at.moment().date_naive();
        let number = (today.year().unsigned_abs() * 12 + today.month0()) << 1 | MONTH;
        let first = today.with_day(1).unwrap_or(today);
        let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
        Self { number, start: midnight(first), end: midnight(next) }
    }

    /// Its first hour.
    pub fn first_hour(&self) -> Hour {
        self.start.hour()
    }

    /// Whether a time lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        (self.start..self.end).contains(&Minute::at(at))
    }

    /// How long it lasts, in seconds, rounded up.
    pub(super) fn seconds_left(&self, now: Timestamp) -> u32 {
        let left = (self.end.start_ms() - now.0).max(0) as u64;
        u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

/// Whether the window with this number is a day or a month.
pub(super) fn period_of_window(number: u32) -> QuotaPeriod {
    if number & MONTH == 0 { QuotaPeriod::Day } else { QuotaPeriod::Month }
}

fn midnight(day: NaiveDate) -> Minute {
    Minute(i64::from(day.to_epoch_days()) * MINUTES_A_DAY)
}

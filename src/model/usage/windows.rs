//! Minutes, hours, and the rolling windows that are made of them.

use chrono::Duration;

use crate::model::time::{Moment, Timestamp};

/// Whole minutes since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minute(pub i64);

impl Minute {
    /// The minute that contains a moment.
    pub fn of(moment: Moment) -> Self {
        Self::at(Timestamp::of(moment))
    }

    /// The minute that contains a timestamp.
    pub fn at(timestamp: Timestamp) -> Self {
        Self(timestamp.0.div_euclid(60_000))
    }

    /// The start of the minute.
    pub fn start(self) -> Moment {
        Moment::from_timestamp(self.0 * 60, 0).unwrap_or_default()
    }

    /// The start of the minute, in milliseconds since 1970.
    pub fn start_ms(self) -> i64 {
        self.0 * 60_000
    }

    /// The hour that contains the minute.
    pub fn hour(self) -> Hour {
        Hour(self.0.div_euclid(60))
    }
}

/// Whole hours since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hour(pub i64);

impl Hour {
    /// The hour's first minute.
    pub fn first_minute(self) -> Minute {
        Minute(self.0 * 60)
    }

    /// The start of the hour.
    pub fn start(self) -> Moment {
        Moment::from_timestamp(self.0 * 3600, 0).unwrap_or_default()
    }
}

/// How many days the longest window has.
pub const DAYS: usize = 30;

/// Requests in each day of the longest window, the oldest first.
pub type Days = [i64; DAYS];

/// The rolling windows that end now. Each begins at a whole minute or hour, so that no request
/// younger than its length is left out.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// First minute of the 24-hour window.
    pub day: Minute,
    /// First hour of the 7-day window.
    pub week: Hour,
    /// First hour of the 30-day window.
    pub month: Hour,
}

impl Windows {
    /// The windows that end at `now`.
    pub fn ending(now: Moment) -> Self {
        let back = |days| Minute::of(now - Duration::days(days));
        Self { day: back(1), week: back(7).hour(), month: back(30).hour() }
    }

    /// Which of the 30 days of the longest window an hour lies in; the last one also holds the hour
    /// that is not over, and what lies ahead of the clock.
    pub fn day_of(&self, hour: Hour) -> Option<usize> {
        let hours = usize::try_from(hour.0 - self.month.0).ok()?;
        Some((hours / 24).min(DAYS - 1))
    }

    /// The first hour that lies wholly inside the 24-hour window.
    pub fn first_whole_hour(&self) -> Hour {
        Minute(self.day.0 + 59).hour()
    }

    /// The hour before, of which only a part belongs to the 24-hour window, or nothing.
    pub fn part_hour(&self) -> Hour {
        Hour(self.first_whole_hour().0 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_window_begins_at_a_whole_minute_or_hour() {
        let now = parse_rfc3339("2026-11-21T12:34:56.789Z").unwrap();
        let windows = Windows::ending(now);
        assert_eq!(windows.day, Minute::of(now - Duration::hours(24)));
        assert_eq!(windows.week.start(), parse_rfc3339("2026-11-14T12:00:00Z").unwrap());
        assert_eq!(windows.month.start(), parse_rfc3339("2026-10-22T12:00:00Z").unwrap());
    }

    #[test]
    fn every_hour_of_the_longest_window_lies_in_one_of_its_days() {
        let now = parse_rfc3339("2026-11-21T12:34:56.789Z").unwrap();
        let windows = Windows::ending(now);
        let day = |hours: i64| windows.day_of(Hour(windows.month.0 + hours));
        assert_eq!([-1, 0, 23, 24].map(day), [None, Some(0), Some(0), Some(1)]);
        assert_eq!(windows.day_of(Minute::of(now).hour()), Some(29));
        assert_eq!(day(800), Some(29));
    }
}

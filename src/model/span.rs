//! Lengths of time such as `90d`: how filters and rules say how long ago or how far ahead.

use std::fmt;
use std::str::FromStr;

use chrono::{Duration, Months};
use serde_json::{Value, json};

use super::time::Moment;

/// The units, each with the greatest number of them, its short form and its name.
const UNITS: [(Unit, u16, &str, &str); 5] = [
    (Unit::Hours, 9999, "h", "hour"),
    (Unit::Days, 9999, "d", "day"),
    (Unit::Weeks, 999, "w", "week"),
    (Unit::Months, 999, "months", "month"),
    (Unit::Years, 99, "y", "year"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Hours,
    Days,
    Weeks,
    Months,
    Years,
}

/// A number of hours, days, weeks, or months and years of the calendar; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    count: u16,
    unit: Unit,
}

impl Span {
    /// So many days.
    pub const fn days(count: u16) -> Self {
        Self { count, unit: Unit::Days }
    }

    /// The moment that is this long after another.
    pub fn after(self, moment: Moment) -> Moment {
        let later = match self.length() {
            Ok(length) => moment.checked_add_signed(length),
            Err(months) => moment.checked_add_months(months),
        };
        later.unwrap_or(Moment::MAX_UTC)
    }

    /// The moment that is this long before another.
    pub fn before(self, moment: Moment) -> Moment {
        let earlier = match self.length() {
            Ok(length) => moment.checked_sub_signed(length),
            Err(months) => moment.checked_sub_months(months),
        };
        earlier.unwrap_or(Moment::UNIX_EPOCH)
    }

    /// The span as a length, or as months of the calendar, which have none of their own.
    fn length(self) -> Result<Duration, Months> {
        match self.unit {
            Unit::Hours => Ok(Duration::hours(self.count.into())),
            Unit::Days => Ok(Duration::days(self.count.into())),
            Unit::Weeks => Ok(Duration::weeks(self.count.into())),
            Unit::Months => Err(Months::new(self.count.into())),
            Unit::Years => Err(Months::new(u32::from(self.count) * 12)),
        }
    }

    /// The span as people read it: `90 days`.
    pub fn words(self) -> String {
        let name = UNITS.iter().find(|row| row.0 == self.unit).map_or("", |row| row.3);
        let plural = if self.count == 1 { "" } else { "s" };
        format!("{} {name}{plural}", self.count)
    }

    /// The JSON Schema of what is read.
    pub fn schema() -> Value {
        let pattern = "^([1-9][0-9]{0,3}[hd]|[1-9][0-9]{0,2}(w|months)|[1-9][0-9]?y)$";
        json!({"type": "string", "pattern": pattern, "examples": ["90d"]})
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|row| row.2 == unit);
        let span = unit.and_then(|(unit, most, ..)| {
            let count = count.parse().ok().filter(|count| (1..=*most).contains(count))?;
            (!text.starts_with('0')).then_some(Self { count, unit: *unit })
        });
        span.ok_or_else(|| {
            "must be a time such as 90d: 1 to 9999 h or d, 999 w or months, or 99 y".to_owned()
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|row| row.0 == self.unit).map_or("", |row| row.2);
        write!(f, "{}{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{format, parse_rfc3339};

    #[test]
    fn a_span_is_read_counted_and_written() {
        let now = parse_rfc3339("2027-03-31T12:00:00Z").unwrap();
        for (text, words, before, after) in [
            ("36h", "36 hours", "2027-03-30T00:00:00.000Z", "2027-04-02T00:00:00.000Z"),
            ("1d", "1 day", "2027-03-30T12:00:00.000Z", "2027-04-01T12:00:00.000Z"),
            ("2w", "2 weeks", "2027-03-17T12:00:00.000Z", "2027-04-14T12:00:00.000Z"),
            ("1months", "1 month", "2027-02-28T12:00:00.000Z", "2027-04-30T12:00:00.000Z"),
            ("1y", "1 year", "2026-03-31T12:00:00.000Z", "2028-03-31T12:00:00.000Z"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.to_string(), span.words()), (text.to_owned(), words.to_owned()));
            assert_eq!(
                (format(span.before(now)), format(span.after(now))),
                (before.into(), after.into())
            );
        }
        for greatest in ["9999h", "9999d", "999w", "999months", "99y"] {
            let span: Span = greatest.parse().unwrap();
            assert!(span.before(now) < now && span.after(now) > now, "{greatest}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_as_the_schema_says() {
        let schema = Span::schema();
        for wrong in [
            "",
            "d",
            "90",
            "0d",
            "090d",
            "-1d",
            "+1d",
            "1.5d",
            "90 d",
            "90D",
            "90days",
            "10000d",
            "1000w",
            "1000months",
            "100y",
            "1m",
            "1M",
            "1y6months",
            "never",
            "٣d",
            "99999999999999999999d",
        ] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
            assert!(!jsonschema::draft202012::is_valid(&schema, &json!(wrong)), "{wrong}");
        }
        for right in ["1h", "9999d", "999w", "12months", "99y"] {
            assert!(right.parse::<Span>().is_ok(), "{right}");
            assert!(jsonschema::draft202012::is_valid(&schema, &json!(right)), "{right}");
        }
    }
}

//! Moments: UTC to the millisecond, and the ways in which people write one.

use chrono::{
    DateTime, Datelike, Duration, Months, NaiveDate, NaiveTime, SecondsFormat, SubsecRound, Utc,
};

/// A moment in UTC. Those that Bitting makes are truncated to the millisecond.
pub type Moment = DateTime<Utc>;

/// A moment as milliseconds since 1970: what requests are judged and counted by, since that needs no
/// calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// That of a moment.
    pub fn of(moment: Moment) -> Self {
        Self(moment.timestamp_millis())
    }

    /// The moment.
    pub fn moment(self) -> Moment {
        Moment::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

/// Cuts a moment to the millisecond, so that it is the same before and after being stored.
pub fn to_millisecond(moment: Moment) -> Moment {
    moment.trunc_subsecs(3)
}

/// The last day of what ends then: at midnight that is the day before.
pub fn last_day(end: Moment) -> Moment {
    if end.time() == NaiveTime::MIN { end - Duration::days(1) } else { end }
}

/// RFC 3339 in UTC with three decimals, as every answer has it.
pub fn format(moment: Moment) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serializes a moment as [`format()`] writes it.
pub mod rfc3339 {
    use serde::Serializer;

    use super::{Moment, format};

    /// Serializes a moment that is always present.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*moment))
    }

    /// Serializes an optional moment as [`format()`] writes it, or as null.
    pub mod option {
        use serde::Serializer;

        use super::super::{Moment, format};

        /// Serializes null, or the moment.
        ///
        /// # Errors
        /// Only the serializer's own.
        pub fn serialize<S: Serializer>(
            moment: &Option<Moment>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match moment {
                Some(moment) => serializer.serialize_str(&format(*moment)),
                None => serializer.serialize_none(),
            }
        }
    }
}

/// Reads RFC 3339 with an offset, strictly: a `T`, no leap second, years up to 9999, in UTC too.
pub fn parse_rfc3339(text: &str) -> Option<Moment> {
    let written = DateTime::parse_from_rfc3339(text).ok()?;
    let leap_second = written.timestamp_subsec_nanos() >= 1_000_000_000;
    let separated = text.as_bytes().get(10) == Some(&b'T');
    let moment = to_millisecond(written.to_utc());
    let written_alike = (0..=9999).contains(&moment.year());
    (separated && !leap_second && written_alike).then_some(moment)
}

/// Reads a day as `2027-01-31` and in no other way; years from 1 to 9999, which both databases store.
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    let written = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    day.filter(|day| written && (1..=9999).contains(&day.year()) && day.to_string() == text)
}

/// The midnight in UTC that ends a day; of the last day there is, the last moment that can be written.
pub fn end_of_day(day: NaiveDate) -> Moment {
    let midnight = day.and_time(NaiveTime::MIN).and_utc() + Duration::days(1);
    if midnight.year() > 9999 { midnight - Duration::milliseconds(1) } else { midnight }
}

/// Reads an expiry as people type it: `90d`, `1y`, `2027-01-31` (the midnight UTC that ends that
/// day), RFC 3339, or `never`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse_expiry(text: &str, now: Moment) -> Result<Option<Moment>, String> {
    let text = text.trim();
    if text == "never" {
        return Ok(None);
    }
    if let Some(day) = parse_day(text) {
        return Ok(Some(end_of_day(day)));
    }
    if let Some(moment) = parse_rfc3339(text) {
        return Ok(Some(moment));
    }
    let span = Span::parse(text).map_err(|why| why.unwrap_or_else(|| expiry_hint(text)))?;
    let is_end = |end: &Moment| *end > now && end.year() <= 9999;
    let end = span.after(now).filter(is_end).ok_or_else(|| expiry_hint(text))?;
    Ok(Some(to_millisecond(end)))
}

fn expiry_hint(text: &str) -> String {
    format!(
        "{text:?} is not an expiry; give a time from now (90d, 12months, 1y), a date (2027-01-31), an RFC 3339 time (2027-01-31T12:00:00Z) or never"
    )
}

/// A span as people write it. Years and months are those of the calendar.
struct Span {
    months: Months,
    rest: Duration,
}

impl Span {
    /// Reads `1y`, `18months`, `90d`, `1y 2w`.
    ///
    /// # Errors
    /// A sentence, where there is more to say than that it is no span.
    fn parse(text: &str) -> Result<Self, Option<String>> {
        refuse_capital_m(text)?;
        let (mut months, mut rest) = (0_u32, String::new());
        for (count, unit) in counts(text).ok_or(None)? {
            let months_each = match unit {
                "y" | "yr" | "yrs" | "year" | "years" => 12,
                "month" | "months" => 1,
                _ => {
                    rest = format!("{rest} {count}{unit}");
                    continue;
                }
            };
            let of_unit =
                count.parse::<u32>().ok().and_then(|count| count.checked_mul(months_each));
            months = of_unit.and_then(|more| months.checked_add(more)).ok_or(None)?;
        }
        let rest = match rest.as_str() {
            "" => std::time::Duration::ZERO,
            rest => humantime::parse_duration(rest.trim()).map_err(|_| None)?,
        };
        Ok(Self { months: Months::new(months), rest: Duration::from_std(rest).map_err(|_| None)? })
    }

    fn after(self, now: Moment) -> Option<Moment> {
        now.checked_add_months(self.months)?.checked_add_signed(self.rest)
    }
}

/// The numbers of a text, each with the unit behind it.
fn counts(text: &str) -> Option<Vec<(&str, &str)>> {
    let (mut parts, mut text) = (Vec::new(), text);
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (count, after) = text.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, left) = after.split_at(letters);
        if count.is_empty() || unit.is_empty() {
            return None;
        }
        parts.push((count, unit));
        text = left.trim_start();
    }
    Some(parts)
}

/// Reads a length of time, such as `250ms`, `5s` or `1h`.
///
/// # Errors
/// A sentence, where there is more to say than that it is none.
pub fn parse_length(text: &str) -> Result<std::time::Duration, Option<String>> {
    refuse_capital_m(text)?;
    humantime::parse_duration(text).map_err(|_| None)
}

/// An `M` that only its case tells from the `m` of minutes is not guessed at.
fn refuse_capital_m(text: &str) -> Result<(), String> {
    if counts(text).is_some_and(|parts| parts.iter().any(|(_, unit)| *unit == "M")) {
        return Err(format!("{text:?} may mean months or minutes; write months or min"));
    }
    Ok(())
}

/// The longest life of a credential.
#[derive(Debug, Clone, Copy)]
pub enum LongestLife {
    /// The limit of API keys.
    TenYears,
    /// The limit of admin tokens.
    OneYear,
}

impl LongestLife {
    /// The latest expiry.
    pub fn latest(self, now: Moment) -> Moment {
        let months = match self {
            Self::TenYears => 120,
            Self::OneYear => 12,
        };
        now.checked_add_months(Months::new(months)).unwrap_or(Moment::MAX_UTC)
    }

    /// Refuses an expiry that is not in the future, or too far in it.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn check(self, expires_at: Moment, now: Moment) -> Result<Moment, String> {
        let words = match self {
            Self::TenYears => "10 years",
            Self::OneYear => "a year",
        };
        if expires_at <= now {
            Err("must be in the future".to_owned())
        } else if expires_at > self.latest(now) {
            Err(format!("must be at most {words} away"))
        } else {
            Ok(expires_at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        parse_rfc3339(text).unwrap()
    }

    #[test]
    fn only_strict_rfc3339_is_read() {
        assert_eq!(format(at("2026-11-21T12:00:00.1239+02:00")), "2026-11-21T10:00:00.123Z");
        for wrong in [
            "2026-11-21T24:00:00Z",
            "2026-12-31T23:59:60Z",
            "2026-11-21 12:00:00Z",
            "2026-11-21T12:00:00",
            "+10000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "2026-11-21",
            "",
            "0",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_expiry_is_read_as_people_type_it() {
        let now = at("2026-11-21T12:00:00Z");
        let read = |text: &str| parse_expiry(text, now).map(|end| end.map(format));
        assert_eq!(read("90d"), Ok(Some("2027-02-19T12:00:00.000Z".into())));
        assert_eq!(read("2027-01-31"), Ok(Some("2027-02-01T00:00:00.000Z".into())));
        assert_eq!(read("2027-01-31T12:00:00+01:00"), Ok(Some("2027-01-31T11:00:00.000Z".into())));
        assert_eq!(read("never"), Ok(None));
        for wrong in [
            "",
            "0",
            "0d",
            "0y",
            "90",
            "d",
            "tomorrow",
            "2027-02-30",
            "NEVER",
            "999999999999d",
            "8000y",
            "-9999-01-1",
            "99999999999y",
            "1.5y",
            "-1y",
            "1y 90",
            "1fortnight",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_has_ten_characters_and_a_year_that_both_databases_store() {
        let end = |text: &str| parse_day(text).map(|day| format(end_of_day(day)));
        assert_eq!(end("2027-01-31").unwrap(), "2027-02-01T00:00:00.000Z");
        assert_eq!(end("0001-01-01").unwrap(), "0001-01-02T00:00:00.000Z");
        assert_eq!(end("9999-12-30").unwrap(), "9999-12-31T00:00:00.000Z");
        assert_eq!(end("9999-12-31").unwrap(), "9999-12-31T23:59:59.999Z");
        for wrong in [
            "-9999-01-1",
            "-4800-1-01",
            "+2027-01-1",
            "2027-01-1 ",
            " 2027-1-31",
            "0000-01-01",
            "2027-02-30",
            "10000-01-1",
            "2027/01/31",
            "2027-001-1",
            "",
        ] {
            assert_eq!(end(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn years_and_months_are_those_of_the_calendar() {
        let read =
            |now: &str, text: &str| parse_expiry(text, at(now)).unwrap().map(format).unwrap();
        for (now, text, end) in [
            ("2026-11-21T12:00:00Z", "1y", "2027-11-21T12:00:00.000Z"),
            ("2026-11-21T12:00:00Z", " 12months ", "2027-11-21T12:00:00.000Z"),
            ("2027-11-21T12:00:00Z", "1year", "2028-11-21T12:00:00.000Z"),
            ("2027-01-31T12:00:00Z", "1month", "2027-02-28T12:00:00.000Z"),
            ("2028-02-29T12:00:00Z", "1y", "2029-02-28T12:00:00.000Z"),
            ("2026-11-21T12:00:00Z", "1y6months", "2028-05-21T12:00:00.000Z"),
            ("2026-11-21T12:00:00Z", "1 y 2 days 3h", "2027-11-23T15:00:00.000Z"),
            ("2026-11-21T12:00:00Z", "10min", "2026-11-21T12:10:00.000Z"),
            ("2026-11-21T12:00:00Z", "10m", "2026-11-21T12:10:00.000Z"),
        ] {
            assert_eq!(read(now, text), end, "{text} from {now}");
        }
        for now in ["2026-11-21T12:00:00Z", "2027-11-21T12:00:00Z", "2028-02-29T00:00:00Z"] {
            for year in ["1y", "12months", "365d"] {
                let end = at(&read(now, year));
                assert_eq!(LongestLife::OneYear.check(end, at(now)), Ok(end), "{year} from {now}");
            }
        }
    }

    #[test]
    fn a_capital_m_is_refused_with_what_to_write() {
        for text in ["1M", "1 M", "1y 6M"] {
            let why = parse_expiry(text, at("2026-11-21T12:00:00Z")).unwrap_err();
            assert!(why.contains("write months or min"), "{text}: {why}");
            assert_eq!(parse_length(text).unwrap_err(), Some(why));
        }
        assert_eq!(parse_length("250ms"), Ok(std::time::Duration::from_millis(250)));
        assert_eq!(parse_length("soon"), Err(None));
    }

    #[test]
    fn a_life_has_bounds() {
        let now = at("2026-11-21T12:00:00Z");
        assert!(LongestLife::TenYears.check(now, now).is_err());
        assert!(LongestLife::TenYears.check(at("2036-11-21T12:00:00Z"), now).is_ok());
        assert!(LongestLife::TenYears.check(at("2036-11-21T12:00:00.001Z"), now).is_err());
        assert!(LongestLife::OneYear.check(now + Duration::days(365), now).is_ok());
        assert!(LongestLife::OneYear.check(now + Duration::days(366), now).is_err());
    }
}

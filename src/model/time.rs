//! Moments: UTC to the millisecond, and the ways in which people write one.

use chrono::{DateTime, Datelike, Duration, Months, NaiveDate, SecondsFormat, SubsecRound, Utc};

/// A moment in UTC. Those that Bitting makes are truncated to the millisecond.
pub type Moment = DateTime<Utc>;

/// Cuts a moment to the millisecond, so that it is the same before and after being stored.
pub fn to_millisecond(moment: Moment) -> Moment {
    moment.trunc_subsecs(3)
}

/// RFC 3339 in UTC with three decimals, as every answer has it.
pub fn format(moment: Moment) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serializes a moment as [`format()`] writes it.
pub mod rfc3339 {
    use serde::Serializer;

    use super::{Moment, format};

    /// For a field that is always there.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*moment))
    }

    /// For a field that may be null.
    pub mod option {
        use serde::Serializer;

        use super::super::{Moment, format};

        /// Null, or the moment.
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

/// Reads an expiry as people type it: `90d`, `12h`, `2027-01-31` (the midnight UTC that ends that
/// day), RFC 3339, or `never`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse_expiry(text: &str, now: Moment) -> Result<Option<Moment>, String> {
    if text == "never" {
        return Ok(None);
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let end = day.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0));
        return end.map(|end| Some(end.and_utc())).ok_or_else(|| expiry_hint(text));
    }
    if let Some(moment) = parse_rfc3339(text) {
        return Ok(Some(moment));
    }
    let span = humantime::parse_duration(text).map_err(|_| expiry_hint(text))?;
    let span = Duration::from_std(span).ok().filter(|span| !span.is_zero());
    let span = span.ok_or_else(|| expiry_hint(text))?;
    let end = now.checked_add_signed(span).ok_or_else(|| expiry_hint(text))?;
    Ok(Some(to_millisecond(end)))
}

fn expiry_hint(text: &str) -> String {
    format!(
        "{text:?} is no expiry: give a time from now (90d), a date (2027-01-31), an RFC 3339 time (2027-01-31T12:00:00Z) or never"
    )
}

/// How long a thing may live at most.
#[derive(Debug, Clone, Copy)]
pub enum LongestLife {
    /// API keys.
    TenYears,
    /// Admin tokens.
    OneYear,
}

impl LongestLife {
    /// Refuses an expiry that is not in the future, or too far in it.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn check(self, expires_at: Moment, now: Moment) -> Result<Moment, String> {
        let (latest, words) = match self {
            Self::TenYears => (now.checked_add_months(Months::new(120)), "10 years"),
            Self::OneYear => (now.checked_add_signed(Duration::days(365)), "365 days"),
        };
        let latest = latest.unwrap_or(Moment::MAX_UTC);
        if expires_at <= now {
            Err("must be in the future".to_owned())
        } else if expires_at > latest {
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
        for wrong in ["", "0", "90", "tomorrow", "2027-02-30", "NEVER", "999999999999d"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
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

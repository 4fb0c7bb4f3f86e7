//! Rotating a key: replacing it by one like it, while both are good for a time.

use chrono::Duration;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::FieldErrors;
use super::fields::{FieldReader, as_text};
use super::key::{ApiKey, read_expiry};
use super::policy::Policy;
use super::time::{LongestLife, Moment, parse_length};

/// How long both keys are good unless said.
const USUAL_OVERLAP: Duration = Duration::days(7);
/// The longest time for which both keys are good.
const LONGEST_OVERLAP: Duration = Duration::days(90);

/// How a key is to be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct RotateRequest {
    /// How long the old key stays good beside the new one, if it does not expire before: 0 to 90
    /// days, such as `7d` or `12h`; 7 days unless given.
    #[schemars(with = "Option<String>")]
    pub overlap: Duration,
    /// When the new key expires. Unless given, it lives as long as the old one was to live.
    pub expires_at: Option<Moment>,
}

impl RotateRequest {
    /// Reads `overlap` and `expires_at`.
    pub fn read(reader: &mut FieldReader<'_>, now: Moment) -> Option<Self> {
        let overlap = reader.parsed("overlap", overlap_schema, read_overlap);
        let expires_at = read_expiry(reader, LongestLife::TenYears, now);
        Some(Self { overlap: overlap.unwrap_or(USUAL_OVERLAP), expires_at })
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>, now: Moment) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let request = Self::read(&mut reader, now);
        reader.finish(request)
    }

    /// When the old key ends: after the overlap, or before by its own expiry.
    pub fn end_of_old(&self, old: &ApiKey, now: Moment) -> Moment {
        let end = now + self.overlap;
        old.expires_at.map_or(end, |own| own.min(end))
    }

    /// When the new key expires: when that was asked for, or after as long a life as the old one was
    /// to have, if the policy allows it.
    pub fn end_of_new(&self, old: &ApiKey, policy: &Policy, now: Moment) -> Option<Moment> {
        let as_long = || {
            let life = old.expires_at? - old.created_at;
            Some((now + life).min(LongestLife::TenYears.latest(now)))
        };
        self.expires_at.or_else(|| policy.shortened(as_long(), now))
    }
}

/// The overlaps that need no thought: every text of this pattern is one.
fn overlap_schema() -> Value {
    json!({
        "type": "string",
        "pattern": "^(0|[0-9]{1,5}[sm]|[0-9]{1,3}h|([0-8]?[0-9]|90)d)$",
    })
}

fn read_overlap(value: &Value) -> Result<Duration, String> {
    let read = |text: &str| match text.trim() {
        "0" => Ok(Duration::zero()),
        text => {
            parse_length(text).map(|length| Duration::from_std(length).unwrap_or(Duration::MAX))
        }
    };
    match read(as_text(value)?) {
        Ok(overlap) if overlap <= LONGEST_OVERLAP => Ok(overlap),
        Err(Some(why)) => Err(format!("is unclear: {why}")),
        Ok(_) | Err(None) => Err("must be a time from 0 to 90d, such as 7d or 12h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_0_to_90_days() {
        let read = |text: &str| read_overlap(&json!(text));
        for (text, overlap) in [
            ("0", Duration::zero()),
            ("0d", Duration::zero()),
            ("1ms", Duration::milliseconds(1)),
            ("12h", Duration::hours(12)),
            (" 7d ", Duration::days(7)),
            ("1w 1d", Duration::days(8)),
            ("99999m", Duration::minutes(99_999)),
            ("90d", Duration::days(90)),
            ("2160h", Duration::days(90)),
        ] {
            assert_eq!(read(text), Ok(overlap), "{text}");
        }
        for text in [
            "",
            "7",
            "-1d",
            "91d",
            "90d 1ms",
            "2161h",
            "soon",
            "1M",
            "7 d d",
            "9999999999999999999y",
            "1e3d",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("1M").unwrap_err().contains("write months or min"));
        assert_eq!(read_overlap(&json!(7)), Err("must be a string".to_owned()));
    }
}

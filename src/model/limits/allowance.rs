//! So many requests in such a time: rate limits and quotas.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::schema::described;
use crate::model::words::{Word, choice, words};

/// The most requests that a limit can name.
pub const MOST_REQUESTS: u32 = 1_000_000_000;

words! {
    /// The time that a rate limit is over.
    RatePeriod {
        /// A second.
        Second = "second",
        /// 60 seconds.
        Minute = "minute",
        /// 3600 seconds.
        Hour = "hour",
    }
}

impl RatePeriod {
    /// Its length.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

words! {
    /// The time that a quota is for.
    QuotaPeriod {
        /// A day of the calendar, in UTC.
        Day = "day",
        /// A month of the calendar, in UTC.
        Month = "month",
    }
}

impl QuotaPeriod {
    /// Its length; of months the longest one's.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Day => 24 * 3600,
            Self::Month => 31 * 24 * 3600,
        }
    }
}

/// So many requests in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Allowance<P> {
    /// How many, from 1 to [`MOST_REQUESTS`].
    pub requests: u32,
    /// In which time.
    pub per: P,
}

/// How fast a key may be used: so many requests at once, and as many again in each period.
pub type RateLimit = Allowance<RatePeriod>;
/// How many requests of a key are accepted in a period of the calendar.
pub type Quota = Allowance<QuotaPeriod>;

impl<P: Word> Allowance<P> {
    fn new(requests: Option<u32>, per: &str) -> Result<Self, String> {
        let requests = requests.filter(|n| (1..=MOST_REQUESTS).contains(n));
        let requests = requests.ok_or_else(|| format!("must be 1 to {MOST_REQUESTS} requests"))?;
        let per = P::parse(per).ok_or_else(|| format!("must be per {}", P::choices()))?;
        Ok(Self { requests, per })
    }

    /// Reads `{"requests": 600, "per": "minute"}`, or `"600/minute"`.
    pub(in crate::model) fn read(value: &Value) -> Result<Self, String> {
        if let Some(text) = value.as_str() {
            return text.parse();
        }
        let expected = || {
            let per = first_word::<P>();
            format!(r#"must be an object such as {{"requests": 600, "per": "{per}"}}"#)
        };
        let object = value.as_object().ok_or_else(expected)?;
        if let Some(other) = object.keys().find(|name| !["requests", "per"].contains(&&***name)) {
            return Err(format!("has a member {other:?}; its members are requests and per"));
        }
        let requests = object.get("requests").and_then(Value::as_f64);
        let whole =
            requests.filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n));
        let per = object.get("per").and_then(Value::as_str).unwrap_or_default();
        Self::new(whole.map(|n| n as u32), per)
    }

    /// The schema of what is answered.
    fn schema() -> Value {
        json!({
            "type": "object", "required": ["requests", "per"], "additionalProperties": false,
            "properties": {
                "requests": {
                    "type": "integer", "minimum": 1, "maximum": MOST_REQUESTS,
                    "description": "How many requests.",
                },
                "per": choice::<P>(),
            },
        })
    }
}

fn first_word<P: Word>() -> &'static str {
    P::ALL.first().map_or("", |word| word.as_str())
}

/// Of two limits the one that lets less through in the long run, and of such the one with less at once.
pub fn lower<P: Copy>(
    one: Option<Allowance<P>>,
    other: Option<Allowance<P>>,
    seconds: fn(P) -> u32,
) -> Option<Allowance<P>> {
    let pace = |limit: &Allowance<P>| f64::from(limit.requests) / f64::from(seconds(limit.per));
    let lower = |one: &Allowance<P>, other: &Allowance<P>| {
        pace(one).total_cmp(&pace(other)).then(one.requests.cmp(&other.requests))
    };
    [one, other].into_iter().flatten().min_by(lower)
}

impl<P: Word> Allowance<P> {
    /// The schema of what is read.
    pub(super) fn input_schema() -> Value {
        let periods: Vec<&str> = P::ALL.iter().map(|per| per.as_str()).collect();
        let mut schema = Self::schema();
        schema["type"] = json!(["object", "string"]);
        schema["pattern"] =
            format!("^(1000000000|[1-9][0-9]{{0,8}})/({})$", periods.join("|")).into();
        schema["description"] = format!("As text: `600/{}`.", first_word::<P>()).into();
        schema
    }
}

impl<P: Word> Display for Allowance<P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.per.as_str())
    }
}

/// Reads `600/minute`.
impl<P: Word> FromStr for Allowance<P> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("must be requests and a time, such as 600/{}", first_word::<P>());
        let (requests, per) = text.split_once('/').ok_or_else(expected)?;
        let read = Self::new(requests.parse().ok(), per)?;
        // One spelling: no sign, and no zeros in front.
        if read.to_string() == text { Ok(read) } else { Err(expected()) }
    }
}

described!(RateLimit, "RateLimit", RateLimit::schema());
described!(Quota, "Quota", Quota::schema());

//! Usage: what a request is counted as, and the figures over 24 hours, 7 days and 30 days.

mod windows;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, json};

use super::catalog::ResourceNumber;
use super::key::KeyNumber;
use super::schema::from_value;
use super::scope::Access;
use super::time;
use super::time::Moment;
use super::words::{Word, words};

pub use windows::{DAYS, Days, Hour, Minute, Windows};

words! {
    /// How a request ended.
    Outcome {
        /// Answered with 2xx or 3xx.
        Ok = "ok",
        /// Answered with 4xx, or the client went away before the answer.
        ClientError = "client_error",
        /// Answered with 5xx.
        ServerError = "server_error",
        /// Refused with 403: the key lacks the right.
        Forbidden = "forbidden",
        /// Refused with 429.
        RateLimited = "rate_limited",
        /// Refused because the key was revoked or had expired.
        Retired = "retired",
    }
}

impl Outcome {
    /// Whether the request was let through to what answers it.
    pub fn is_accepted(self) -> bool {
        match self {
            Self::Ok | Self::ClientError | Self::ServerError => true,
            Self::Forbidden | Self::RateLimited | Self::Retired => false,
        }
    }

    /// What an answered request of a live key counts as.
    pub fn of_status(status: u16) -> Self {
        match status {
            403 => Self::Forbidden,
            429 => Self::RateLimited,
            500.. => Self::ServerError,
            400..=499 => Self::ClientError,
            _ => Self::Ok,
        }
    }
}

/// What a request is counted under: resource, access and outcome, as one small number.
///
/// The number is stored: resource × 16 + access × 8 + outcome, resource 0 being "other".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell(u16);

impl Cell {
    /// The cell of a request; a path of no resource counts as other.
    pub fn new(resource: Option<ResourceNumber>, access: Access, outcome: Outcome) -> Self {
        let resource = resource.map_or(0, |resource| resource.0);
        Self(resource << 4 | (access as u16) << 3 | outcome as u16)
    }

    /// The number as it is stored.
    pub fn number(self) -> i64 {
        self.0.into()
    }

    /// Reads a stored number; `None` for one that this program never wrote.
    pub fn from_number(number: i64) -> Option<Self> {
        let cell = Self(u16::try_from(number).ok()?);
        let known = usize::from(cell.0 & 7) < Outcome::ALL.len();
        known.then_some(cell)
    }

    /// How the requests ended.
    pub fn outcome(self) -> Outcome {
        Outcome::ALL[usize::from(self.0 & 7)]
    }

    /// Whether a quota that is read from the figures counts the requests: they were let through. Of no
    /// resource are also those for a path or method that there is not, with which nothing was done.
    pub fn is_accepted(self) -> bool {
        self.outcome().is_accepted() && !Self::of_nothing().contains(&self)
    }

    /// The cells of requests of no resource that their clients got wrong.
    pub fn of_nothing() -> [Self; 2] {
        Access::ALL.map(|access| Self::new(None, access, Outcome::ClientError))
    }

    /// The resource; `None` for paths of none.
    pub fn resource(self) -> Option<ResourceNumber> {
        Some(ResourceNumber(self.0 >> 4)).filter(|number| number.0 > 0)
    }

    /// Whether they were to read or to write.
    pub fn access(self) -> Access {
        Access::ALL[usize::from(self.0 >> 3 & 1)]
    }
}

/// The keys whose requests are asked for.
#[derive(Debug, Clone, Copy)]
pub enum KeySelection<'a> {
    /// The requests of these keys.
    Only(&'a [KeyNumber]),
    /// The requests of all keys.
    All,
}

/// Requests of one key in one minute and one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The key whose requests these are.
    pub key: KeyNumber,
    /// The minute in which they were judged.
    pub minute: Minute,
    /// The resource, access and outcome they were counted under.
    pub cell: Cell,
    /// The number of requests.
    pub n: i64,
    /// When the last of them was judged, in milliseconds since 1970.
    pub last_at: i64,
}

impl Count {
    /// Puts counters in the order of the minute rows' primary key, and those of one row into one. Many
    /// are in order already, which a stable sort makes use of.
    pub fn merge(counts: &mut Vec<Count>) {
        counts.sort_by_key(|count| (count.minute, count.key, count.cell));
        counts.dedup_by(|next, kept| {
            let same = (next.minute, next.key, next.cell) == (kept.minute, kept.key, kept.cell);
            if same {
                kept.n += next.n;
                kept.last_at = kept.last_at.max(next.last_at);
            }
            same
        });
    }
}

/// Requests by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally([i64; Outcome::ALL.len()]);

impl Tally {
    /// Adds `n` requests.
    pub fn add(&mut self, outcome: Outcome, n: i64) {
        self.0[outcome as usize] += n;
    }

    /// The number of requests, whatever their outcome.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// The number of requests with this outcome.
    pub fn of(&self, outcome: Outcome) -> i64 {
        self.0[outcome as usize]
    }
}

pub(super) fn tally_entries<M: SerializeMap>(tally: &Tally, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("total", &tally.total())?;
    for outcome in Outcome::ALL {
        map.serialize_entry(outcome.as_str(), &tally.of(*outcome))?;
    }
    Ok(())
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        tally_entries(self, &mut map)?;
        map.end()
    }
}

pub(super) fn tally_schema() -> Schema {
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let mut counts = Map::from_iter([("total".to_owned(), count("All of them."))]);
    for outcome in Outcome::ALL {
        counts.insert(outcome.as_str().to_owned(), count(outcome.about()));
    }
    let required: Vec<&String> = counts.keys().collect();
    from_value(json!({
        "type": "object", "description": "Requests by outcome.",
        "required": required, "properties": counts,
    }))
}

impl JsonSchema for Tally {
    fn schema_name() -> Cow<'static, str> {
        "Tally".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        tally_schema()
    }
}

/// Something of each window, named as everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "{T}ByWindow")]
pub struct PerWindow<T> {
    /// The last 24 hours, exact to the minute.
    #[serde(rename = "24h")]
    pub day: T,
    /// The last 7 days, exact to the hour.
    #[serde(rename = "7d")]
    pub week: T,
    /// The last 30 days, exact to the hour.
    #[serde(rename = "30d")]
    pub month: T,
}

/// A key's figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests in each window.
    pub windows: PerWindow<Tally>,
    /// All requests the key ever made.
    pub lifetime: Tally,
    /// The last request of the key while it was live, in milliseconds since 1970.
    last_used_at: Option<i64>,
}

/// How much of a count falls into each window.
#[derive(Debug, Clone, Copy, Default)]
pub struct Share {
    /// The part within the last 24 hours.
    pub day: i64,
    /// The part within the last 7 days.
    pub week: i64,
    /// The part within the last 30 days.
    pub month: i64,
    /// The whole count.
    pub lifetime: i64,
}

impl Usage {
    /// Adds what was counted under one cell.
    pub fn add(&mut self, cell: Cell, share: Share, last_at: i64) {
        let outcome = cell.outcome();
        self.windows.day.add(outcome, share.day);
        self.windows.week.add(outcome, share.week);
        self.windows.month.add(outcome, share.month);
        self.lifetime.add(outcome, share.lifetime);
        if outcome != Outcome::Retired {
            self.last_used_at = self.last_used_at.max(Some(last_at));
        }
    }

    /// Adds a count that is not in the hour rows yet.
    pub fn add_minute(&mut self, count: &Count, windows: &Windows) {
        let within = |inside: bool| if inside { count.n } else { 0 };
        let hour = count.minute.hour();
        let share = Share {
            day: within(count.minute >= windows.day),
            week: within(hour >= windows.week),
            month: within(hour >= windows.month),
            lifetime: count.n,
        };
        self.add(count.cell, share, count.last_at);
    }

    /// When the key was last used before it expired or was revoked.
    pub fn last_used_at(&self) -> Option<Moment> {
        self.last_used_at.and_then(Moment::from_timestamp_millis)
    }
}

/// An address a key was used from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Source {
    /// The client's address.
    pub address: String,
    /// What it called itself.
    pub user_agent: Option<String>,
    /// When it was last noted.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub at: Moment,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cell() -> impl Strategy<Value = Cell> {
        (0u16..4096, 0usize..2, 0usize..6).prop_map(|(resource, access, outcome)| {
            let resource = Some(ResourceNumber(resource)).filter(|number| number.0 > 0);
            Cell::new(resource, Access::ALL[access], Outcome::ALL[outcome])
        })
    }

    #[test]
    fn a_refused_retired_key_is_no_use_of_it() {
        let mut usage = Usage::default();
        let cell = Cell::new(None, Access::Read, Outcome::Retired);
        usage.add(cell, Share { day: 1, week: 1, month: 1, lifetime: 1 }, 1000);
        assert_eq!((usage.lifetime.total(), usage.last_used_at()), (1, None));
    }

    proptest! {
        #[test]
        fn a_cell_survives_its_number(cell in any_cell()) {
            prop_assert_eq!(Cell::from_number(cell.number()), Some(cell));
        }
    }
}

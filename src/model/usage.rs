//! Usage: what a request is counted as, and the figures over 24 hours, 7 days and 30 days.

mod windows;

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::key::KeyNumber;
use super::scope::{Access, Resource};
use super::time::{self, Moment};
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

/// What stands for a path of no resource.
pub const OTHER: &str = "other";

/// What a request is counted under: resource, access and outcome, as one small number.
///
/// The number is stored: resource × 16 + access × 8 + outcome, resource 0 being "other".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell(u16);

impl Cell {
    /// The cell of a request; a path of no resource counts as other.
    pub fn new(resource: Option<Resource>, access: Access, outcome: Outcome) -> Self {
        let resource = resource.map_or(0, |resource| resource as u16);
        Self(resource << 4 | (access as u16) << 3 | outcome as u16)
    }

    /// The number as it is stored.
    pub fn number(self) -> i64 {
        self.0.into()
    }

    /// Reads a stored number; `None` for one that this program never wrote.
    pub fn from_number(number: i64) -> Option<Self> {
        let cell = Self(u16::try_from(number).ok()?);
        let known = cell.0 >> 4 <= Resource::ALL.len() as u16
            && usize::from(cell.0 & 7) < Outcome::ALL.len();
        known.then_some(cell)
    }

    /// How the requests ended.
    pub fn outcome(self) -> Outcome {
        Outcome::ALL[usize::from(self.0 & 7)]
    }

    /// The name under which the resource is shown.
    fn resource_name(self) -> &'static str {
        let known = Resource::ALL.into_iter().find(|resource| *resource as u16 == self.0 >> 4);
        known.map_or(OTHER, Resource::as_str)
    }

    fn access(self) -> Access {
        Access::ALL[usize::from(self.0 >> 3 & 1)]
    }
}

/// Requests of one key in one minute and one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Whose.
    pub key: KeyNumber,
    /// When.
    pub minute: Minute,
    /// What.
    pub cell: Cell,
    /// How many.
    pub n: i64,
    /// The last of them, in milliseconds since 1970.
    pub last_at: i64,
}

/// Requests by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally([i64; Outcome::ALL.len()]);

impl Tally {
    /// Adds `n` requests.
    pub fn add(&mut self, outcome: Outcome, n: i64) {
        self.0[outcome as usize] += n;
    }

    /// All of them.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// Those that ended so.
    pub fn of(&self, outcome: Outcome) -> i64 {
        self.0[outcome as usize]
    }
}

fn tally_entries<M: SerializeMap>(tally: &Tally, map: &mut M) -> Result<(), M::Error> {
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

/// Something of each window, named as everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
    /// All requests ever.
    pub lifetime: Tally,
    /// The last request of the key while it was live, in milliseconds since 1970.
    last_used_at: Option<i64>,
}

/// How much of a count lies in which window.
#[derive(Debug, Clone, Copy, Default)]
pub struct Share {
    /// In the last 24 hours.
    pub day: i64,
    /// In the last 7 days.
    pub week: i64,
    /// In the last 30 days.
    pub month: i64,
    /// Ever.
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

    /// When the key was last used while it was live.
    pub fn last_used_at(&self) -> Option<Moment> {
        self.last_used_at.and_then(Moment::from_timestamp_millis)
    }
}

/// Requests of one window: by outcome, by resource and access, and over time.
#[derive(Debug, Clone, Default)]
pub struct Breakdown {
    tally: Tally,
    by_resource: BTreeMap<&'static str, ByAccess>,
    series: BTreeMap<Moment, Tally>,
}

/// Requests of one resource.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByAccess {
    /// Those that read.
    pub read: Tally,
    /// Those that write.
    pub write: Tally,
}

impl Serialize for ByAccess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("read", &self.read.total())?;
        map.serialize_entry("write", &self.write.total())?;
        map.end()
    }
}

#[derive(Serialize)]
struct Point {
    #[serde(with = "time::rfc3339")]
    start: Moment,
    total: i64,
}

impl Breakdown {
    /// A window with its points of time, all empty yet.
    pub fn over(starts: impl Iterator<Item = Moment>) -> Self {
        Self { series: starts.map(|start| (start, Tally::default())).collect(), ..Self::default() }
    }

    /// Adds requests made at a moment inside the window.
    pub fn add(&mut self, cell: Cell, at: Moment, n: i64) {
        self.tally.add(cell.outcome(), n);
        let by_access = self.by_resource.entry(cell.resource_name()).or_default();
        match cell.access() {
            Access::Read => by_access.read.add(cell.outcome(), n),
            Access::Write => by_access.write.add(cell.outcome(), n),
        }
        if let Some((_, tally)) = self.series.range_mut(..=at).next_back() {
            tally.add(cell.outcome(), n);
        }
    }

    /// Requests by outcome.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Requests by the name of the resource; only of those that had any.
    pub fn by_resource(&self) -> &BTreeMap<&'static str, ByAccess> {
        &self.by_resource
    }

    /// Requests by the start of each hour or day.
    pub fn series(&self) -> &BTreeMap<Moment, Tally> {
        &self.series
    }
}

impl Serialize for Breakdown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points =
            self.series.iter().map(|(start, tally)| Point { start: *start, total: tally.total() });
        let mut map = serializer.serialize_map(None)?;
        tally_entries(&self.tally, &mut map)?;
        map.serialize_entry("by_resource", &self.by_resource)?;
        map.serialize_entry("series", &points.collect::<Vec<_>>())?;
        map.end()
    }
}

/// An address a key was used from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The client's address.
    pub address: String,
    /// What it called itself.
    pub user_agent: Option<String>,
    /// When it was last noted.
    #[serde(with = "time::rfc3339")]
    pub at: Moment,
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;
    use crate::model::time::parse_rfc3339;

    fn any_cell() -> impl Strategy<Value = Cell> {
        (0usize..8, 0usize..2, 0usize..6).prop_map(|(resource, access, outcome)| {
            let resource = resource.checked_sub(1).map(|n| Resource::ALL[n]);
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

        #[test]
        fn a_series_holds_exactly_the_total(adds in prop::collection::vec((any_cell(), 0i64..3600 * 24, 1i64..9), 0..50)) {
            let start = parse_rfc3339("2026-11-21T00:00:00Z").unwrap();
            let mut breakdown = Breakdown::over((0..24).map(|hour| start + Duration::hours(hour)));
            for (cell, second, n) in adds {
                breakdown.add(cell, start + Duration::seconds(second), n);
            }
            let by_resource: i64 = breakdown.by_resource.values().map(|by| by.read.total() + by.write.total()).sum();
            prop_assert_eq!(breakdown.tally.total(), breakdown.series.values().map(Tally::total).sum::<i64>());
            prop_assert_eq!(breakdown.tally.total(), by_resource);
        }
    }
}

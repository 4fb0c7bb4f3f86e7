//! Requests of one window in detail: by outcome, by resource and access, and over time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::scope::Access;
use super::time;
use super::time::Moment;
use super::usage::{Cell, Tally, tally_entries, tally_schema};

/// Requests of one window: by outcome, by resource and access, and over time.
#[derive(Debug, Clone, Default)]
pub struct Breakdown {
    tally: Tally,
    by_resource: BTreeMap<String, ByAccess>,
    series: BTreeMap<Moment, Tally>,
}

/// Requests of one resource.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
pub struct ByAccess {
    /// GET and HEAD.
    #[serde(serialize_with = "only_total")]
    #[schemars(with = "i64")]
    pub read: Tally,
    /// All other methods.
    #[serde(serialize_with = "only_total")]
    #[schemars(with = "i64")]
    pub write: Tally,
}

fn only_total<S: Serializer>(tally: &Tally, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(tally.total())
}

#[derive(Serialize, JsonSchema)]
struct Point {
    /// When the hour or day begins.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    start: Moment,
    /// Requests in it.
    total: i64,
}

impl Breakdown {
    /// An empty window with these points in time.
    pub fn over(starts: impl Iterator<Item = Moment>) -> Self {
        Self { series: starts.map(|start| (start, Tally::default())).collect(), ..Self::default() }
    }

    /// Adds requests of a resource, by the name it is shown under, made at a moment inside the
    /// window.
    pub fn add(&mut self, resource: &str, cell: Cell, at: Moment, n: i64) {
        // A key that was used without being counted has counts of nothing.
        if n == 0 {
            return;
        }
        self.tally.add(cell.outcome(), n);
        if !self.by_resource.contains_key(resource) {
            self.by_resource.insert(resource.to_owned(), ByAccess::default());
        }
        let Some(by_access) = self.by_resource.get_mut(resource) else { return };
        match cell.access() {
            Access::Read => by_access.read.add(cell.outcome(), n),
            Access::Write => by_access.write.add(cell.outcome(), n),
        }
        if let Some((_, tally)) = self.series.range_mut(..=at).next_back() {
            tally.add(cell.outcome(), n);
        }
    }

    /// The window's requests by outcome.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Requests by the name of the resource; only of those that had any.
    pub fn by_resource(&self) -> &BTreeMap<String, ByAccess> {
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

/// What a breakdown has beside the tally.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "it only lends its description")]
struct Details {
    /// Requests by resource, `other` being the paths of none, and by access.
    by_resource: BTreeMap<String, ByAccess>,
    /// Requests over time: by the hour in the 24-hour window, by the day in the others.
    series: Vec<Point>,
}

impl JsonSchema for Breakdown {
    fn schema_name() -> Cow<'static, str> {
        "Breakdown".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (mut schema, details) = (tally_schema(), Details::json_schema(generator));
        for member in ["properties", "required"] {
            match (schema.get_mut(member), details.get(member)) {
                (Some(Value::Object(ours)), Some(Value::Object(more))) => ours.extend(more.clone()),
                (Some(Value::Array(ours)), Some(Value::Array(more))) => ours.extend(more.clone()),
                _ => {}
            }
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;
    use crate::model::catalog::ResourceNumber;
    use crate::model::time::parse_rfc3339;
    use crate::model::usage::Outcome;
    use crate::model::words::Word;

    fn any_cell() -> impl Strategy<Value = Cell> {
        (0u16..4096, 0usize..2, 0usize..6).prop_map(|(resource, access, outcome)| {
            let resource = Some(ResourceNumber(resource)).filter(|number| number.0 > 0);
            Cell::new(resource, Access::ALL[access], Outcome::ALL[outcome])
        })
    }

    proptest! {
        #[test]
        fn a_series_holds_exactly_the_total(adds in prop::collection::vec((any_cell(), 0i64..3600 * 24, 1i64..9), 0..50)) {
            let start = parse_rfc3339("2026-11-21T00:00:00Z").unwrap();
            let mut breakdown = Breakdown::over((0..24).map(|hour| start + Duration::hours(hour)));
            for (cell, second, n) in adds {
                breakdown.add(if cell.resource().is_some() { "calls" } else { "other" }, cell, start + Duration::seconds(second), n);
            }
            let by_resource: i64 = breakdown.by_resource.values().map(|by| by.read.total() + by.write.total()).sum();
            prop_assert_eq!(breakdown.tally.total(), breakdown.series.values().map(Tally::total).sum::<i64>());
            prop_assert_eq!(breakdown.tally.total(), by_resource);
        }
    }
}

//! The figures of keys: what is written plus what is still in memory, each request once.

use std::collections::{BTreeSet, HashMap};

use chrono::{Duration, Timelike};

use super::meter::Unwritten;
use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::domain::principal::Principal;
use crate::gate::caller::KeyCaller;
use crate::gate::row_numbers::Table;
use crate::model::breakdown::Breakdown;
use crate::model::catalog::{Catalog, ResourceNumber};
use crate::model::connections::Handle;
use crate::model::failed_request::FailedRequest;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::key_filter::{KeyFilter, KeyOrder, KeySort};
use crate::model::time::Moment;
use crate::model::usage::{Cell, Count, KeySelection, PerWindow, Source, Usage, Windows};
use crate::store;
use crate::store::keys::{self, errors};
use crate::store::usage::ledger::UsageRows;
use crate::store::usage::{Progress, addresses, journal};
use crate::store::{AnyConnection, usage};

/// The requests of all keys that somebody may know of.
pub struct OverallUsage {
    /// The requests that were asked for.
    pub windows: PerWindow<Breakdown>,
    /// The handles of the connections over which any of those keys was used, in order.
    pub connections: BTreeSet<String>,
}

impl Bitting {
    /// The usage of some keys, with an entry for each of them.
    pub fn usage_of(&self, keys: &[KeyNumber]) -> Result<HashMap<KeyNumber, Usage>> {
        let windows = Windows::ending(self.time.now());
        // Before the snapshot: a batch that is written in between is then seen twice and left out by
        // its mark. After it, the batch would be seen in neither.
        let unwritten = self.meter.unwritten(KeySelection::Only(keys));
        let read = |connection: &mut AnyConnection| {
            Result::Ok(self.figures(connection, keys, &windows, unwritten)?)
        };
        self.database.snapshot(read)
    }

    /// The usage of some keys, within the caller's snapshot.
    pub(in crate::domain) fn figures(
        &self,
        connection: &mut AnyConnection,
        keys: &[KeyNumber],
        windows: &Windows,
        unwritten: Unwritten,
    ) -> store::Result<HashMap<KeyNumber, Usage>> {
        let progress = self.progress(connection)?;
        let mut figures = usage::figures(connection, keys, windows, &progress.position)?;
        for count in pending(connection, KeySelection::Only(keys), unwritten, progress)? {
            figures.entry(count.key).or_default().add_minute(&count, windows);
        }
        for key in keys {
            figures.entry(*key).or_default();
        }
        Ok(figures)
    }

    /// How far usage is written, to be read in the same snapshot as what depends on it.
    pub(in crate::domain) fn progress(
        &self,
        connection: &mut AnyConnection,
    ) -> store::Result<Progress> {
        usage::progress(connection, self.meter.process())
    }

    /// A key as it may know itself, with its usage.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the database does not know it any more.
    pub fn own_key_with_usage(&self, caller: &KeyCaller) -> Result<(ApiKey, Usage)> {
        let windows = Windows::ending(self.time.now());
        let row = self.gate.index.numbers.row(Table::Keys, caller.number().0);
        let row = row.map(KeyNumber).ok_or(Error::NotFound)?;
        let mut unwritten = self.meter.unwritten(KeySelection::Only(&[row]));
        self.database.snapshot(|connection| {
            let key = keys::find(connection, caller.id())?.ok_or(Error::NotFound)?;
            // Another key's, if the database was set back just now.
            unwritten.retain(|(_, count)| count.key == key.number);
            let mut figures = self.figures(connection, &[key.number], &windows, unwritten)?;
            let usage = figures.remove(&key.number).unwrap_or_default();
            Ok((key, usage))
        })
    }

    /// The usage of one key.
    pub fn usage_of_key(&self, key: KeyNumber) -> Result<Usage> {
        Ok(self.usage_of(&[key])?.remove(&key).unwrap_or_default())
    }

    /// The usage of a key, with the last addresses it was used from.
    pub fn use_of_key(&self, key: KeyNumber) -> Result<(Usage, Vec<Source>)> {
        Ok((self.usage_of_key(key)?, self.addresses_of_key(key)?))
    }

    /// The requests of some keys, or of all, by outcome, resource, access and time.
    pub fn usage_breakdown(&self, keys: KeySelection<'_>) -> Result<PerWindow<Breakdown>> {
        let (ledger, windows, now) = self.usage_rows(keys)?;
        Ok(add_up(&ledger, &self.catalog, &windows, now))
    }

    /// What was counted of some keys, or of all, with the windows that end now.
    fn usage_rows(&self, keys: KeySelection<'_>) -> Result<(UsageRows, Windows, Moment)> {
        let now = self.time.now();
        let windows = Windows::ending(now);
        let unwritten = self.meter.unwritten(keys);
        let (mut ledger, pending) = self.database.snapshot(|connection| {
            let progress = self.progress(connection)?;
            let ledger = UsageRows::read(connection, keys, &windows, &progress.position)?;
            Result::Ok((ledger, pending(connection, keys, unwritten, progress)?))
        })?;
        ledger.minutes.extend(pending.iter().map(|count| (count.minute, count.cell, count.n)));
        Ok((ledger, windows, now))
    }

    /// The requests of all keys that the principal may know of, retired ones too: all of them, or
    /// those over one connection.
    pub fn overall_usage(
        &self,
        principal: &Principal,
        over: Option<&Handle>,
    ) -> Result<OverallUsage> {
        let (mut ledger, windows, now) = match principal.restricted_to() {
            None => self.usage_rows(KeySelection::All)?,
            Some(_) => {
                let newest = KeyOrder::by(KeySort::Newest);
                let own = self.numbers_of_keys(principal, &KeyFilter::default(), newest)?;
                self.usage_rows(KeySelection::Only(&own))?
            }
        };
        // There are many counts and few resources, whose names are looked for in a list.
        let used: BTreeSet<_> = ledger.cells().filter_map(|cell| cell.resource()).collect();
        let handle_of = |number: &ResourceNumber| self.catalog.counted.connection_of(*number);
        let connections = used.iter().filter_map(handle_of).map(str::to_owned).collect();
        if let Some(over) = over {
            let is_over = |number: &ResourceNumber| handle_of(number) == Some(over.as_str());
            let kept: BTreeSet<_> = used.into_iter().filter(is_over).collect();
            ledger.retain(|cell| cell.resource().is_some_and(|number| kept.contains(&number)));
        }
        Ok(OverallUsage { windows: add_up(&ledger, &self.catalog, &windows, now), connections })
    }

    /// The last addresses that a key was used from, the newest first.
    pub fn addresses_of_key(&self, key: KeyNumber) -> Result<Vec<Source>> {
        Ok(self.database.read(|connection| addresses::list(connection, key))?)
    }

    /// The last requests of a key that were refused or failed, the newest first; those that are not
    /// written yet are not among them.
    pub fn errors_of_key(&self, key: KeyNumber) -> Result<Vec<FailedRequest>> {
        Ok(self.database.read(|connection| errors::list(connection, key))?)
    }
}

/// The counts that are in no usage row yet: those in the journal, and those copied from memory before
/// that are not in the journal. To be read in the same snapshot as the rows.
pub(in crate::domain) fn pending(
    connection: &mut AnyConnection,
    keys: KeySelection<'_>,
    unwritten: Unwritten,
    progress: Progress,
) -> store::Result<Vec<Count>> {
    let mut counts = journal::counts(connection, keys)?;
    let in_memory = unwritten.into_iter().filter(|(sequence, _)| *sequence > progress.mark);
    counts.extend(in_memory.map(|(_, count)| count));
    Ok(counts)
}

fn add_up(
    ledger: &UsageRows,
    catalog: &Catalog,
    windows: &Windows,
    now: Moment,
) -> PerWindow<Breakdown> {
    let name = |cell: &Cell| catalog.name_of(cell.resource());
    let mut report = PerWindow {
        day: Breakdown::over(steps(windows.day.start(), now, Duration::hours(1))),
        week: Breakdown::over(steps(windows.week.start(), now, Duration::days(1))),
        month: Breakdown::over(steps(windows.month.start(), now, Duration::days(1))),
    };
    for (hour, cell, n) in &ledger.hours {
        if *hour >= windows.first_whole_hour() {
            report.day.add(name(cell), *cell, hour.start(), *n);
        }
        if *hour >= windows.week {
            report.week.add(name(cell), *cell, hour.start(), *n);
        }
        report.month.add(name(cell), *cell, hour.start(), *n);
    }
    for (minute, cell, n) in &ledger.part_hour {
        report.day.add(name(cell), *cell, minute.start(), *n);
    }
    for (minute, cell, n) in &ledger.minutes {
        if *minute >= windows.day {
            report.day.add(name(cell), *cell, minute.start(), *n);
        }
        if minute.hour() >= windows.week {
            report.week.add(name(cell), *cell, minute.start(), *n);
        }
        if minute.hour() >= windows.month {
            report.month.add(name(cell), *cell, minute.start(), *n);
        }
    }
    report
}

/// The start of the window, and every whole hour or day after it up to now.
fn steps(start: Moment, now: Moment, step: Duration) -> impl Iterator<Item = Moment> {
    let midnight = start.date_naive().and_hms_opt(0, 0, 0).map_or(start, |at| at.and_utc());
    let first = if step < Duration::days(1) {
        midnight + Duration::hours(start.hour().into())
    } else {
        midnight
    };
    let whole = (1..).map(move |n| first + step * n).take_while(move |at| *at <= now);
    std::iter::once(start).chain(whole)
}

#[cfg(test)]
mod tests {
    use crate::domain::usage::report::*;
    use crate::model::time::{format, parse_rfc3339};

    #[test]
    fn a_series_begins_with_the_window_and_goes_on_at_whole_steps() {
        let start = parse_rfc3339("2026-11-20T12:34:00Z").unwrap();
        let now = parse_rfc3339("2026-11-21T12:34:56Z").unwrap();
        let hours: Vec<String> = steps(start, now, Duration::hours(1)).map(format).collect();
        assert_eq!(hours.len(), 25);
        assert_eq!(hours[..2], ["2026-11-20T12:34:00.000Z", "2026-11-20T13:00:00.000Z"]);
        assert_eq!(hours[24], "2026-11-21T12:00:00.000Z");
        let days: Vec<String> = steps(start, now, Duration::days(1)).map(format).collect();
        assert_eq!(days, ["2026-11-20T12:34:00.000Z", "2026-11-21T00:00:00.000Z"]);
    }
}

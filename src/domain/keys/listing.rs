//! The list of keys as people work with it: sorted, in numbered pages, each key with its figures.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::domain::Bitting;
use crate::domain::error::Result;
use crate::domain::principal::Principal;
use crate::domain::usage::report::pending;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::key_filter::{KeyFilter, KeyOrder, KeySort, StatusFilter};
use crate::model::table::{NumberedPage, PagePosition, ROWS_PER_PAGE};
use crate::model::usage::{DAYS, Days, KeySelection, Usage, Windows};
use crate::store::keys::listing;
use crate::store::usage::days;
use crate::store::{AnyConnection, keys, usage};

/// How many owners, and how many holders, are offered to choose from.
const MOST_OFFERED: i64 = 100;

/// A key with its usage.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// The key as stored.
    pub key: ApiKey,
    /// The key's usage, to the last request this process counted.
    pub usage: Usage,
    /// The key's last 30 days, which add up to its 30-day window.
    pub days: Days,
}

/// What a page of keys shows besides its rows.
#[derive(Debug, Clone, Default)]
pub struct KeyCounts {
    /// How many keys are active.
    pub active: i64,
    /// How many are revoked or expired.
    pub retired: i64,
    /// How many of the active ones expire within 14 days.
    pub expiring: i64,
    /// Owners to choose from, in order.
    pub owners: Vec<String>,
    /// The addresses of holders to choose from, in order; none for whoever sees their own keys alone.
    pub holders: Vec<String>,
}

impl Bitting {
    /// A page of the keys that the principal may know of; one beyond the last is the last.
    pub fn key_table(
        &self,
        principal: &Principal,
        filter: &KeyFilter,
        order: KeyOrder,
        page: usize,
    ) -> Result<NumberedPage<KeyRow>> {
        let numbers = self.numbers_of_keys(principal, filter, order)?;
        let place = PagePosition::of(page, numbers.len());
        let shown = numbers.chunks(ROWS_PER_PAGE).nth(place.page - 1).unwrap_or_default();
        let mut rows = self.key_rows(shown)?;
        // The order is a minute old; the page itself must not look unsorted.
        sort_by_use(&mut rows, order);
        Ok(NumberedPage { rows, place })
    }

    /// The row numbers of all keys that a filter lets through and the principal may know of, in
    /// order.
    pub fn numbers_of_keys(
        &self,
        principal: &Principal,
        filter: &KeyFilter,
        order: KeyOrder,
    ) -> Result<Vec<KeyNumber>> {
        self.refuse_keys_in_filter(filter)?;
        let (now, user) = (self.time.now(), principal.restricted_to());
        let read = |connection: &mut AnyConnection| {
            Result::Ok(listing::numbers(connection, filter, user, order, now)?)
        };
        self.database.read(read)
    }

    /// How many keys a filter lets through and the principal may know of.
    pub fn count_keys(&self, principal: &Principal, filter: &KeyFilter) -> Result<i64> {
        let (now, user) = (self.time.now(), principal.restricted_to());
        let read = |connection: &mut AnyConnection| {
            Result::Ok(listing::count(connection, filter, user, now)?)
        };
        self.database.read(read)
    }

    /// The active key of this name, if the principal may know of one.
    pub fn active_key_named(&self, principal: &Principal, name: &str) -> Result<Option<ApiKey>> {
        let (now, user) = (self.time.now(), principal.restricted_to());
        let read = |connection: &mut AnyConnection| {
            Result::Ok(keys::active_named(connection, name, user, now)?)
        };
        self.database.read(read)
    }

    /// Keys by their row numbers, in the order asked for.
    pub fn keys_by_number(&self, numbers: &[KeyNumber]) -> Result<Vec<ApiKey>> {
        let read =
            |connection: &mut AnyConnection| Result::Ok(keys::find_all(connection, numbers)?);
        let found = self.database.read(read)?;
        let mut found: HashMap<_, _> = found.into_iter().map(|key| (key.number, key)).collect();
        Ok(numbers.iter().filter_map(|number| found.remove(number)).collect())
    }

    /// Keys by their row numbers, each with its figures, in the order asked for.
    pub fn key_rows(&self, numbers: &[KeyNumber]) -> Result<Vec<KeyRow>> {
        let windows = Windows::ending(self.time.now());
        let unwritten = self.meter.unwritten(KeySelection::Only(numbers));
        let read = |connection: &mut AnyConnection| {
            let keys = keys::find_all(connection, numbers)?;
            let progress = self.progress(connection)?;
            let figures = usage::figures(connection, numbers, &windows, &progress.position)?;
            let days = days::days(connection, numbers, &windows, &progress.position)?;
            let pending = pending(connection, KeySelection::Only(numbers), unwritten, progress)?;
            Result::Ok((keys, figures, days, pending))
        };
        let (keys, mut figures, mut days, pending) = self.database.snapshot(read)?;
        for count in pending {
            figures.entry(count.key).or_default().add_minute(&count, &windows);
            if let Some(day) = windows.day_of(count.minute.hour()) {
                days.entry(count.key).or_insert([0; DAYS])[day] += count.n;
            }
        }
        let mut keys: HashMap<_, _> = keys.into_iter().map(|key| (key.number, key)).collect();
        let row = |number: &KeyNumber| {
            let key = keys.remove(number)?;
            let usage = figures.remove(number).unwrap_or_default();
            Some(KeyRow { key, usage, days: days.remove(number).unwrap_or([0; DAYS]) })
        };
        Ok(numbers.iter().filter_map(row).collect())
    }

    /// How many keys the principal may know of, and whose they are.
    pub fn key_counts(&self, principal: &Principal) -> Result<KeyCounts> {
        let (now, user) = (self.time.now(), principal.restricted_to());
        self.database.read(|connection| {
            let mut count = |filter| listing::count(connection, &filter, user, now);
            let active = count(KeyFilter::of_status(StatusFilter::Active))?;
            let retired = count(KeyFilter::of_status(StatusFilter::Retired))?;
            let expiring = count(KeyFilter::expiring_soon())?;
            let owners = listing::owners(connection, user, MOST_OFFERED)?;
            let holders = match user {
                None => listing::holders(connection, MOST_OFFERED)?,
                Some(_) => Vec::new(),
            };
            Ok(KeyCounts { active, retired, expiring, owners, holders })
        })
    }
}

/// Puts rows that are nearly in an order by use into that order.
fn sort_by_use(rows: &mut [KeyRow], KeyOrder { sort, reversed }: KeyOrder) {
    match sort {
        KeySort::MostUsed => rows.sort_by_key(|row| {
            let requests = row.usage.windows.month.total();
            if reversed { requests } else { -requests }
        }),
        KeySort::LastUsed if reversed => rows.sort_by_key(|row| row.usage.last_used_at()),
        KeySort::LastUsed => rows.sort_by_key(|row| Reverse(row.usage.last_used_at())),
        KeySort::Newest | KeySort::Name | KeySort::Expiry | KeySort::Retired => {}
    }
}

//! What a list of keys is asked for in its address, and the parts of the page that repeat it.

use super::list_filters::Filters;
use super::pager;
use super::pager::{Pager, page_part, read_page};
use super::text::{counted, number};
use crate::domain::keys::listing::{KeyCounts, KeyRow};
use crate::domain::principal::Principal;
use crate::http::api::keys::read_filter;
use crate::http::extract::{QueryReader, ReadQuery};
use crate::model::catalog::Catalog;
use crate::model::key_filter::{KeyFilter, KeyOrder, KeySort, StatusFilter};
use crate::model::table::NumberedPage;

/// A list of keys, as its address asks for it.
pub struct ListQuery {
    /// The keys that are listed.
    pub filter: KeyFilter,
    /// The order of the list; its default if none.
    pub order: Option<KeyOrder>,
    /// The number of the page, from 1.
    pub page: usize,
}

impl ReadQuery for ListQuery {
    fn read(query: &mut QueryReader) -> Self {
        let filter = read_filter(query);
        let order = query.parsed("sort", KeyOrder::schema, KeyOrder::parse);
        Self { filter, order, page: read_page(query) }
    }
}

impl ListQuery {
    /// The first page of these keys.
    fn of(filter: KeyFilter) -> Self {
        Self { filter, order: None, page: 1 }
    }

    /// The address of the same list with another order or page.
    fn address(&self, path: &str, order: Option<KeyOrder>, page: usize) -> String {
        // The lists themselves each have one state.
        let asked = |(name, _): &(&str, _)| *name != "status" || path == EXPORT;
        let filter = self.filter.parameters().into_iter().filter(asked);
        let rest = [("sort", order.map(KeyOrder::name)), page_part(page)];
        pager::address(path, filter.chain(rest))
    }
}

const EXPORT: &str = "/keys/export";

/// The head of a column; without an address, the table cannot be sorted by it.
pub struct Head {
    /// The column's name.
    pub words: &'static str,
    /// The column's CSS class.
    pub class: &'static str,
    /// The list sorted by it.
    pub href: String,
    /// How the list is sorted by it now, if it is.
    pub direction: Option<&'static str>,
}

/// Keys that match, but stand in the other list.
pub struct Elsewhere {
    /// The other list.
    pub href: String,
    /// How many keys match there, in words.
    pub words: String,
}

/// Everything on a page of keys but the rows.
pub struct List {
    /// Whether these are the retired keys.
    pub retired_tab: bool,
    /// How many keys are active.
    pub active: String,
    /// How many keys are retired.
    pub retired: String,
    /// The list's own path.
    pub action: &'static str,
    /// The same keys as a file.
    pub export: String,
    /// Whether the reader may make keys.
    pub may_create: bool,
    /// Whether these are everybody's keys, so that it matters who holds each.
    pub of_all: bool,
    /// Whether there is nothing to show.
    pub rows_empty: bool,
    /// What the list is filtered by.
    pub filters: Filters,
    /// The heads of the columns.
    pub heads: Vec<Head>,
    /// The page's position and its neighbours.
    pub pager: Pager,
    /// Where all that the filter finds can be revoked; none without a filter, or for one key.
    pub revoke_all: Option<String>,
    /// How many keys the list has, in words.
    pub total: String,
    /// What matches in the other list, when nothing does here.
    pub elsewhere: Option<Elsewhere>,
    /// The keys that expire soon, where the list is not filtered.
    pub expiring: Option<Elsewhere>,
}

/// A column: its head, its class, and the order its head asks for.
type ColumnHead = (&'static str, &'static str, Option<KeySort>);

const ACTIVE_COLUMNS: [ColumnHead; 8] = [
    ("Key", "", Some(KeySort::Name)),
    ("Permissions", "", None),
    ("Expires", "", Some(KeySort::Expiry)),
    ("Last used", "", Some(KeySort::LastUsed)),
    ("24 h", "number", None),
    ("7 d", "number", None),
    ("30 d", "number", Some(KeySort::MostUsed)),
    ("30 days", "", None),
];

const RETIRED_COLUMNS: [ColumnHead; 7] = [
    ("Key", "", Some(KeySort::Name)),
    ("Permissions", "", None),
    ("How it ended", "", None),
    ("Ended", "", Some(KeySort::Retired)),
    ("Last used", "", Some(KeySort::LastUsed)),
    ("Total", "number", None),
    ("Attempts since", "number", None),
];

impl List {
    /// The frame of one page of a list. `elsewhere`: how many match in the other list.
    pub fn new(
        query: &ListQuery,
        catalog: &Catalog,
        table: &NumberedPage<KeyRow>,
        census: KeyCounts,
        elsewhere: i64,
        principal: &Principal,
    ) -> Self {
        let retired_tab = query.filter.status == Some(StatusFilter::Retired);
        let (action, other) =
            if retired_tab { ("/keys/retired", "/keys") } else { ("/keys", "/keys/retired") };
        let order = query.order.unwrap_or(default_order(retired_tab));
        let columns: &[ColumnHead] = if retired_tab { &RETIRED_COLUMNS } else { &ACTIVE_COLUMNS };
        let head = |(words, class, by): &ColumnHead| Head {
            words,
            class,
            href: by
                .map(|by| query.address(action, Some(next_order(by, order)), 1))
                .unwrap_or_default(),
            direction: by.filter(|by| *by == order.sort).map(|_| direction(order)),
        };
        let filters = Filters::new(&query.filter, catalog, census.clone(), order, retired_tab);
        let soon = census.expiring > 0 && !retired_tab && !filters.any();
        let words = |state: &str| format!("{} {state}", counted_that(elsewhere));
        Self {
            retired_tab,
            active: number(census.active),
            retired: number(census.retired),
            action,
            export: query.address(EXPORT, query.order, 1),
            may_create: principal.manages_keys(),
            of_all: principal.restricted_to().is_none(),
            rows_empty: table.rows.is_empty(),
            filters,
            heads: columns.iter().map(head).collect(),
            pager: Pager::of(table, "key", |page| query.address(action, query.order, page)),
            revoke_all: (table.place.total > 1)
                .then(|| query.filter.parameters())
                .is_some_and(|given| {
                    given.iter().any(|(name, value)| *name != "status" && value.is_some())
                })
                .then(|| query.address("/keys/revoke", None, 1)),
            total: counted(table.place.total as i64, "key"),
            elsewhere: (elsewhere > 0).then(|| Elsewhere {
                href: query.address(other, None, 1),
                words: words(if retired_tab { "active" } else { "revoked or expired" }),
            }),
            expiring: soon.then(|| Elsewhere {
                href: ListQuery::of(KeyFilter::expiring_soon()).address("/keys", None, 1),
                words: counted(census.expiring, "key"),
            }),
        }
    }
}

fn counted_that(n: i64) -> String {
    format!("{} that {}", counted(n, "key"), if n == 1 { "matches is" } else { "match are" })
}

/// The order of a list that asks for none.
pub fn default_order(retired: bool) -> KeyOrder {
    KeyOrder::by(if retired { KeySort::Retired } else { KeySort::Newest })
}

/// The order that the head of a column asks for: its own, or that turned round if the list is in it.
fn next_order(by: KeySort, now: KeyOrder) -> KeyOrder {
    KeyOrder { sort: by, reversed: by == now.sort && !now.reversed }
}

fn direction(order: KeyOrder) -> &'static str {
    let rises = match order.sort {
        KeySort::Name | KeySort::Expiry => true,
        KeySort::Newest | KeySort::LastUsed | KeySort::MostUsed | KeySort::Retired => false,
    };
    if rises == order.reversed { "descending" } else { "ascending" }
}

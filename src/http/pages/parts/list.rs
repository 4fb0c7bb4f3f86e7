//! What a list of keys is asked for in its address, and the parts of the page that repeat it.

use super::pager;
use super::pager::{Choice, Pager, page_part, read_page};
use super::text::{counted, number};
use crate::domain::keys::listing::{KeyCounts, KeyRow};
use crate::http::api::keys::read_filter;
use crate::http::extract::{QueryReader, ReadQuery};
use crate::model::catalog::Catalog;
use crate::model::key::{ExpiryFilter, KeyFilter, KeySort, StatusFilter, TableFilter};
use crate::model::scope::Scope;
use crate::model::table::NumberedPage;
use crate::model::words::Word;

/// A list of keys, as its address asks for it.
pub struct ListQuery {
    /// The keys that are listed.
    pub filter: TableFilter,
    /// The order of the list; its default if none.
    pub sort: Option<KeySort>,
    /// The number of the page, from 1.
    pub page: usize,
}

impl ReadQuery for ListQuery {
    fn read(query: &mut QueryReader) -> Self {
        let filter = TableFilter {
            keys: read_filter(query),
            scope: query.scope("scope"),
            expiry: query.choice("expiry"),
        };
        let sort = query.choice("sort");
        Self { filter, sort, page: read_page(query) }
    }
}

impl ListQuery {
    /// Whether it asks for less than everything.
    fn filters(&self) -> bool {
        let TableFilter { keys: KeyFilter { status: _, text, owner }, scope, expiry } =
            &self.filter;
        text.is_some() || owner.is_some() || scope.is_some() || expiry.is_some()
    }

    /// The address of the same list with another sort or page.
    fn address(&self, path: &str, sort: Option<KeySort>, page: usize) -> String {
        let TableFilter { keys: KeyFilter { status, text, owner }, scope, expiry } = &self.filter;
        // The lists themselves each have one state.
        let status = status.filter(|_| path == EXPORT);
        let parts = [
            ("q", text.clone()),
            ("owner", owner.clone()),
            ("status", status.map(|status| status.as_str().to_owned())),
            ("scope", scope.as_ref().map(Scope::to_string)),
            ("expiry", expiry.map(|expiry| expiry.as_str().to_owned())),
            ("sort", sort.map(|sort| sort.as_str().to_owned())),
            page_part(page),
        ];
        pager::address(path, parts)
    }
}

const EXPORT: &str = "/keys/export";

/// The fields by which the list is filtered.
pub struct Filters {
    /// Whether any of them is filled in.
    pub any: bool,
    /// Text to search for.
    pub text: String,
    /// The owner that is filtered by.
    pub owner: String,
    /// Owners to choose from.
    pub owners: Vec<String>,
    /// Scopes to choose from.
    pub scopes: Vec<Choice>,
    /// Expiries to choose from.
    pub expiries: Vec<Choice>,
    /// Orders to choose from.
    pub sorts: Vec<Choice>,
}

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
    /// Whether there is nothing to show.
    pub rows_empty: bool,
    /// What the list is filtered by.
    pub filters: Filters,
    /// The heads of the columns.
    pub heads: Vec<Head>,
    /// The page's position and its neighbours.
    pub pager: Pager,
    /// What matches in the other list, when nothing does here.
    pub elsewhere: Option<Elsewhere>,
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
        may_create: bool,
    ) -> Self {
        let retired_tab = query.filter.keys.status == Some(StatusFilter::Retired);
        let (action, other) =
            if retired_tab { ("/keys/retired", "/keys") } else { ("/keys", "/keys/retired") };
        let sort = query.sort.unwrap_or(default_sort(retired_tab));
        let columns: &[ColumnHead] = if retired_tab { &RETIRED_COLUMNS } else { &ACTIVE_COLUMNS };
        let head = |(words, class, by): &ColumnHead| Head {
            words,
            class,
            href: by.map(|by| query.address(action, Some(by), 1)).unwrap_or_default(),
            direction: by.filter(|by| *by == sort).map(direction),
        };
        let words = |state: &str| format!("{} {state}", counted_that(elsewhere));
        Self {
            retired_tab,
            active: number(census.active),
            retired: number(census.retired),
            action,
            export: query.address(EXPORT, query.sort, 1),
            may_create,
            rows_empty: table.rows.is_empty(),
            filters: filters(query, catalog, census.owners, sort, retired_tab),
            heads: columns.iter().map(head).collect(),
            pager: Pager::of(table, "key", |page| query.address(action, query.sort, page)),
            elsewhere: (elsewhere > 0).then(|| Elsewhere {
                href: query.address(other, None, 1),
                words: words(if retired_tab { "active" } else { "revoked or expired" }),
            }),
        }
    }
}

fn counted_that(n: i64) -> String {
    format!("{} that {}", counted(n, "key"), if n == 1 { "matches is" } else { "match are" })
}

/// The order of a list that asks for none.
pub fn default_sort(retired: bool) -> KeySort {
    if retired { KeySort::Retired } else { KeySort::Newest }
}

fn direction(sort: KeySort) -> &'static str {
    match sort {
        KeySort::Name | KeySort::Expiry => "ascending",
        KeySort::Newest | KeySort::LastUsed | KeySort::MostUsed | KeySort::Retired => "descending",
    }
}

/// As many owners as fit on the page: they may be long.
fn fitting(owners: Vec<String>) -> Vec<String> {
    let mut room = 4000_usize;
    let fits = |owner: &String| match room.checked_sub(owner.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    owners.into_iter().take_while(fits).collect()
}

fn filters(
    query: &ListQuery,
    catalog: &Catalog,
    owners: Vec<String>,
    sort: KeySort,
    retired: bool,
) -> Filters {
    let filter = &query.filter;
    let any_scope = Choice::new("", "Any scope", filter.scope.is_none());
    let scope = |scope: &Scope| {
        Choice::new(&scope.to_string(), scope.to_string(), filter.scope.as_ref() == Some(scope))
    };
    let expiries: &[_] = if retired {
        &[
            (None, "Any"),
            (Some(ExpiryFilter::Never), "Never"),
            (Some(ExpiryFilter::Dated), "On a date"),
        ]
    } else {
        &[
            (None, "Any"),
            (Some(ExpiryFilter::Soon), "Within 14 days"),
            (Some(ExpiryFilter::Dated), "On a date"),
            (Some(ExpiryFilter::Never), "Never"),
        ]
    };
    let expiry = |(expiry, words): &(Option<ExpiryFilter>, &str)| {
        Choice::new(expiry.map_or("", Word::as_str), *words, filter.expiry == *expiry)
    };
    let own = if retired {
        (KeySort::Retired, "Recently ended")
    } else {
        (KeySort::Expiry, "Expires soonest")
    };
    let sorts = [
        own,
        (KeySort::Newest, "Newest first"),
        (KeySort::Name, "Name"),
        (KeySort::LastUsed, "Recently used"),
        (KeySort::MostUsed, "Most used"),
    ];
    let order = |(by, words): (KeySort, &str)| Choice::new(by.as_str(), words, by == sort);
    Filters {
        any: query.filters(),
        text: filter.keys.text.clone().unwrap_or_default(),
        owner: filter.keys.owner.clone().unwrap_or_default(),
        owners: fitting(owners),
        scopes: std::iter::once(any_scope).chain(catalog.scopes().iter().map(scope)).collect(),
        expiries: expiries.iter().map(expiry).collect(),
        sorts: sorts.into_iter().map(order).collect(),
    }
}

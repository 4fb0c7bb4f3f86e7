//! The fields by which a list of keys is filtered, and what it is filtered by in words.

use super::pager::Choice;
use crate::domain::keys::listing::KeyCounts;
use crate::model::catalog::Catalog;
use crate::model::key_filter::{ExpiryFilter, HeldBy, KeyFilter, KeyOrder, KeySort, UNUSED_SCOPE};
use crate::model::scope::Scope;
use crate::model::span::Span;
use crate::model::words::Word;

/// For how long a key was not used, to choose from.
const UNUSED_FOR: [u16; 4] = [30, 90, 180, 365];
/// Within how long a key expires, to choose from.
const EXPIRES_WITHIN: [u16; 4] = [7, 14, 30, 90];

/// The fields by which the list is filtered.
pub struct Filters {
    /// What the list is filtered by, in words; empty if it shows everything.
    pub words: Vec<String>,
    /// Text to search for.
    pub text: String,
    /// The owner that is filtered by.
    pub owner: String,
    /// Owners to choose from.
    pub owners: Vec<String>,
    /// The address of the holder that is filtered by, or `none`.
    pub holder: String,
    /// Holders to choose from.
    pub holders: Vec<String>,
    /// Scopes to choose from.
    pub scopes: Vec<Choice>,
    /// Times without use to choose from.
    pub unused_for: Vec<Choice>,
    /// Whether every scope is used, to choose from.
    pub over_scoped: Vec<Choice>,
    /// Times to the expiry to choose from.
    pub expires_within: Vec<Choice>,
    /// Expiries to choose from.
    pub expiries: Vec<Choice>,
    /// Orders to choose from.
    pub sorts: Vec<Choice>,
}

impl Filters {
    /// The fields of a list, filled in with its filter.
    pub fn new(
        filter: &KeyFilter,
        catalog: &Catalog,
        census: KeyCounts,
        order: KeyOrder,
        retired: bool,
    ) -> Self {
        Self {
            words: words(filter),
            text: filter.text.clone().unwrap_or_default(),
            owner: filter.owner.clone().unwrap_or_default(),
            owners: fitting(census.owners),
            holder: filter.holder.as_ref().map(HeldBy::to_string).unwrap_or_default(),
            holders: fitting(census.holders),
            scopes: scopes(filter.scope.as_ref(), catalog),
            unused_for: spans(&UNUSED_FOR, filter.unused_for),
            over_scoped: over_scoped(filter.over_scoped),
            expires_within: spans(&EXPIRES_WITHIN, filter.expires_within),
            expiries: expiries(filter.expiry),
            sorts: sorts(order, retired),
        }
    }

    /// Whether the list shows less than everything.
    pub fn any(&self) -> bool {
        !self.words.is_empty()
    }

    /// What the list is filtered by, to go on from "keys".
    pub fn sentence(&self) -> String {
        self.words.join(", ")
    }
}

/// What a filter asks for besides a state, each part as words that go on from "keys".
pub fn words(filter: &KeyFilter) -> Vec<String> {
    let days = UNUSED_SCOPE.num_days();
    let expiry = filter.expiry.map(|expiry| match expiry {
        ExpiryFilter::Soon => "that expire within 14 days",
        ExpiryFilter::Never => "that never expire",
        ExpiryFilter::Dated => "that expire on a date",
    });
    let parts = [
        filter.text.as_ref().map(|text| format!("with “{text}”")),
        filter.owner.as_ref().map(|owner| format!("of {owner}")),
        filter.holder.as_ref().map(|holder| match holder {
            HeldBy::Nobody => "that nobody holds".to_owned(),
            HeldBy::User(email) => format!("held by {email}"),
        }),
        filter.scope.as_ref().map(|scope| format!("with the scope {scope}")),
        filter.unused_for.map(|span| format!("unused for {}", span.words())),
        filter.over_scoped.map(|over| {
            let with = if over { "with" } else { "without" };
            format!("{with} a scope unused for {days} days")
        }),
        filter.expires_within.map(|span| format!("that expire within {}", span.words())),
        expiry.map(str::to_owned),
    ];
    parts.into_iter().flatten().collect()
}

/// As many choices as fit on the page: they may be long.
pub fn fitting(owners: Vec<String>) -> Vec<String> {
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

fn scopes(chosen: Option<&Scope>, catalog: &Catalog) -> Vec<Choice> {
    let any = Choice::new("", "Any scope", chosen.is_none());
    let scope =
        |scope: &Scope| Choice::new(&scope.to_string(), scope.to_string(), chosen == Some(scope));
    let offered = catalog.scopes();
    let gone = chosen.filter(|chosen| offered.iter().all(|scope| scope != *chosen));
    std::iter::once(any).chain(offered.iter().chain(gone).map(scope)).collect()
}

/// Times to choose from, and the one that is chosen if it is none of them.
fn spans(days: &[u16], chosen: Option<Span>) -> Vec<Choice> {
    let presets = days.iter().copied().map(Span::days);
    let other = chosen.filter(|chosen| presets.clone().all(|preset| preset != *chosen));
    let choice = |span: Span| Choice::new(&span.to_string(), span.words(), chosen == Some(span));
    let any = Choice::new("", "Any time", chosen.is_none());
    std::iter::once(any).chain(presets.chain(other).map(choice)).collect()
}

fn over_scoped(chosen: Option<bool>) -> Vec<Choice> {
    let days = UNUSED_SCOPE.num_days();
    let mut choices = vec![
        Choice::new("", "Any", chosen.is_none()),
        Choice::new("true", format!("Some unused for {days} days"), chosen == Some(true)),
    ];
    if chosen == Some(false) {
        choices.push(Choice::new("false", format!("None unused for {days} days"), true));
    }
    choices
}

fn expiries(chosen: Option<ExpiryFilter>) -> Vec<Choice> {
    let soon = (Some(ExpiryFilter::Soon), "Within 14 days");
    let mut expiries = vec![
        (None, "Any"),
        (Some(ExpiryFilter::Dated), "On a date"),
        (Some(ExpiryFilter::Never), "Never"),
    ];
    // How addresses asked for this before it had a field of its own.
    expiries.extend((chosen == soon.0).then_some(soon));
    let choice = |(expiry, words): (Option<ExpiryFilter>, &str)| {
        Choice::new(expiry.map_or("", Word::as_str), words, chosen == expiry)
    };
    expiries.into_iter().map(choice).collect()
}

fn sorts(order: KeyOrder, retired: bool) -> Vec<Choice> {
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
    let choices = |(sort, words): (KeySort, &str)| {
        let turned = order.reversed && order.sort == sort;
        let forward = Choice::new(sort.as_str(), words, order == KeyOrder::by(sort));
        let reversed =
            turned.then(|| Choice::new(&order.name(), format!("{words}, reversed"), true));
        std::iter::once(forward).chain(reversed)
    };
    sorts.into_iter().flat_map(choices).collect()
}

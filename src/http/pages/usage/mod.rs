//! `/usage`: the requests of all keys together; a member's page is about theirs.

pub mod chart;
pub mod figures;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::stream;

use super::page;
use super::parts::csv;
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::pager::Choice;
use super::parts::text::{NAME, OWNER, number, shortened};
use crate::domain::keys::listing::KeyRow;
use crate::domain::usage::report::OverallUsage;
use crate::http::error::Problem;
use crate::http::extract::{PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::breakdown::Breakdown;
use crate::model::catalog::{Catalog, OTHER};
use crate::model::connections::Handle;
use crate::model::connections::handle::InvalidHandle;
use crate::model::key::Status;
use crate::model::key_filter::{KeyFilter, KeyOrder, KeySort};
use crate::model::scope::Access;
use crate::model::spreadsheet::text;
use crate::model::time;
use crate::model::time::Moment;
use crate::model::usage::{Outcome, PerWindow, Tally};
use crate::model::words::{Word, words};
use chart::{Chart, Sparkline};
use figures::{Sum, Tab, Window, asked};

/// How many of the keys used most are shown.
const MOST_USED: usize = 10;

words! {
    /// What the lines of an exported file are.
    Lines {
        /// The hours or days of the window.
        Time = "time",
        /// Resources and accesses.
        Resource = "resource",
    }
}

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    /// Whether it is about the reader's own keys alone.
    own: bool,
    /// Whether anything was asked in 30 days.
    used: bool,
    window: &'static str,
    /// The connection it is about, if it is about one.
    over: Option<String>,
    /// Whether there still is such a one.
    present: bool,
    /// The connections it can be narrowed to.
    connections: Vec<Choice>,
    /// Where the figures are exported; `by` is to be added.
    export: String,
    sums: Vec<Sum>,
    tabs: Vec<Tab>,
    chart: Chart,
    resources: Vec<ResourceLine>,
    keys: Vec<KeyLine>,
}

struct ResourceLine {
    resource: String,
    access: &'static str,
    totals: [String; 3],
}

struct KeyLine {
    id: String,
    name: String,
    owner: Option<String>,
    status: &'static str,
    active: bool,
    day: String,
    week: String,
    month: String,
    spark: Sparkline,
}

impl KeyLine {
    fn new(row: KeyRow, now: Moment) -> Self {
        let KeyRow { key, usage, days } = row;
        let windows = usage.windows;
        Self {
            id: key.id.to_string(),
            status: key.status(now).as_str(),
            active: key.status(now) == Status::Active,
            day: number(windows.day.total()),
            week: number(windows.week.total()),
            month: number(windows.month.total()),
            spark: Sparkline::new(&days),
            name: shortened(key.label.name, NAME),
            owner: key.label.owner.map(|owner| shortened(owner, OWNER)),
        }
    }
}

/// Every resource and access of which anything was asked in 30 days, with the three windows.
fn by_resource<'a>(
    catalog: &'a Catalog,
    windows: &'a PerWindow<Breakdown>,
) -> impl Iterator<Item = (&'a str, Access, [Tally; 3])> {
    let places =
        catalog.names().flat_map(|name| Access::ALL.into_iter().map(move |access| (name, access)));
    let lines = places.map(|(name, access)| {
        let of = |window| asked(window, name, access);
        (name, access, [&windows.day, &windows.week, &windows.month].map(of))
    });
    lines.filter(|(_, _, tallies)| tallies[2].total() > 0)
}

/// Which requests to show: of which window, and over which connection, if over one.
pub struct Shown {
    window: Window,
    over: Option<Handle>,
}

impl ReadQuery for Shown {
    fn read(query: &mut QueryReader) -> Self {
        let handle = |text: &str| text.parse().map_err(|why: InvalidHandle| why.to_string());
        let over = query.text_as("connection", handle);
        Self { window: Window::read(query), over }
    }
}

/// `GET /usage`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(Shown { window, over }): PageQuery<Shown>,
) -> Result<HttpResponse, Problem> {
    let (principal, narrowed) = (viewer.principal.clone(), over.clone());
    let found = state.run(move |bitting| {
        let usage = bitting.overall_usage(&principal, narrowed.as_ref())?;
        let there = bitting.list_connections(&principal)?;
        let present = there.iter().any(|there| Some(&there.handle) == narrowed.as_ref());
        // A page of keys, although fewer are shown: the order is a minute old, and a key that has
        // become busy since then is found among its neighbours. They are sorted by all their
        // requests, so where some are left out, they are not shown.
        let most_used = KeyOrder::by(KeySort::MostUsed);
        let keys = match narrowed {
            None => bitting.key_table(&principal, &KeyFilter::default(), most_used, 1)?.rows,
            Some(_) => Vec::new(),
        };
        Ok((usage, present, keys, bitting.time.now()))
    });
    let (OverallUsage { windows, connections }, present, keys, now) = found.await?;
    let line = |(name, access, tallies): (&str, Access, [Tally; 3])| ResourceLine {
        resource: if name == OTHER { "no resource" } else { name }.to_owned(),
        access: access.as_str(),
        totals: tallies.map(|tally| number(tally.total())),
    };
    let used = keys.into_iter().filter(|row| row.usage.windows.month.total() > 0);
    let narrowed = over.as_ref().map(|handle| format!("&connection={handle}")).unwrap_or_default();
    let shown = UsagePage {
        frame: viewer.frame(Section::Usage),
        own: viewer.principal.restricted_to().is_some(),
        used: windows.month.tally().total() > 0,
        window: window.as_str(),
        sums: Sum::of_all(&windows),
        connections: choices(connections, over.as_ref()),
        over: over.map(|handle| handle.to_string()),
        present,
        export: format!("/usage/export?window={}{narrowed}", window.as_str()),
        tabs: Tab::of_all("/usage", &narrowed, window),
        chart: window.chart(&windows),
        resources: by_resource(&state.bitting.catalog, &windows).map(line).collect(),
        keys: used.take(MOST_USED).map(|row| KeyLine::new(row, now)).collect(),
    };
    page(StatusCode::OK, &shown)
}

/// All requests, and each connection; the one that is shown is among them, also where it has none.
fn choices(mut connections: BTreeSet<String>, shown: Option<&Handle>) -> Vec<Choice> {
    connections.extend(shown.map(Handle::to_string));
    if connections.is_empty() {
        return Vec::new();
    }
    let all = Choice::new("", "Any or none", shown.is_none());
    let is_shown = |handle: &String| shown.is_some_and(|shown| shown.as_str() == handle);
    let each = connections.iter().map(|handle| Choice::new(handle, handle, is_shown(handle)));
    std::iter::once(all).chain(each).collect()
}

/// What to export, and as what.
pub struct Export {
    shown: Shown,
    lines: Lines,
}

impl ReadQuery for Export {
    fn read(query: &mut QueryReader) -> Self {
        let lines = query.choice("by").unwrap_or(Lines::Time);
        Self { shown: Shown::read(query), lines }
    }
}

/// `GET /usage/export`
pub async fn export(
    request: HttpRequest,
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(Export { shown: Shown { window, over }, lines }): PageQuery<Export>,
) -> Result<HttpResponse, Problem> {
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let first: &[&str] = match lines {
        Lines::Time => &["start"],
        Lines::Resource => &["resource", "access"],
    };
    let columns: Vec<&str> = first.iter().copied().chain(["total"]).chain(outcomes).collect();
    let of = over.as_ref().map(|handle| format!("{handle}-")).unwrap_or_default();
    let file = format!("usage-{of}{}-by-{}.csv", window.as_str(), lines.as_str());
    let (principal, reading) = (viewer.principal.clone(), state.clone());
    let catalog = state.bitting.catalog.clone();
    let lines = async move {
        let found = reading.run(move |bitting| bitting.overall_usage(&principal, over.as_ref()));
        Ok(stream::iter([Ok(lines.of(&catalog, &found.await?.windows, window))]))
    };
    csv::answer(&request, &state, viewer.principal, &file, &columns, lines).await
}

impl Lines {
    /// The lines as CSV.
    fn of(self, catalog: &Catalog, windows: &PerWindow<Breakdown>, window: Window) -> String {
        match self {
            Lines::Time => {
                let series = window.of(windows).series().iter();
                text(series.map(|(start, tally)| cells(&[&time::format(*start)], tally)))
            }
            Lines::Resource => text(by_resource(catalog, windows).map(|(name, access, _)| {
                let tally = asked(window.of(windows), name, access);
                cells(&[name, access.as_str()], &tally)
            })),
        }
    }
}

fn cells(first: &[&str], tally: &Tally) -> Vec<String> {
    let counts = Outcome::ALL.iter().map(|outcome| tally.of(*outcome));
    let figures = std::iter::once(tally.total()).chain(counts).map(|n| n.to_string());
    first.iter().map(ToString::to_string).chain(figures).collect()
}

//! `/usage`: the requests of all keys together; a member's page is about theirs.

pub mod chart;
pub mod figures;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::stream;

use super::page;
use super::parts::csv;
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::text::{NAME, OWNER, number, shortened};
use crate::domain::keys::listing::KeyRow;
use crate::http::error::Problem;
use crate::http::extract::{PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::breakdown::Breakdown;
use crate::model::catalog::{Catalog, OTHER};
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

/// `GET /usage`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(window): PageQuery<Window>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| {
        let windows = bitting.overall_usage(&principal)?;
        // A page of keys, although fewer are shown: the order is a minute old, and a key that has
        // become busy since then is found among its neighbours.
        let most_used = KeyOrder::by(KeySort::MostUsed);
        let keys = bitting.key_table(&principal, &KeyFilter::default(), most_used, 1)?.rows;
        Ok((windows, keys, bitting.time.now()))
    });
    let (windows, keys, now) = found.await?;
    let line = |(name, access, tallies): (&str, Access, [Tally; 3])| ResourceLine {
        resource: if name == OTHER { "no resource" } else { name }.to_owned(),
        access: access.as_str(),
        totals: tallies.map(|tally| number(tally.total())),
    };
    let used = keys.into_iter().filter(|row| row.usage.windows.month.total() > 0);
    let shown = UsagePage {
        frame: viewer.frame(Section::Usage),
        own: viewer.principal.restricted_to().is_some(),
        used: windows.month.tally().total() > 0,
        window: window.as_str(),
        sums: Sum::of_all(&windows),
        tabs: Tab::of_all("/usage", window),
        chart: window.chart(&windows),
        resources: by_resource(&state.bitting.catalog, &windows).map(line).collect(),
        keys: used.take(MOST_USED).map(|row| KeyLine::new(row, now)).collect(),
    };
    page(StatusCode::OK, &shown)
}

/// Which window to export, and as what.
pub struct Export {
    window: Window,
    lines: Lines,
}

impl ReadQuery for Export {
    fn read(query: &mut QueryReader) -> Self {
        let lines = query.choice("by").unwrap_or(Lines::Time);
        Self { window: Window::read(query), lines }
    }
}

/// `GET /usage/export`
pub async fn export(
    request: HttpRequest,
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(Export { window, lines }): PageQuery<Export>,
) -> Result<HttpResponse, Problem> {
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let first: &[&str] = match lines {
        Lines::Time => &["start"],
        Lines::Resource => &["resource", "access"],
    };
    let columns: Vec<&str> = first.iter().copied().chain(["total"]).chain(outcomes).collect();
    let file = format!("usage-{}-by-{}.csv", window.as_str(), lines.as_str());
    let (principal, reading) = (viewer.principal.clone(), state.clone());
    let catalog = state.bitting.catalog.clone();
    let lines = async move {
        let found = reading.run(move |bitting| bitting.overall_usage(&principal));
        Ok(stream::iter([Ok(lines.of(&catalog, &found.await?, window))]))
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

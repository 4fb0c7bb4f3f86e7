//! The three windows of usage as pages show them: one key's, or those of all.

use super::chart::{Chart, words};
use crate::http::extract::{QueryReader, ReadQuery};
use crate::http::pages::parts::text::number;
use crate::model::breakdown::{Breakdown, ByAccess};
use crate::model::scope::Access;
use crate::model::usage::{Outcome, PerWindow, Tally};
use crate::model::words::{Word, words};

words! {
    /// The time a chart shows.
    Window {
        /// By the hour.
        Day = "24h",
        /// By the day.
        Week = "7d",
        /// By the day.
        Month = "30d",
    }
}

impl ReadQuery for Window {
    fn read(query: &mut QueryReader) -> Self {
        query.choice("window").unwrap_or(Self::Month)
    }
}

impl Window {
    /// The window in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    /// The value of this window.
    pub fn of<T>(self, windows: &PerWindow<T>) -> &T {
        match self {
            Self::Day => &windows.day,
            Self::Week => &windows.week,
            Self::Month => &windows.month,
        }
    }

    /// A chart of the window's requests over time.
    pub fn chart(self, windows: &PerWindow<Breakdown>) -> Chart {
        Chart::new(self.of(windows), self == Self::Day)
    }
}

/// A window's figures in one line.
pub struct Sum {
    /// The window, in words.
    pub window: &'static str,
    /// All requests in it.
    pub total: String,
    /// How the requests ended.
    pub parts: String,
}

impl Sum {
    fn new(window: Window, tally: &Tally) -> Self {
        let parts = Outcome::ALL.iter().filter(|outcome| tally.of(**outcome) > 0);
        // A line may break between two of them, and not within one.
        let part = |outcome: &Outcome| {
            format!("{} {}", number(tally.of(*outcome)), words(*outcome)).replace(' ', "\u{a0}")
        };
        let parts: Vec<String> = parts.map(part).collect();
        let parts = if parts.is_empty() { "no requests".to_owned() } else { parts.join(" · ") };
        Self { window: window.words(), total: number(tally.total()), parts }
    }

    /// The sums of every window.
    pub fn of_all(windows: &PerWindow<Breakdown>) -> Vec<Self> {
        let sum = |window: &Window| Self::new(*window, window.of(windows).tally());
        Window::ALL.iter().map(sum).collect()
    }
}

/// The way to another window of the same page.
pub struct Tab {
    /// The address it links to.
    pub href: String,
    /// The tab's text.
    pub words: &'static str,
    /// Whether the tab's window is the one that is shown.
    pub current: bool,
}

impl Tab {
    /// A tab for every window; what else the address asks for begins with `&`.
    pub fn of_all(path: &str, narrowed: &str, current: Window) -> Vec<Self> {
        let tab = |window: &Window| Self {
            href: format!("{path}?window={}{narrowed}", window.as_str()),
            words: window.words(),
            current: *window == current,
        };
        Window::ALL.iter().map(tab).collect()
    }
}

/// The requests of a resource with one access.
pub fn asked(window: &Breakdown, resource: &str, access: Access) -> Tally {
    let found = window.by_resource().get(resource).copied().unwrap_or_default();
    let ByAccess { read, write } = found;
    match access {
        Access::Read => read,
        Access::Write => write,
    }
}

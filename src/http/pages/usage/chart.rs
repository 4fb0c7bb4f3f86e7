//! Charts as SVG that the server draws: sizes are attributes and colours are classes, since the
//! Content-Security-Policy forbids inline styles.

use crate::http::pages::parts::text::{day, number};
use crate::model::breakdown::Breakdown;
use crate::model::time::Moment;
use crate::model::usage::{DAYS, Days, Outcome, Tally};
use crate::model::words::Word;

/// Size of a chart's drawing, which is stretched to the space there is.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 150.0;

/// A rectangle of a drawing.
#[derive(Debug, Clone)]
pub struct Bar {
    /// The rectangle's CSS class.
    pub class: &'static str,
    /// Its distance from the left.
    pub x: String,
    /// Its distance from the top.
    pub y: String,
    /// Its width.
    pub width: String,
    /// Its height.
    pub height: String,
}

impl Bar {
    fn new(class: &'static str, [x, y, width, height]: [f64; 4]) -> Self {
        let text = |n: f64| format!("{n:.1}").trim_end_matches(".0").to_owned();
        Self { class, x: text(x), y: text(y), width: text(width), height: text(height) }
    }
}

/// The last 30 days, small. Days without requests are one line, so that a page of keys stays short.
#[derive(Debug, Clone)]
pub struct Sparkline {
    /// What it shows, in words.
    pub label: String,
    /// An upright stroke for each day that had requests.
    pub path: String,
}

impl Sparkline {
    /// Draws a key's days.
    pub fn new(days: &Days) -> Self {
        let most = days.iter().copied().max().unwrap_or(0);
        let total: i64 = days.iter().sum();
        let label = match total {
            0 => "No requests in 30 days".to_owned(),
            _ => format!(
                "{} requests in 30 days, at most {} in a day, {} in the last",
                number(total),
                number(most),
                number(days[DAYS - 1])
            ),
        };
        let mut path = String::new();
        for (place, n) in days.iter().enumerate().filter(|(_, n)| **n > 0) {
            let height = (22.0 * *n as f64 / most as f64).max(1.5);
            path.push_str(&format!("M{place} 0v-{height:.0}"));
        }
        Self { label, path }
    }
}

/// One bar of a chart, in its parts.
#[derive(Debug, Clone)]
pub struct Column {
    /// The hour or day, and its figures, in words.
    pub title: String,
    /// Where the pointer finds the title, parts or none.
    pub hit: Bar,
    /// The bar's parts, from the bottom to the top.
    pub bars: Vec<Bar>,
}

/// One line of the table behind a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// The hour or day.
    pub start: String,
    /// The number of all requests.
    pub total: String,
    /// The number of requests of each outcome that is shown.
    pub by_outcome: Vec<String>,
}

/// Requests over time, by outcome.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What it shows, in words.
    pub label: String,
    /// Size of the drawing.
    pub view_box: String,
    /// The outcomes that occur, with their words.
    pub legend: Vec<(&'static str, &'static str)>,
    /// The bars, one for each hour or day.
    pub columns: Vec<Column>,
    /// Heights of the lines across.
    pub grid: Vec<String>,
    /// What the lines mean, from the top to the bottom.
    pub scale: Vec<String>,
    /// The first, the middle and the last hour or day.
    pub ends: [String; 3],
    /// The figures as a table.
    pub lines: Vec<Line>,
}

impl Chart {
    /// Draws a window; `by_hour` says what its points of time are.
    pub fn new(breakdown: &Breakdown, by_hour: bool) -> Self {
        let series: Vec<(Moment, &Tally)> =
            breakdown.series().iter().map(|(start, tally)| (*start, tally)).collect();
        let outcomes: Vec<Outcome> = Outcome::ALL
            .iter()
            .copied()
            .filter(|outcome| *outcome == Outcome::Ok || breakdown.tally().of(*outcome) > 0)
            .collect();
        let most = series.iter().map(|(_, tally)| tally.total()).max().unwrap_or(0);
        let (step, steps) = scale(most);
        let top = (step * steps) as f64;
        let pitch = WIDTH / series.len().max(1) as f64;
        let column = |(place, (start, tally)): (usize, &(Moment, &Tally))| {
            let mut y = HEIGHT;
            let mut bars = Vec::new();
            for outcome in outcomes.iter().filter(|outcome| tally.of(**outcome) > 0) {
                let height = HEIGHT * tally.of(*outcome) as f64 / top;
                y -= height;
                let x = place as f64 * pitch + pitch * 0.14;
                bars.push(Bar::new(outcome.as_str(), [x, y, pitch * 0.72, height]));
            }
            let parts = outcomes
                .iter()
                .filter(|outcome| tally.of(**outcome) > 0)
                .map(|outcome| format!("{} {}", number(tally.of(*outcome)), words(*outcome)));
            let parts: Vec<String> = parts.collect();
            let parts = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
            let hit = Bar::new("hit", [place as f64 * pitch, 0.0, pitch, HEIGHT]);
            Column { title: format!("{}: {parts}", name(*start, by_hour)), hit, bars }
        };
        let line = |(start, tally): &(Moment, &Tally)| Line {
            start: name(*start, by_hour),
            total: number(tally.total()),
            by_outcome: outcomes.iter().map(|outcome| number(tally.of(*outcome))).collect(),
        };
        let end = |place: usize| {
            series.get(place).map(|(start, _)| short_name(*start, by_hour)).unwrap_or_default()
        };
        let total = breakdown.tally().total();
        let unit = if by_hour { "hour" } else { "day" };
        Self {
            label: format!(
                "{} requests, by {unit}; at most {} in one",
                number(total),
                number(most)
            ),
            view_box: format!("0 0 {WIDTH} {HEIGHT}"),
            legend: outcomes.iter().map(|outcome| (outcome.as_str(), words(*outcome))).collect(),
            columns: series.iter().enumerate().map(column).collect(),
            grid: (0..=steps).map(|n| format!("{:.1}", HEIGHT * n as f64 / steps as f64)).collect(),
            scale: (0..=steps).rev().map(|n| number(n * step)).collect(),
            ends: [end(0), end(series.len() / 2), end(series.len().saturating_sub(1))],
            lines: series.iter().rev().map(line).collect(),
        }
    }
}

/// An outcome in the words of the pages.
pub fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::ClientError => "client error",
        Outcome::ServerError => "server error",
        Outcome::Forbidden => "forbidden",
        Outcome::RateLimited => "rate limited",
        Outcome::Retired => "after its end",
    }
}

fn name(start: Moment, by_hour: bool) -> String {
    if by_hour { start.format("%-d %b, %H:%M").to_string() } else { day(start) }
}

fn short_name(start: Moment, by_hour: bool) -> String {
    start.format(if by_hour { "%H:%M" } else { "%-d %b" }).to_string()
}

/// A round step and how many of them, at most four, reach the highest value.
fn scale(most: i64) -> (i64, i64) {
    let most = most.max(1);
    let mut unit = 1;
    loop {
        let mut steps = [1, 2, 5].into_iter().map(|factor| factor * unit);
        if let Some(step) = steps.find(|step| step * 4 >= most) {
            return (step, (most + step - 1) / step);
        }
        unit *= 10;
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use crate::http::pages::usage::chart::*;
    use crate::model::catalog::sample;
    use crate::model::scope::Access;
    use crate::model::time::parse_rfc3339;
    use crate::model::usage::Cell;

    #[test]
    fn a_chart_stacks_outcomes_and_says_the_same_in_words() {
        let start = parse_rfc3339("2026-11-20T00:00:00Z").unwrap();
        let mut breakdown = Breakdown::over((0..3).map(|n| start + Duration::days(n)));
        let cell = |outcome| Cell::new(Some(sample::CALLS), Access::Read, outcome);
        breakdown.add("calls", cell(Outcome::Ok), start, 30);
        breakdown.add("calls", cell(Outcome::Forbidden), start, 10);
        breakdown.add("calls", cell(Outcome::Ok), start + Duration::days(2), 20);
        let chart = Chart::new(&breakdown, false);
        assert_eq!(chart.legend, [("ok", "ok"), ("forbidden", "forbidden")]);
        assert_eq!(chart.scale, ["40", "30", "20", "10", "0"]);
        let first: Vec<(&str, &str)> =
            chart.columns[0].bars.iter().map(|bar| (bar.class, bar.height.as_str())).collect();
        assert_eq!(first, [("ok", "112.5"), ("forbidden", "37.5")]);
        assert_eq!(chart.columns[0].title, "20 Nov 2026: 30 ok, 10 forbidden");
        assert_eq!(chart.columns[1].title, "21 Nov 2026: none");
        assert_eq!(chart.ends, ["20 Nov", "21 Nov", "22 Nov"]);
        assert_eq!(chart.lines[2].by_outcome, ["30", "10"]);
    }

    #[test]
    fn a_small_chart_draws_only_days_with_requests() {
        let mut days = [0; DAYS];
        assert_eq!(Sparkline::new(&days).path, "");
        (days[0], days[29]) = (1, 1000);
        let spark = Sparkline::new(&days);
        assert_eq!(spark.path, "M0 0v-2M29 0v-22");
        assert_eq!(
            spark.label,
            "1,001 requests in 30 days, at most 1,000 in a day, 1,000 in the last"
        );
    }

    proptest! {
        #[test]
        fn a_scale_reaches_the_highest_value(most in 0i64..2_000_000_000_000) {
            let (step, steps) = scale(most);
            prop_assert!((1..=4).contains(&steps) && step * steps >= most);
            prop_assert!(steps == 1 || step * (steps - 1) < most);
        }
    }
}

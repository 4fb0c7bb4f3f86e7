//! Lists in pages: what their addresses say, and the way from page to page.

use super::text::{counted, number};
use crate::http::extract::QueryReader;
use crate::model::schema;
use crate::model::table::NumberedPage;

const LAST_PAGE: usize = 1_000_000;

/// A list this short is read faster than searched.
const FEW: i64 = 10;

/// Whether fields to search a list by are worth their place: it is long, or it is searched already.
pub fn is_searchable(rows: i64, filtered: bool) -> bool {
    filtered || rows > FEW
}

/// Which numbered page is asked for; the first unless said.
pub fn read_page(query: &mut QueryReader) -> usize {
    let page = query.parsed(
        "page",
        || schema::integer(1, LAST_PAGE as i64),
        |text| match text.parse::<usize>() {
            Ok(page @ 1..=LAST_PAGE) => Ok(page),
            _ => Err("must be a number from 1".to_owned()),
        },
    );
    page.unwrap_or(1)
}

/// An address with those of its parameters that are given.
pub fn address<'a>(
    path: &str,
    parts: impl IntoIterator<Item = (&'a str, Option<String>)>,
) -> String {
    let given = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The number of a page in its address, where the first one stands without.
pub fn page_part(page: usize) -> (&'static str, Option<String>) {
    ("page", (page > 1).then(|| page.to_string()))
}

/// A value to choose from.
pub struct Choice {
    /// The value that the form sends.
    pub value: String,
    /// The words that people read.
    pub words: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

impl Choice {
    /// A value with its words.
    pub fn new(value: &str, words: impl Into<String>, chosen: bool) -> Self {
        Self { value: value.to_owned(), words: words.into(), chosen }
    }
}

/// Where a page is in its list.
pub struct Pager {
    /// `7 keys`, or `1 to 50 of 10,042`
    pub summary: String,
    /// The address of the way back.
    pub previous: Option<String>,
    /// Where that leads, in a word.
    pub back: &'static str,
    /// The address of the next page.
    pub next: Option<String>,
}

impl Pager {
    /// The pager of a numbered page; `address` makes the addresses of its neighbours.
    pub fn of<T>(table: &NumberedPage<T>, noun: &str, address: impl Fn(usize) -> String) -> Self {
        let NumberedPage { rows, place } = table;
        let shown = |n: usize| number(n as i64);
        let last = place.before() + rows.len();
        let summary = match place.pages {
            1 => counted(place.total as i64, noun),
            _ => {
                format!(
                    "{} to {} of {}",
                    shown(place.before() + 1),
                    shown(last),
                    shown(place.total)
                )
            }
        };
        Self {
            summary,
            back: "Previous",
            previous: (place.page > 1).then(|| address(place.page - 1)),
            next: (place.page < place.pages).then(|| address(place.page + 1)),
        }
    }
}

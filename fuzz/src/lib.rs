//! What several fuzz targets share: a key, a moment, a catalog, and how their inputs are cut.

use std::sync::LazyLock;

use bitting::model::catalog::{Catalog, Example, Requests, Resource, ResourceNumber};
use bitting::model::time::{Moment, parse_rfc3339};

/// A well-formed API key of the brand `bt`.
pub const KEY: &str = "btk_FuzzingFuzzingFuzzingFuzzingFuzz3ErAJV";
/// A well-formed admin token of the brand `bt`.
pub const TOKEN: &str = "bta_FuzzingFuzzingFuzzingFuzzingFuzz07NZzQ";

/// When everything happens.
pub fn now() -> Moment {
    parse_rfc3339("2026-11-28T12:00:00Z").expect("a moment")
}

/// Calls and leads, and reports that can only be read.
pub fn catalog() -> Catalog {
    let resource = |number, name: &str, writable| Resource {
        number: ResourceNumber(number),
        name: name.parse().expect("a name"),
        description: String::new(),
        writable,
        example: Example::default(),
        requests: Requests { paths: vec![format!("/{name}")], ..Requests::default() },
    };
    Catalog::new([
        resource(1, "calls", true),
        resource(2, "leads", true),
        resource(3, "reports", false),
    ])
}

/// The same for targets that compile nothing with it: what is compiled once is kept.
pub static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

/// Cuts a text into pieces, each as long as the next number says, and the rest.
pub fn pieces<'a>(text: &'a [u8], lengths: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = text;
    let cut = move |length| {
        let (piece, after) = rest.split_at(usize::min(length, rest.len()));
        rest = after;
        piece
    };
    lengths.iter().map(|length| usize::from(*length)).chain([usize::MAX]).map(cut)
}

/// What stands before and behind the first empty line.
pub fn halves(text: &str) -> (&str, &str) {
    text.split_once("\n\n").unwrap_or((text, ""))
}

/// A letter as programs compare it that take those of either case for the same.
pub fn in_one_case(letter: char) -> char {
    let one = |case: &str| (case.chars().count() == 1).then(|| case.chars().next()).flatten();
    let upper = one(&letter.to_uppercase().to_string()).unwrap_or(letter);
    if upper == 'İ' { 'i' } else { one(&upper.to_lowercase().to_string()).unwrap_or(upper) }
}

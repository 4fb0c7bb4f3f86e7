//! The headers of answers, for the API document.

use serde_json::{Map, Value, json};

/// Each header that an answer may have, and what it says.
const HEADERS: [(&str, &str); 8] = [
    (
        "X-Request-Id",
        "Names this request. A request's own is kept when it is 1 to 64 of A-Za-z0-9._- and looks like no key.",
    ),
    ("Location", "The path of what was made."),
    (
        "WWW-Authenticate",
        "What credential is asked for, and what was wrong with the one presented (RFC 6750).",
    ),
    ("Allow", "The methods that this path offers."),
    ("Retry-After", "After how many seconds it is worth trying again."),
    ("ETag", "The version of the record; another one after each change."),
    ("Link", "Where the list goes on, as `rel=\"next\"` (RFC 8288); not on the last page."),
    ("Idempotency-Replayed", "`true` when this is the answer that was given before."),
];

fn described(about: &str, required: bool) -> Value {
    json!({"description": about, "required": required, "schema": {"type": "string"}})
}

/// All of them, as components: they are there whenever they are referred to.
pub(super) fn components() -> Map<String, Value> {
    let component = |(name, about): &(&str, &str)| ((*name).to_owned(), described(about, true));
    HEADERS.iter().map(component).collect()
}

/// References to headers that an answer always has.
pub(super) fn refer(names: &[&str]) -> Map<String, Value> {
    let refer =
        |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    names.iter().map(refer).collect()
}

/// A header that an answer may have.
pub(super) fn optional(name: &str) -> Map<String, Value> {
    let known = HEADERS.iter().filter(|(known, _)| *known == name);
    known.map(|(name, about)| ((*name).to_owned(), described(about, false))).collect()
}

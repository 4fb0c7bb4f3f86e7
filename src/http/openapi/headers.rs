//! The headers of answers, for the API document.

use serde_json::{Map, Value, json};

/// Each header that an answer may have, and what it says.
const HEADERS: [(&str, &str); 10] = [
    (
        "X-Request-Id",
        "Identifies this request. The client's own is kept if it has 1 to 64 characters of A-Za-z0-9._- and does not look like a key.",
    ),
    ("Location", "The path of what was created."),
    (
        "WWW-Authenticate",
        "Which credential is required, and what was wrong with the one presented (RFC 6750).",
    ),
    ("Allow", "The methods that this path supports."),
    ("Retry-After", "How many seconds to wait before trying again."),
    (
        "RateLimit-Policy",
        "The limits of the key, if it has any (draft-ietf-httpapi-ratelimit-headers): `\"rate\";q=600;w=60, \"quota\";q=50000;w=86400`.",
    ),
    (
        "RateLimit",
        "How many requests are left of each limit, and in how many seconds all of them are again: `\"rate\";r=599;t=1, \"quota\";r=49999;t=3600`.",
    ),
    ("ETag", "The version of the record; it changes with every change to the record."),
    ("Link", "The next page of the list, as `rel=\"next\"` (RFC 8288); absent on the last page."),
    ("Idempotency-Replayed", "`true` if this response is a repeat of an earlier one."),
];

fn described(about: &str, required: bool) -> Value {
    json!({"description": about, "required": required, "schema": {"type": "string"}})
}

/// The headers that tell a key's limits, if it has any.
pub(super) const OF_LIMITS: [&str; 2] = ["RateLimit-Policy", "RateLimit"];

/// All headers as components of the document, to be referred to. Only those of limits are optional.
pub(super) fn components() -> Map<String, Value> {
    let component = |(name, about): &(&str, &str)| {
        ((*name).to_owned(), described(about, !OF_LIMITS.contains(name)))
    };
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

/// Adds what is told of a key's limits to the answers that a client looks at for it.
pub(super) fn announce_limits(answers: &mut Map<String, Value>) {
    let told = |status: &str| status.starts_with('2') || status == "429";
    for (_, answer) in answers.iter_mut().filter(|(status, _)| told(status)) {
        if let Some(named) = answer["headers"].as_object_mut() {
            named.extend(refer(&OF_LIMITS));
        }
    }
}

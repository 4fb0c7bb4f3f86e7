//! The names in the query of somebody else's request, as frameworks read them.

use percent_encoding::percent_decode_str;

/// The name of a parameter that some frameworks take for the method.
pub(super) const METHOD: &str = "_method";

/// The names of a query's parameters: decoded, up to a bracket or NUL, in lower case, and after `;` as
/// after `&`. PHP takes dots and spaces in them for `_`.
pub(super) fn parameter_names(query: &str) -> impl Iterator<Item = String> {
    query.split(['&', ';']).map(|pair| {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy().into_owned();
        let name = name.split(['[', '\0']).next().unwrap_or_default().trim();
        name.to_ascii_lowercase().replace(['.', ' '], "_")
    })
}

/// Whether the query of a target may replace the method that is judged.
pub(super) fn names_method(target: &str) -> bool {
    let Some((_, query)) = target.split_once('?') else { return false };
    query.contains(['_', '.', '+', '%']) && parameter_names(query).any(|name| name == METHOD)
}

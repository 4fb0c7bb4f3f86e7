//! Headers on their way through: what belongs to one connection stays on it (RFC 9110 §7.6.1). Names and
//! values go on as the bytes they are.

use actix_web::dev::RequestHead;
use actix_web::http::header as received;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// What belongs to one connection even where `Connection` does not name it.
pub(in crate::http) const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Those of a client's headers that go on, by their names in lower case. What `Connection` names does
/// not; there is room for some more.
pub(in crate::http) fn forwarded(
    request: &RequestHead,
    goes_on: impl Fn(&str) -> bool,
) -> HeaderMap {
    let lines = request.headers().get_all(received::CONNECTION);
    let named = named_by_connection(lines.map(received::HeaderValue::as_bytes));
    let mut headers = HeaderMap::with_capacity(request.headers().len() + 8);
    for (name, value) in request.headers() {
        let text = name.as_str();
        if !goes_on(text) || among(&named, text) {
            continue;
        }
        let name = HeaderName::from_bytes(text.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    headers
}

/// The names that the lines of `Connection` give: such headers belong to that connection.
pub(in crate::http) fn named_by_connection<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
) -> Vec<&'a [u8]> {
    lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect()
}

/// Whether a header is among those that are named.
pub(in crate::http) fn among(names: &[&[u8]], name: &str) -> bool {
    names.iter().any(|named| named.eq_ignore_ascii_case(name.as_bytes()))
}

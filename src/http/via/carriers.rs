//! The headers that carry a key here and nowhere else: those that Customerly's own clients send a bare
//! token in, so that they need no other change than the address.

use actix_web::http::header::HeaderMap;

use crate::http::extract::caller::by_name;

/// What carries a bare key everywhere.
const PLAIN: &str = "x-api-key";

/// A request's headers by name and value, as the gate reads them: `AccessToken: KEY` and
/// `Authentication: KEY` count as `X-API-Key: KEY`, and so as one carrier beside any other.
pub(super) fn headers(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    by_name(headers).map(|(name, value)| match name {
        "accesstoken" => (PLAIN, value),
        "authentication" if !value.contains(&b' ') => (PLAIN, value),
        _ => (name, value),
    })
}

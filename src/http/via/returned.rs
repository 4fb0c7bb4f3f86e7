//! What a client sees of the headers of a vendor's answer.

use std::borrow::Cow;

use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::StatusCode;
use http::header::{self as theirs, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use zeroize::Zeroizing;

use super::links::Links;
use super::mask::masked;
use crate::http::forwarding::headers::{HOP_BY_HOP, among, named_by_connection};
use crate::http::request_id::RequestId;

/// What is about the vendor's own pages, connections, proxies and limits, and no part of an answer; the
/// encoding, which is undone; and digests, which do not fit what was changed.
const KEPT_BACK: [&str; 27] = [
    "accept-ranges",
    "alt-svc",
    "clear-site-data",
    "content-digest",
    "content-encoding",
    "content-md5",
    "content-security-policy",
    "content-security-policy-report-only",
    "digest",
    "nel",
    "proxy-authentication-info",
    "proxy-status",
    "ratelimit",
    "ratelimit-policy",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "repr-digest",
    "server",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "www-authenticate",
    "x-lighttpd-send-file",
    "x-powered-by",
    "x-reproxy-url",
    "x-sendfile",
];

/// The beginning of headers with which a vendor lets browsers in: they are not to go by these.
const CORS: &str = "access-control-";
/// The beginning of headers by which a server commands nginx.
const ACCEL: &str = "x-accel-";
/// What is ours to say.
const OURS: &str = "x-bitting-";

const VIA: HeaderName = HeaderName::from_static("x-bitting-via");
/// The status of an answer whose own status would mislead.
const VENDOR_STATUS: HeaderName = HeaderName::from_static("x-vendor-status");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VENDOR_REQUEST_ID: HeaderName = HeaderName::from_static("x-vendor-request-id");

/// What a vendor's headers are passed through.
pub(super) struct Returned<'a> {
    pub(super) connection: &'a str,
    pub(super) id: RequestId,
    pub(super) links: &'a Links,
    pub(super) secrets: &'a [Zeroizing<String>],
}

impl Returned<'_> {
    /// Gives the headers of an answer to the client's, but for those that frame its body. `now` is in
    /// seconds, as vendors have it.
    pub(super) fn give(&self, head: &Parts, now: i64, out: &mut HeaderMap) {
        let answer = &head.headers;
        let lines = answer.get_all(CONNECTION).iter().map(theirs::HeaderValue::as_bytes);
        let named = named_by_connection(lines);
        for (name, value) in answer {
            let text = name.as_str();
            if !goes_on(text) || among(&named, text) {
                continue;
            }
            let value = HeaderValue::from_bytes(&self.cleaned(text, value.as_bytes()));
            match (HeaderName::from_bytes(text.as_bytes()), value) {
                (Ok(name), Ok(value)) if name == REQUEST_ID => {
                    out.insert(VENDOR_REQUEST_ID, value);
                }
                (Ok(name), Ok(value)) => out.append(name, value),
                (Err(_), _) | (_, Err(_)) => {}
            }
        }
        let limited =
            head.status == StatusCode::TOO_MANY_REQUESTS && !out.contains_key(RETRY_AFTER);
        if let Some(seconds) = seconds_to_wait(answer, now).filter(|_| limited) {
            out.insert(RETRY_AFTER, seconds.into());
        }
        if head.status == StatusCode::UNAUTHORIZED {
            out.insert(VENDOR_STATUS, HeaderValue::from_static("401"));
        }
        out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in [(REQUEST_ID, self.id.as_str()), (VIA, self.connection)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                out.insert(name, value);
            }
        }
    }

    /// A header's value without the credential, and with links that lead through the connection.
    fn cleaned<'a>(&self, name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
        let value = masked(value, self.secrets).map_or(Cow::Borrowed(value), Cow::Owned);
        self.links.replaced_in(name, &value).map_or(value, Cow::Owned)
    }
}

fn goes_on(name: &str) -> bool {
    !(HOP_BY_HOP.contains(&name)
        || KEPT_BACK.contains(&name)
        || name.starts_with(CORS)
        || name.starts_with(ACCEL)
        || name.starts_with(OURS)
        || [VENDOR_STATUS, VENDOR_REQUEST_ID].iter().any(|ours| name == ours.as_str())
        || *name == *CONTENT_LENGTH.as_str())
}

/// Whether an answer is JSON, by any of its types: which of several lines counts, each client decides.
pub(super) fn is_json(answer: &theirs::HeaderMap) -> bool {
    answer.get_all(CONTENT_TYPE).iter().any(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        text.split(';').next().is_some_and(|media_type| media_type.contains("json"))
    })
}

/// How many seconds a vendor asks to be left alone, where it says so in a way of its own: seconds from
/// now, or a moment in seconds or milliseconds.
fn seconds_to_wait(answer: &theirs::HeaderMap, now: i64) -> Option<i64> {
    let text = answer.get("x-aircallapi-reset")?.to_str().ok()?;
    let given: i64 = text.trim().parse().ok().filter(|given| *given >= 0)?;
    /// What is less is no moment of our time.
    const MOMENT: i64 = 1_000_000_000;
    let seconds = match given {
        0..MOMENT => given,
        MOMENT..1_000_000_000_000 => given - now,
        _ => (given - now * 1000 + 999) / 1000,
    };
    Some(seconds.clamp(1, 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> theirs::HeaderMap {
        let mut map = theirs::HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, theirs::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_wait_is_read_in_seconds_and_milliseconds() {
        let now = 1_796_000_000;
        for (text, seconds) in [
            ("17", Some(17)),
            ("0", Some(1)),
            ("1796000030", Some(30)),
            ("1796000030500", Some(31)),
            ("1795999999", Some(1)),
            ("soon", None),
            ("-5", None),
        ] {
            assert_eq!(seconds_to_wait(&map(&[("x-aircallapi-reset", text)]), now), seconds);
        }
        assert_eq!(seconds_to_wait(&map(&[]), now), None);
    }

    #[test]
    fn only_an_answers_own_headers_are_given_back() {
        for name in ["etag", "link", "location", "content-type", "retry-after", "x-ratelimit"] {
            assert!(goes_on(name), "{name}");
        }
        for name in [
            "set-cookie",
            "connection",
            "transfer-encoding",
            "content-length",
            "www-authenticate",
            "access-control-allow-origin",
            "server",
            "x-bitting-via",
        ] {
            assert!(!goes_on(name), "{name}");
        }
    }

    #[test]
    fn json_is_told_by_its_type() {
        for (media_type, json) in [
            ("application/json", true),
            ("application/vnd.api+JSON; charset=utf-8", true),
            ("application/x-ndjson", true),
            ("text/html; x=json", false),
            ("audio/mpeg", false),
        ] {
            let of = |types: &[&'static str]| {
                is_json(&map(&types.iter().map(|text| ("content-type", *text)).collect::<Vec<_>>()))
            };
            assert_eq!(of(&[media_type]), json, "{media_type}");
            assert_eq!(of(&["text/plain", media_type]), json, "{media_type}");
        }
        let mut odd = map(&[]);
        let text = theirs::HeaderValue::from_bytes(b"application/json; x=\xe9").unwrap();
        odd.insert("content-type", text);
        assert!(is_json(&odd));
    }
}

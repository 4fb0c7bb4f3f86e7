//! What a vendor sees of a request's headers: those that are listed, and the credential. So no credential
//! or cookie of the client's ever passes, whatever it is called.

use actix_web::dev::RequestHead;
use actix_web::http::header as received;
use http::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderValue, VIA};

use crate::http::forwarding::headers::forwarded;

/// What is forwarded, in lower case. No `Range`: a secret could be read in two parts.
const FORWARDED: [&str; 11] = [
    "accept",
    "accept-language",
    "content-type",
    "content-encoding",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "idempotency-key",
    "prefer",
    "request-from",
    "user-agent",
];

/// The headers of a request to a vendor, but for the credential and those that frame its body. `mark`
/// tells this database from others.
pub(super) fn headers(request: &RequestHead, host: &str, mark: &str) -> HeaderMap {
    let mut headers = forwarded(request, |name| FORWARDED.contains(&name));
    // An answer has to be read to be rewritten.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in [(HOST, host), (VIA, &format!("1.1 bitting ({mark})"))] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Whether a request has come through this installation before: it would go round for ever.
pub(super) fn comes_back(request: &RequestHead, mark: &str) -> bool {
    let vias = request.headers().get_all(received::VIA);
    let ours = || format!("bitting ({mark})");
    vias.filter_map(|value| value.to_str().ok()).any(|value| value.contains(&ours()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_what_is_listed_is_forwarded() {
        let request = TestRequest::default()
            .insert_header(("Accept", "application/json"))
            .insert_header(("Range", "bytes=0-1"))
            .insert_header(("Prefer", "x"))
            .insert_header(("Connection", "prefer"))
            .insert_header(("Authorization", "Bearer key"))
            .insert_header(("X-Api-Key", "key"))
            .insert_header(("Cookie", "a=b"))
            .insert_header(("X-Forwarded-For", "10.0.0.1"))
            .insert_header(("X-HTTP-Method-Override", "DELETE"))
            .insert_header(("Accept-Encoding", "gzip"))
            .insert_header(("X-New", "x"))
            .to_http_request();
        let headers = headers(request.head(), "api.example.com", "db1");
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        let wanted = [
            "accept-encoding: identity",
            "accept: application/json",
            "host: api.example.com",
            "via: 1.1 bitting (db1)",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn a_request_that_comes_back_is_told() {
        let of = |via: &str| {
            let request = TestRequest::default().insert_header(("Via", via)).to_http_request();
            comes_back(request.head(), "db1")
        };
        assert!(of("1.1 bitting (db1)") && of("1.0 a, 1.1 bitting (db1), 1.1 b"));
        assert!(!of("1.1 bitting (db2)") && !of("1.1 bitting") && !of("1.1 x (db1)"));
    }
}

//! What the upstream sees of a request's headers, and the client of an answer's.
//! What Bitting says of a request is never the client's own.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::{Version, header as received};
use http::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, VIA,
};

use crate::gate::identities::IdentityHeaders;
use crate::gate::presented_key::carries_credential;
use crate::http::forwarding::headers::{HOP_BY_HOP, among, forwarded, named_by_connection};
use crate::http::request_id::RequestId;
use crate::http::state::HttpSettings;

/// What tells an API where a request comes from, and is believed from a trusted proxy alone.
const X_FORWARDED: &str = "x-forwarded-";
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: &str = "x-real-ip";
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What Bitting says of the key.
const X_BITTING: &str = "x-bitting-";

/// What some frameworks take for the method or the path of the request. They would serve another
/// request than the one that was judged.
const OVERRIDES: [&str; 9] = [
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// What tells one family of shared caches more than `Cache-Control` does, besides those whose name ends
/// with [`OF_A_CDN`].
const FOR_SHARED_CACHES: [&str; 4] =
    ["akamai-cache-control", "edge-control", "surrogate-control", "x-accel-expires"];
/// `CDN-Cache-Control` for all (RFC 9213), and `Cloudflare-CDN-Cache-Control` for one.
const OF_A_CDN: &str = "cdn-cache-control";

/// What of a client's headers goes on, and what is said beside them.
pub(super) struct Outgoing<'a> {
    pub(super) request: &'a RequestHead,
    pub(super) id: RequestId,
    pub(super) holder: &'a IdentityHeaders,
    /// The upstream's own `Host`.
    pub(super) host: &'a str,
    pub(super) pass_credential: bool,
    pub(super) settings: &'a HttpSettings,
}

impl Outgoing<'_> {
    /// The headers of the request to the upstream, but for those that frame its body.
    pub(super) fn headers(&self) -> HeaderMap {
        let request = self.request;
        let peer = request.peer_addr.map(|peer| peer.ip().to_canonical());
        let trusted = self.settings.trusted_proxies.include(peer);
        let mut headers = forwarded(request, |name| self.goes_on(name, trusted));
        self.say_where_from(&mut headers, peer, trusted);
        let via = if request.version == Version::HTTP_10 { "1.0 bitting" } else { "1.1 bitting" };
        extend_list(&mut headers, &VIA, via.as_bytes());
        set(&mut headers, HOST, self.host.as_bytes());
        set(&mut headers, X_REQUEST_ID, self.id.as_bytes());
        for (name, value) in IdentityHeaders::NAMES.into_iter().zip(self.holder.values()) {
            set(&mut headers, HeaderName::from_static(name), value);
        }
        headers
    }

    /// Whether a header of this name goes on. Some servers take an underscore for a hyphen, and some
    /// every other sign, so a name that has one could stand for any of those that do not.
    fn goes_on(&self, name: &str, trusted: bool) -> bool {
        let tells_where_from =
            name.starts_with(X_FORWARDED) || name == X_REAL_IP || name == "forwarded";
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !(!name.bytes().all(plain)
            || name.starts_with(X_BITTING)
            || HOP_BY_HOP.contains(&name)
            || OVERRIDES.contains(&name)
            || name == "host"
            || name == "content-length"
            || (tells_where_from && !trusted)
            || (carries_credential(name) && !self.pass_credential))
    }

    /// Says where the request comes from: anew, or after what a trusted proxy says. A form that such
    /// a proxy does not use is left out, since it could only name the proxy.
    fn say_where_from(&self, headers: &mut HeaderMap, peer: Option<IpAddr>, trusted: bool) {
        let host = self.request.headers().get(received::HOST);
        let host = host.map(received::HeaderValue::as_bytes).unwrap_or_default();
        let says = |name: &HeaderName| trusted && headers.contains_key(name);
        let (list, element) = (says(&X_FORWARDED_FOR), says(&FORWARDED));
        if let Some(peer) = peer {
            if list || !element {
                extend_list(headers, &X_FORWARDED_FOR, peer.to_string().as_bytes());
            }
            if element || !list {
                extend_list(headers, &FORWARDED, &element_of(peer, host));
            }
        }
        for (name, value) in [(X_FORWARDED_PROTO, &b"http"[..]), (X_FORWARDED_HOST, host)] {
            if !headers.contains_key(&name) && !value.is_empty() {
                set(headers, name, value);
            }
        }
    }
}

/// One element of `Forwarded` (RFC 7239 §4).
fn element_of(peer: IpAddr, host: &[u8]) -> Vec<u8> {
    let mut element = match peer {
        IpAddr::V4(peer) => format!("for={peer};proto=http"),
        IpAddr::V6(peer) => format!("for=\"[{peer}]\";proto=http"),
    }
    .into_bytes();
    if !host.is_empty() {
        element.extend_from_slice(b";host=\"");
        for byte in host {
            if matches!(byte, b'"' | b'\\') {
                element.push(b'\\');
            }
            element.push(*byte);
        }
        element.push(b'"');
    }
    element
}

/// Adds to a header that is a list, as one line: not everybody reads more than one.
fn extend_list(headers: &mut HeaderMap, name: &HeaderName, element: &[u8]) {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let all: Vec<&[u8]> = lines.chain([element]).collect();
    let all = all.join(&b", "[..]);
    set(headers, name.clone(), &all);
}

/// Sets a header to what was checked before, or was a header's value already.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

/// Keeps an answer to a key out of caches that several clients share: who has no key would get it
/// there, and whose key was revoked. Of themselves they leave out answers to `Authorization` alone
/// (RFC 9111 §3.5), and the upstream knows of no keys.
pub(super) fn keep_private(headers: &mut received::HeaderMap) {
    headers.retain(|name, _| {
        let name = name.as_str();
        !(FOR_SHARED_CACHES.contains(&name) || name.ends_with(OF_A_CDN))
    });
    let lines = headers.get_all(received::CACHE_CONTROL).filter_map(|line| line.to_str().ok());
    let said: Vec<String> = lines.flat_map(|line| line.split(',')).map(str::to_owned).collect();
    let is = |directive: &str, name| directive.eq_ignore_ascii_case(name);
    let is_kept = |directive: &&str| {
        let name = directive.split('=').next().unwrap_or_default().trim_end();
        !directive.is_empty() && !is(directive, "public") && !is(name, "s-maxage")
    };
    let mut kept: Vec<&str> = said.iter().map(|said| said.trim()).filter(is_kept).collect();
    if !kept.iter().any(|directive| is(directive, "private") || is(directive, "no-store")) {
        kept.push("private");
    }
    if let Ok(value) = received::HeaderValue::from_str(&kept.join(", ")) {
        headers.insert(received::CACHE_CONTROL, value);
    }
}

/// Gives the headers of the upstream's answer to the client's, but for those that frame its body.
pub(super) fn give_back(answer: &HeaderMap, response: &mut HttpResponse) {
    let lines = answer.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let named = named_by_connection(lines);
    for (name, value) in answer {
        let text = name.as_str();
        if HOP_BY_HOP.contains(&text) || *name == CONTENT_LENGTH || among(&named, text) {
            continue;
        }
        let name = received::HeaderName::from_bytes(text.as_bytes());
        let value = received::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
}

//! The client's address: the peer's, or what trusted proxies say in `X-Forwarded-For` or in
//! `Forwarded` (RFC 7239).

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::header::{FORWARDED, X_FORWARDED_FOR};

use super::fields::RequestFields;
use super::state::HttpSettings;
use crate::config::TrustedProxies;
use crate::model::secret::mask;

/// How much of an invalid address is logged, in bytes.
const LONGEST_QUOTE: usize = 200;

/// The address a request comes from. The headers are believed from the right, as long as the address
/// to the right is a trusted proxy's. Where a proxy names none, it is that proxy's own. A peer on a Unix
/// socket has none.
pub fn client_address(request: &RequestHead, settings: &HttpSettings) -> Option<IpAddr> {
    address_behind(request.peer_addr.map(|peer| peer.ip()), request.headers(), settings)
}

/// The address that a request with these fields comes from, by way of this peer.
pub(super) fn address_behind(
    peer: Option<IpAddr>,
    fields: &impl RequestFields,
    settings: &HttpSettings,
) -> Option<IpAddr> {
    let peer = peer.map(|address| address.to_canonical());
    let trusted = &settings.trusted_proxies;
    if !trusted.include(peer) {
        return peer;
    }
    let found = if fields.all(X_FORWARDED_FOR).next().is_some() {
        last_untrusted(peer, forwarded_for(fields), trusted)
    } else {
        last_untrusted(peer, forwarded(fields), trusted)
    };
    found.unwrap_or_else(|unnamed| {
        unnamed.tell(settings);
        unnamed.proxy
    })
}

/// A trusted proxy whose header holds no address.
#[derive(Debug, PartialEq, Eq)]
struct Unnamed<'a> {
    proxy: Option<IpAddr>,
    said: &'a [u8],
}

impl Unnamed<'_> {
    fn tell(&self, settings: &HttpSettings) {
        let Some(untold) = settings.watch.unnamed_clients.admit() else { return };
        let said = &self.said[..self.said.len().min(LONGEST_QUOTE)];
        let proxy = self.proxy.map_or("unix".to_owned(), |proxy| proxy.to_string());
        tracing::warn!(
            %proxy,
            said = ?mask(&String::from_utf8_lossy(said)),
            untold,
            "a trusted proxy names no address for its client, so the proxy's own is taken, which \
             on a Unix socket is none: all of its clients count as one. Let it set X-Forwarded-For \
             to the client's address"
        );
    }
}

/// The text for one hop, and its address if it is one.
type Hop<'a> = (&'a [u8], Option<IpAddr>);

fn last_untrusted<'a>(
    peer: Option<IpAddr>,
    hops: impl Iterator<Item = Hop<'a>>,
    trusted: &TrustedProxies,
) -> Result<Option<IpAddr>, Unnamed<'a>> {
    let mut last = peer;
    for (said, address) in hops {
        last = Some(address.ok_or(Unnamed { proxy: last, said })?);
        if !trusted.include(last) {
            break;
        }
    }
    Ok(last)
}

/// The hops of `X-Forwarded-For`, from the right.
fn forwarded_for(fields: &impl RequestFields) -> impl Iterator<Item = Hop<'_>> {
    let lines = fields.all(X_FORWARDED_FOR).rev();
    let items = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
    let items = items.map(<[u8]>::trim_ascii).filter(|item| !item.is_empty());
    items.map(|item| (item, address(item)))
}

/// The hops of `Forwarded`, from the right.
fn forwarded(fields: &impl RequestFields) -> impl Iterator<Item = Hop<'_>> {
    let lines = fields.all(FORWARDED).rev();
    let elements = lines.flat_map(|line| split_from_the_right(line, b','));
    let elements = elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
    elements.map(|element| {
        let value = split_from_the_right(element, b';').find_map(|pair| {
            let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
            name.trim_ascii().eq_ignore_ascii_case(b"for").then_some(&value[1..])
        });
        (element, value.and_then(address))
    })
}

/// The parts between unquoted separators, from the right: whatever a client has put to the left
/// changes nothing to the right of it.
fn split_from_the_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let cut = (0..text.len()).rev().find(|at| {
            quoted ^= text[*at] == b'"' && !is_escaped(text, *at);
            !quoted && text[*at] == separator
        });
        rest = cut.map(|at| &text[..at]);
        Some(cut.map_or(text, |at| &text[at + 1..]))
    })
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// An address as proxies write it: bare, with a port, in brackets, in quotes.
fn address(item: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(item.trim_ascii()).ok()?;
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let (host, port) = match bare.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match bare.split_once(':') {
            // More than one colon is an IPv6 address, which has no port without brackets.
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (bare, None),
        },
    };
    let address = host.parse::<IpAddr>().ok()?.to_canonical();
    port.is_none_or(is_port).then_some(address)
}

/// Whether a text is a port: a number, or a name that hides one (RFC 7239 §6).
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() || text.starts_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    fn client(name: HeaderName, lines: &[&str]) -> Result<String, String> {
        let trusted = "127.0.0.0/8,10.0.0.0/8".parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let peer = Some("127.0.0.1".parse().unwrap());
        let found = if name == X_FORWARDED_FOR {
            last_untrusted(peer, forwarded_for(&headers), &trusted)
        } else {
            last_untrusted(peer, forwarded(&headers), &trusted)
        };
        let text = |address: Option<IpAddr>| address.unwrap().to_string();
        found.map(text).map_err(|unnamed| text(unnamed.proxy))
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let client = |lines: &[&str]| client(X_FORWARDED_FOR, lines);
        for (lines, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            (&["1.1.1.1, 203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            (&["\u{fc}, 203.0.113.9,, 10.0.0.2:80 ,"], "203.0.113.9"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.1"], "10.0.0.1"),
            (&[""], "127.0.0.1"),
            (&[], "127.0.0.1"),
        ] {
            assert_eq!(client(lines).as_deref(), Ok(expected), "{lines:?}");
        }
        assert_eq!(client(&["unknown"]), Err("127.0.0.1".to_owned()));
        assert_eq!(client(&["203.0.113.9, unknown, 10.0.0.2"]), Err("10.0.0.2".to_owned()));
        assert_eq!(client(&["203.0.113.9", "\u{fc}", "10.0.0.2"]), Err("10.0.0.2".to_owned()));
    }

    #[test]
    fn an_element_of_forwarded_says_what_it_is_for() {
        let client = |line: &str| client(FORWARDED, &[line]);
        for (line, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"[2001:db8::4]:47011\"", "2001:db8::4"),
            ("by=10.0.0.3;FOR = 203.0.113.9:80 ;proto=https", "203.0.113.9"),
            ("for=1.1.1.1, for=\"203.0.113.9:_p\";host=\"a,b;for=2.2.2.2\"", "203.0.113.9"),
            ("for=203.0.113.9, for=10.0.0.2, for=\"[::ffff:10.0.0.3]\"", "203.0.113.9"),
            // What a client says of itself closes no quotes of a proxy's, and opens none.
            ("for=\"1.1.1.1, for=203.0.113.9", "203.0.113.9"),
            ("for=1.1.1.1\\\", for=203.0.113.9;host=\"x\"", "203.0.113.9"),
            ("for=203.0.113.9;host=\"a\\\", for=1.1.1.1, b=\\\"c\"", "203.0.113.9"),
        ] {
            assert_eq!(client(line).as_deref(), Ok(expected), "{line}");
        }
        for line in ["proto=https", "for=_hidden", "for=unknown", "203.0.113.9", "for="] {
            assert_eq!(client(line), Err("127.0.0.1".to_owned()), "{line}");
        }
    }

    #[test]
    fn an_address_is_known_in_every_form() {
        for (text, expected) in [
            ("203.0.113.8:5432", "203.0.113.8"),
            ("203.0.113.8:0", "203.0.113.8"),
            ("[2001:db8::2]", "2001:db8::2"),
            ("2001:db8::2", "2001:db8::2"),
            ("[2001:db8::3]:443", "2001:db8::3"),
            ("\"[2001:db8::4]:47011\"", "2001:db8::4"),
            ("\"203.0.113.8\"", "203.0.113.8"),
            (" [::ffff:203.0.113.8]:1 ", "203.0.113.8"),
        ] {
            assert_eq!(address(text.as_bytes()), Some(expected.parse().unwrap()), "{text}");
        }
        for text in [
            "unknown",
            "_x",
            "",
            ":",
            "[]",
            "[::1",
            "::1]:80",
            "[::1]80",
            "[::1]:",
            "1.2.3.4:",
            "1.2.3.4:65536",
            "1.2.3.4:x",
            "1.2.3",
            "\"",
            "\"1.2.3.4",
            "unix:",
            "1.2.3.4 5",
        ] {
            assert_eq!(address(text.as_bytes()), None, "{text}");
        }
    }
}

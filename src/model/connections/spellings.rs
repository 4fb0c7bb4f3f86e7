//! How else a secret is written where it comes back in a vendor's answer.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// What is percent-encoded in URLs: all but the unreserved characters of RFC 3986 §2.3.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const COMPONENT: AsciiSet =
    ENCODED.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
const PATH: AsciiSet = COMPONENT
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');
/// What the functions of languages leave besides: Python's, JavaScript's for a part, Go's for a part of a path,
/// those for a whole path (RFC 3986 §3.3), and JavaScript's for a whole URL. Then those for forms, in
/// browsers and Java and in PHP, and JavaScript's old one.
static IN_URLS: [AsciiSet; 9] = [
    ENCODED,
    ENCODED.remove(b'/'),
    COMPONENT,
    ENCODED.remove(b'$').remove(b'&').remove(b'+').remove(b'=').remove(b':').remove(b'@'),
    PATH,
    PATH.remove(b'?').remove(b'#'),
    ENCODED.add(b'~').remove(b'*'),
    ENCODED.add(b'~'),
    ENCODED.add(b'~').remove(b'@').remove(b'*').remove(b'+').remove(b'/'),
];

/// What a text has in place of some characters.
type Escapes = &'static [(char, &'static str)];

const JSON: Escapes = &[('"', "\\\""), ('\\', "\\\\")];
const HTML: Escapes = &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")];
const DECIMAL_APOSTROPHE: Escapes = &[('\'', "&#39;")];
const HEXADECIMAL_APOSTROPHE: Escapes = &[('\'', "&#x27;")];
/// What opens or ends an attribute without quotation marks.
const ATTRIBUTE: Escapes = &[('`', "&#x60;"), ('=', "&#x3D;")];

/// JSON in a text that is not called so, or in a string: as PHP writes it, and as others do. Then HTML: as
/// most languages write it, Python, Handlebars, and Mustache.
static IN_TEXTS: [&[Escapes]; 6] = [
    &[JSON, &[('/', "\\/")]],
    &[JSON],
    &[HTML, DECIMAL_APOSTROPHE],
    &[HTML, HEXADECIMAL_APOSTROPHE],
    &[HTML, HEXADECIMAL_APOSTROPHE, ATTRIBUTE],
    &[HTML, DECIMAL_APOSTROPHE, ATTRIBUTE, &[('/', "&#x2F;")]],
];

/// A secret as it is written in URLs, in JSON and in HTML, where that is another text; some of them more
/// than once.
pub(super) fn other_spellings(secret: &str) -> impl Iterator<Item = Zeroizing<String>> {
    // Most secrets are plain, and this is asked for every request.
    let special = Some(secret).filter(|secret| !secret.bytes().all(is_plain));
    special.into_iter().flat_map(|secret| {
        in_urls(secret).chain(IN_TEXTS.iter().filter_map(|escapes| escaped(secret, escapes)))
    })
}

/// Whether a character is written in one way everywhere.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// A secret as programs write it in URLs, where that is another text.
fn in_urls(secret: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let encoded =
        IN_URLS.iter().filter_map(move |set| match utf8_percent_encode(secret, set).into() {
            Cow::Borrowed(_) => None,
            Cow::Owned(encoded) => Some(Zeroizing::new(encoded)),
        });
    encoded.flat_map(|encoded| {
        let small = Zeroizing::new(with_small_digits(&encoded));
        [encoded, small]
    })
}

/// A percent-encoded text with `%2f` in place of `%2F`.
fn with_small_digits(encoded: &str) -> String {
    let mut digits = 0;
    let small = encoded.chars().map(|c| match c {
        '%' => {
            digits = 2;
            c
        }
        _ if digits > 0 => {
            digits -= 1;
            c.to_ascii_lowercase()
        }
        _ => c,
    });
    small.collect()
}

/// A secret with these escapes; none where it needs none of them.
fn escaped(secret: &str, escapes: &[Escapes]) -> Option<Zeroizing<String>> {
    let escape = |c| {
        escapes.iter().copied().flatten().find(|(escaped, _)| *escaped == c).map(|(_, text)| *text)
    };
    secret.contains(|c| escape(c).is_some()).then(|| {
        // Room for all of it: what is outgrown would stay in memory.
        let mut text = Zeroizing::new(String::with_capacity(secret.len() * 6));
        for c in secret.chars() {
            match escape(c) {
                Some(escape) => text.push_str(escape),
                None => text.push(c),
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_written_in_one_way() {
        for plain in (0..=127).map(char::from).filter(|c| is_plain(*c as u8)) {
            let text = plain.to_string();
            assert_eq!(in_urls(&text).count(), 0, "{plain}");
            assert!(IN_TEXTS.iter().all(|escapes| escaped(&text, escapes).is_none()), "{plain}");
        }
    }

    #[test]
    fn a_secret_is_known_as_programs_write_it() {
        let secret = "Sec8Q~ab/cd+Ef*yz==";
        let spelt: Vec<_> = other_spellings(secret).collect();
        for text in [
            "Sec8Q~ab%2Fcd%2BEf%2Ayz%3D%3D",
            "Sec8Q~ab%2fcd%2bEf%2ayz%3d%3d",
            "Sec8Q%7Eab%2Fcd%2BEf*yz%3D%3D",
            "Sec8Q%7Eab%2Fcd%2BEf%2Ayz%3D%3D",
            "Sec8Q%7Eab/cd+Ef*yz%3D%3D",
            "Sec8Q~ab\\/cd+Ef*yz==",
            "Sec8Q~ab/cd+Ef*yz&#x3D;&#x3D;",
            "Sec8Q~ab&#x2F;cd+Ef*yz&#x3D;&#x3D;",
        ] {
            assert!(spelt.iter().any(|spelling| **spelling == *text), "{text}");
        }
        assert_eq!(other_spellings("plain-key_0123.x").count(), 0);
        let quoted: Vec<_> = other_spellings("a'\"\\b").collect();
        for text in ["a'\\\"\\\\b", "a&#39;&quot;\\b", "a&#x27;&quot;\\b"] {
            assert!(quoted.iter().any(|spelling| **spelling == *text), "{text}");
        }
    }
}

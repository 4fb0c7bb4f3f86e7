//! The path of somebody else's request, in the one spelling that every server reads alike.
//!
//! What is judged here is served elsewhere. A path that two programs can read differently could be
//! judged as one resource and served as another, so it is refused and never guessed at.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The path of a request target in origin form (RFC 9112 §3.2.1), without its query, and with the
/// digits of percent-encodings in upper case (RFC 3986 §6.2.2.1). `None` when its spelling is not
/// the normal one.
pub fn normal(target: &str) -> Option<Cow<'_, str>> {
    let end = target.bytes().position(|byte| byte == b'?').unwrap_or(target.len());
    let path = &target[..end];
    let mut segments = path.as_bytes().strip_prefix(b"/")?.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_doubled = segment.is_empty() && segments.peek().is_some();
        if is_doubled || matches!(segment, b"." | b"..") || !segment.iter().copied().all(is_plain) {
            return None;
        }
    }
    if path.as_bytes().contains(&b'%') {
        upper_case_encodings(path).map(Cow::Owned)
    } else {
        Some(path.into())
    }
}

/// Whether some server may read a path otherwise than it is written.
pub(super) fn reads_loosely(path: &str) -> bool {
    path.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'%')
}

/// A path as a server reads it that takes letters of either case for the same, `%40` for `@` and
/// `%C3%89` for `é`, as many do that decode a path before they look where it leads.
pub(super) fn read_loosely(path: &str) -> Cow<'_, str> {
    if !reads_loosely(path) {
        return path.into();
    }
    let mut pieces = path.split('%');
    let mut loose = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        let is_decoded = |byte: &u8| !byte.is_ascii() || is_plain(*byte) && !b"%/?".contains(byte);
        match byte.filter(is_decoded) {
            Some(byte) => {
                loose.push(byte);
                loose.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => {
                loose.push(b'%');
                loose.extend_from_slice(piece.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&loose).chars().map(in_one_case).collect::<String>().into()
}

/// A letter as programs compare it that take those of either case for the same. Some go by the upper case
/// and some by the lower, so that ı and İ are an i for one of them, ſ is an s, and ς a σ.
fn in_one_case(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    // That of ß is two letters, for which nobody takes it who compares letter by letter.
    let upper = upper.next().filter(|_| upper.len() == 0).unwrap_or(letter);
    // That of İ is an i, and a dot that most leave out.
    upper.to_lowercase().next().unwrap_or(upper)
}

/// Whether a server that reads a path loosely may find a prefix in it; both are read loosely already.
pub(super) fn may_begin(prefix: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let mut next_is = |literal| segments.next().is_some_and(|next| may_be_taken_for(next, literal));
    prefix.split('/').all(&mut next_is)
}

/// Whether such a server may take a segment of a path for this one. Many take `refunds.json` for
/// `refunds` in another format, and some drop dots and spaces at the end.
pub(super) fn may_be_taken_for(segment: &str, literal: &str) -> bool {
    // `v1.2` is no `v1` in another format.
    let is_name = |format: &str| format.starts_with(|first: char| first.is_ascii_alphabetic());
    let short = before_dot(segment, |_| true).trim_end_matches("%20");
    let has_format = short.len() < segment.len();
    literal == segment || (has_format && [literal, before_dot(literal, is_name)].contains(&short))
}

/// What stands before the first dot after which this holds; a dot at the beginning is none.
fn before_dot(segment: &str, holds: impl Fn(&str) -> bool) -> &str {
    let mut dots = segment.match_indices('.').filter(|(at, _)| *at > 0);
    let dot = dots.find(|(at, _)| holds(&segment[at + 1..]));
    dot.map_or(segment, |(at, _)| &segment[..at])
}

/// Visible ASCII, without what ends a path, what Windows takes for a slash, and what Java takes for
/// the beginning of a parameter.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b';')
}

fn upper_case_encodings(path: &str) -> Option<String> {
    let mut pieces = path.split('%');
    let mut normal = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        // It would take a sign as well.
        let digits = code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(code, 16).ok().filter(|_| digits)?;
        let twice = byte == b'%' && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        if twice && rest.len() >= 2 || !is_encoded_with_reason(byte) {
            return None;
        }
        normal.push('%');
        normal.push_str(&code.to_ascii_uppercase());
        normal.push_str(rest);
    }
    // Some servers take a dot or slash in more bytes than UTF-8 allows (%C0%AE) for one.
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    // Control characters, of two bytes too (%C2%85), end a text or a line for some.
    (!decoded.chars().any(char::is_control)).then_some(normal)
}

/// Whether a byte means something else, or cannot be written, when it is not encoded. Slashes are
/// decoded by some servers and not by others.
fn is_encoded_with_reason(byte: u8) -> bool {
    let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !unreserved && !matches!(byte, b'/' | b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (target, path) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders/", "/orders/"),
            ("/orders?x=/../%2e", "/orders"),
            ("/orders/7/lines?", "/orders/7/lines"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b/100%25/x", "/a%20b/100%25/x"),
            ("/100%25x", "/100%25x"),
            ("/a:b@c!$&'()*+,=|[]", "/a:b@c!$&'()*+,=|[]"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(normal(target).as_deref(), Some(path), "{target}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_path() {
        for target in [
            "",
            "*",
            "orders",
            "?x",
            "http://a/orders",
            "//",
            "//orders",
            "/orders//7",
            "/orders//",
            "/..",
            "/.",
            "/orders/..",
            "/orders/../users",
            "/./orders",
            "/orders/.",
            "/%2e%2e/users",
            "/%2E/x",
            "/orders%2fusers",
            "/orders%2Fusers",
            "/orders%5Cusers",
            "/orders\\users",
            "/orders;x=1",
            "/%6frders",
            "/orders/%7Euser",
            "/orders/%",
            "/orders/%2",
            "/orders/%zz",
            "/orders/%+1",
            "/orders/%00",
            "/orders/%0a",
            "/orders/%7f",
            "/orders/%c2%85",
            "/orders/%C2%9a",
            "/orders/%252e",
            "/orders/%c0%ae%c0%ae/users",
            "/orders/%e0%80%af",
            "/caf%e9",
            "/or ders",
            "/orders#x",
            "/caf\u{e9}",
            "/orders\u{7f}",
            "/orders\n",
        ] {
            assert_eq!(normal(target), None, "{target:?}");
        }
    }

    #[test]
    fn what_is_encoded_without_need_is_read_like_the_rest() {
        for (path, loose) in [
            ("/orders", "/orders"),
            ("/Orders/Lines", "/orders/lines"),
            ("/orders%3Apurge/%40all", "/orders:purge/@all"),
            ("/a%21%24%26%27%28%29%2A%2B%2C%3D%7C", "/a!$&'()*+,=|"),
            ("/caf%C3%89/100%25/%20%3B%3F%23", "/caf\u{e9}/100%25/%20%3b%3f%23"),
            ("/adm%C4%B0n/adm%C4%B1n/u%C5%BFer%CF%82/%E2%84%AA", "/admin/admin/user\u{3c3}/k"),
            ("/Stra%C3%9Fe/STRA%E1%BA%9EE", "/stra\u{df}e/stra\u{df}e"),
        ] {
            assert_eq!(read_loosely(path), loose, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_path_is_its_own_normal_form(target in "/[a-zA-Z0-9%/.;?~ -]{0,24}") {
            if let Some(path) = normal(&target) {
                let again = normal(&path);
                prop_assert_eq!(again.as_deref(), Some(&*path));
                let segments: Vec<&str> = path[1..].split('/').collect();
                prop_assert!(segments.iter().all(|segment| ![".", ".."].contains(segment)));
                prop_assert!(segments[..segments.len() - 1].iter().all(|s| !s.is_empty()));
                prop_assert!(path.starts_with('/') && !path.contains(['\\', ';', '?', ' ']));
            }
        }
    }
}

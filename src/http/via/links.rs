//! A vendor's links to itself become links to the connection. A client that followed one as it came
//! would send its own key to the vendor.

use memchr::memchr_iter;
use url::{Position, Url};

/// How links begin; none of these is the beginning of another one.
const SCHEMES: [&str; 3] = ["https://", "http://", "//"];
/// The usual ports, which a link may name.
const PORTS: [&str; 2] = [":443", ":80"];
/// What ends the host of a link where no slash does: its query, its fragment, or the text around it.
const ENDS: &[u8] = b"?#>,;\"' ";

/// Where a vendor's links lead, and where they are to lead.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// The vendor's host, with its port where that is not the usual one.
    vendor: String,
    /// The address of the connection, without a slash behind it.
    here: String,
    /// The vendor's path that was asked for, from which links without a host lead on.
    asked: String,
}

/// How a text compares with the beginning of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match<'a> {
    /// It is none.
    No,
    /// It may become one.
    Begun,
    /// It has the whole beginning up to the path, with this from there on.
    Whole(&'a [u8]),
}

impl Links {
    /// What stands in every link.
    pub(super) const SLASHES: &str = "//";

    /// Links below a vendor's origin, `https://api.example.com`, become links below an address of ours,
    /// `https://bitting.example/via/callrail`. Other ways to write the same place count too.
    pub(super) fn new(origin: &str, here: &str) -> Self {
        let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
        let bare = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80"));
        let vendor = bare.unwrap_or(authority).to_owned();
        Self { vendor, here: here.to_owned(), asked: "/".to_owned() }
    }

    /// The links in an answer to a request for a vendor's path.
    pub(super) fn in_answer_to(self, path: &str) -> Self {
        Self { asked: path.to_owned(), ..self }
    }

    /// What stands in place of the vendor's origin.
    pub(super) fn here(&self) -> &str {
        &self.here
    }

    /// Whether a link may begin with a byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        SCHEMES.iter().any(|scheme| compare(&[byte], scheme) != Match::No)
    }

    /// Whether a text is the beginning of a link.
    pub(super) fn compare<'a>(&self, text: &'a [u8]) -> Match<'a> {
        let schemed = compare_with_any(text, &SCHEMES);
        let hosted = schemed.then(|rest| compare(rest, &self.vendor));
        hosted.then(end_of_host)
    }

    /// Whether a text that nothing follows is a link without a path.
    pub(super) fn is_bare(&self, text: &[u8]) -> bool {
        self.compare(&[text, b"/"].concat()) == Match::Whole(b"/")
    }

    /// The value of a header with its links replaced; none where there are none.
    pub(super) fn replaced_in(&self, header: &str, value: &[u8]) -> Option<Vec<u8>> {
        let out = match header {
            "location" | "content-location" => self.target(value),
            // Each target stands between angle brackets (RFC 8288 §3).
            "link" => {
                let mut pieces = value.split_inclusive(|byte| *byte == b'<');
                let mut out = self.text(pieces.next().unwrap_or_default());
                for piece in pieces {
                    let end = piece.iter().position(|byte| *byte == b'>').unwrap_or(piece.len());
                    let (target, behind) = piece.split_at(end);
                    out.extend(self.target(target));
                    out.extend(self.text(behind));
                }
                out
            }
            _ => return self.replaced(value),
        };
        (out != value).then_some(out)
    }

    /// What becomes of a target. A path alone is a link too, since it would lead to a path of ours.
    fn target(&self, target: &[u8]) -> Vec<u8> {
        match self.resolved(target) {
            Some(resolved) => resolved.into_bytes(),
            None if is_path(target) => [self.here.as_bytes(), &self.text(target)].concat(),
            None => self.text(target),
        }
    }

    /// What becomes of a text.
    fn text(&self, text: &[u8]) -> Vec<u8> {
        self.replaced(text).unwrap_or_else(|| text.to_vec())
    }

    /// A target at the vendor that goes up by its dots, without them: a client that went up from the
    /// connection's address would leave it for a path of ours.
    fn resolved(&self, target: &[u8]) -> Option<String> {
        let target = std::str::from_utf8(target).ok().filter(|target| goes_up(target))?;
        let base = Url::parse(&format!("https://{}{}", self.vendor, self.asked)).ok()?;
        let found = base.join(target).ok()?;
        let origin = format!("{}/", &found[..Position::BeforePath]);
        let is_there = self.compare(origin.as_bytes()) == Match::Whole(b"/");
        is_there.then(|| format!("{}{}", self.here, &found[Position::BeforePath..]))
    }

    /// A text with its links replaced, wherever in it they stand; none where there are none.
    pub(super) fn replaced(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut done = 0;
        let doubled = |at: &usize| value[*at..].starts_with(Self::SLASHES.as_bytes());
        for slashes in memchr_iter(b'/', value).filter(doubled) {
            let Some(before) = value.get(done..slashes) else { continue };
            let scheme = ["https:", "http:"].into_iter().find(|scheme| ends_with(before, scheme));
            let last = value[..slashes].last();
            let after_name = last.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b':');
            // Without a scheme it is a link only where nothing stands before it.
            if scheme.is_none() && after_name {
                continue;
            }
            let start = slashes - scheme.map_or(0, str::len);
            let rest = match self.compare(&value[start..]) {
                Match::Whole(rest) => rest.len(),
                Match::Begun if self.is_bare(&value[start..]) => 0,
                Match::Begun | Match::No => continue,
            };
            out.extend_from_slice(&value[done..start]);
            out.extend_from_slice(self.here.as_bytes());
            done = value.len() - rest;
        }
        out.extend_from_slice(&value[done..]);
        (done > 0).then_some(out)
    }
}

impl<'a> Match<'a> {
    /// How what is behind the beginning compares with what is to follow there.
    fn then(self, compare: impl FnOnce(&'a [u8]) -> Self) -> Self {
        if let Self::Whole(rest) = self { compare(rest) } else { self }
    }
}

/// Whether a part of a target's path is two dots, in any spelling that clients take for them (WHATWG URL,
/// "double-dot URL path segment").
fn goes_up(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap_or_default().replace('\t', "");
    path.split(['/', '\\']).any(|part| part.to_ascii_lowercase().replace("%2e", ".") == "..")
}

/// Whether a target is a path at the host that it comes from.
fn is_path(target: &[u8]) -> bool {
    target.starts_with(b"/") && !target.starts_with(Links::SLASHES.as_bytes())
}

/// How a text compares with a beginning in letters of either case.
fn compare<'a>(text: &'a [u8], beginning: &str) -> Match<'a> {
    let shorter = text.len().min(beginning.len());
    let (start, rest) = text.split_at(shorter);
    let (wanted, missing) = beginning.as_bytes().split_at(shorter);
    if !start.eq_ignore_ascii_case(wanted) {
        Match::No
    } else if missing.is_empty() {
        Match::Whole(rest)
    } else {
        Match::Begun
    }
}

/// How what follows a host compares with its end.
fn end_of_host(text: &[u8]) -> Match<'_> {
    let behind = match compare_with_any(text, &PORTS) {
        Match::Whole(rest) => rest,
        Match::Begun => return Match::Begun,
        Match::No => text,
    };
    match behind.first() {
        None => Match::Begun,
        Some(byte) if *byte == b'/' || ENDS.contains(byte) => Match::Whole(behind),
        Some(_) => Match::No,
    }
}

/// How a text compares with several beginnings, of which none is the beginning of another one.
fn compare_with_any<'a>(text: &'a [u8], beginnings: &[&str]) -> Match<'a> {
    let compared = beginnings.iter().map(|beginning| compare(text, beginning));
    compared.reduce(|one, other| if one == Match::No { other } else { one }).unwrap_or(Match::No)
}

fn ends_with(text: &[u8], end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start.is_some_and(|start| text[start..].eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: &str = "https://here.example/via/x";

    /// Every way to write a vendor's origin, the longest of each first.
    fn ways(vendor: &str) -> Vec<String> {
        let ways = SCHEMES
            .into_iter()
            .flat_map(|scheme| [":443", ":80", ""].map(|port| format!("{scheme}{vendor}{port}")));
        ways.collect()
    }

    /// Whether the host of a link ends here.
    fn ends(rest: &str) -> bool {
        rest.is_empty() || rest.starts_with(['/', '?', '#', '>', ',', ';', '"', '\'', ' '])
    }

    /// Looks at each byte, whether a link begins there.
    fn replaced(value: &str, vendor: &str) -> String {
        let (mut out, mut rest) = (String::new(), value);
        let mut after_name = false;
        while let Some(first) = rest.chars().next() {
            let begins = |way: &String| {
                let start = rest.get(..way.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(way))
                    && ends(&rest[way.len()..])
                    && !(after_name && way.starts_with("//"))
            };
            if let Some(way) = ways(vendor).into_iter().find(begins) {
                out.push_str(HERE);
                rest = &rest[way.len()..];
                after_name = true;
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                after_name = first.is_ascii_alphanumeric() || first == ':';
            }
        }
        out
    }

    #[test]
    fn a_path_alone_is_a_link_where_a_target_stands() {
        let links = Links::new("https://a.b", HERE).in_answer_to("/v1/a/b?page=1");
        for (header, value, replaced) in [
            ("location", "/x?page=2", Some(format!("{HERE}/x?page=2"))),
            ("content-location", "/", Some(format!("{HERE}/"))),
            ("location", "/login?to=https://a.b/x", Some(format!("{HERE}/login?to={HERE}/x"))),
            ("location", "https://a.b/x", Some(format!("{HERE}/x"))),
            ("location", "//a.b/x", Some(format!("{HERE}/x"))),
            ("link", "</x>; rel=\"next\"", Some(format!("<{HERE}/x>; rel=\"next\""))),
            ("link", "<https://a.b/1>, </2>, <3>", Some(format!("<{HERE}/1>, <{HERE}/2>, <3>"))),
            ("location", "x?page=2", None),
            ("location", "?page=2", None),
            ("location", "//elsewhere/x", None),
            ("location", "//elsewhere/../x", None),
            ("location", "https://elsewhere/../x", None),
            ("location", "mailto:../x", None),
            ("location", "/..x?to=/../y", Some(format!("{HERE}/..x?to=/../y"))),
            ("location", "../c?to=../d", Some(format!("{HERE}/v1/c?to=../d"))),
            ("location", "/x>/.\t./../y", Some(format!("{HERE}/y"))),
            ("location", "../../../../v1/keys", Some(format!("{HERE}/v1/keys"))),
            ("location", ".%2E\\..\\..\\v1", Some(format!("{HERE}/v1"))),
            ("location", "/x/../../v1/keys", Some(format!("{HERE}/v1/keys"))),
            ("location", "HTTP://A.b:80/../../v1", Some(format!("{HERE}/v1"))),
            ("location", "//a.b/../../v1", Some(format!("{HERE}/v1"))),
            (
                "link",
                "<../../../x>; rel=\"a\", </../y>",
                Some(format!("<{HERE}/x>; rel=\"a\", <{HERE}/y>")),
            ),
            ("location", "", None),
            ("link", "/x", None),
            ("x-path", "/x", None),
        ] {
            let found = links.replaced_in(header, value.as_bytes());
            assert_eq!(found, replaced.map(String::into_bytes), "{header}: {value}");
        }
    }

    proptest! {
        #[test]
        fn links_in_a_header_are_replaced_wherever_they_stand(parts in prop::collection::vec(prop_oneof![
            Just("https:"), Just("HTTP:"), Just("/"), Just("//"), Just("a.b"), Just("A.b/"), Just(":443/"),
            Just(":80/"), Just("x"), Just("<"), Just("\u{e9}"), Just("https://a.b/"), Just("//a.b:8080/"),
            Just("https://a.b"), Just("?q=1"), Just(">;"), Just("@"),
        ], 0..10)) {
            let value = parts.concat();
            for (origin, vendor) in [("https://a.b", "a.b"), ("http://a.b:8080", "a.b:8080")] {
                let wanted = replaced(&value, vendor);
                let found = Links::new(origin, HERE).replaced(value.as_bytes());
                prop_assert_eq!(found.is_some(), wanted != value);
                prop_assert_eq!(found.unwrap_or_else(|| value.clone().into_bytes()), wanted.into_bytes());
            }
        }

        #[test]
        fn a_text_is_compared_with_every_way_to_write_the_origin(text in "(https?:|HTTP:)?/{0,2}(a\\.b|A)?(:443|:80|:8)?[/?@]?x?") {
            let ways = ways("a.b");
            let same = |length: usize, way: &String| {
                text.get(..length).is_some_and(|start| way.get(..length).is_some_and(|way| way.eq_ignore_ascii_case(start)))
            };
            let whole = |way: &&String| {
                same(way.len(), way) && text.len() > way.len() && ends(&text[way.len()..])
            };
            let wanted = if let Some(way) = ways.iter().find(whole) {
                Match::Whole(&text.as_bytes()[way.len()..])
            } else if ways.iter().any(|way| same(text.len(), way)) {
                Match::Begun
            } else {
                Match::No
            };
            prop_assert_eq!(Links::new("https://a.b:443", HERE).compare(text.as_bytes()), wanted);
        }
    }
}

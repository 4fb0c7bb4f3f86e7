//! A vendor's links to itself become links to the connection. A client that followed one as it came
//! would send its own key to the vendor.

/// Where a vendor's links lead, and where they are to lead.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// The ways to write the vendor's origin with a slash behind it.
    vendor: Vec<String>,
    /// The address of the connection, with a slash behind it.
    here: String,
}

/// How a text compares with the beginning of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// It is none.
    No,
    /// It may become one.
    Begun,
    /// It is the whole beginning.
    Whole,
}

impl Links {
    /// Links below a vendor's origin, `https://api.example.com`, become links below an address of ours,
    /// `https://bitting.example/via/callrail`. Other ways to write the same place count too.
    pub(super) fn new(origin: &str, here: &str) -> Self {
        let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
        let bare = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80"));
        let bare = bare.unwrap_or(authority);
        let vendor = ["https://", "http://", "//"].into_iter().flat_map(|scheme| {
            ["", ":443", ":80"].map(|port| format!("{scheme}{bare}{port}/").to_ascii_lowercase())
        });
        let exact = format!("{}/", origin.to_ascii_lowercase());
        Self { vendor: vendor.chain([exact]).collect(), here: format!("{here}/") }
    }

    /// What stands in place of the vendor's origin and the slash behind it.
    pub(super) fn here(&self) -> &str {
        &self.here
    }

    /// Whether a link may begin with a byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        self.vendor.iter().any(|link| link.as_bytes().first() == Some(&byte.to_ascii_lowercase()))
    }

    /// Whether a text is the beginning of a link.
    pub(super) fn compare(&self, text: &[u8]) -> Match {
        let mut begun = false;
        for link in &self.vendor {
            let begins = link.len() >= text.len()
                && link.as_bytes()[..text.len()].eq_ignore_ascii_case(text);
            if begins && link.len() == text.len() {
                return Match::Whole;
            }
            begun |= begins;
        }
        if begun { Match::Begun } else { Match::No }
    }

    /// A header's value with its links replaced, wherever in it they stand; none where there are none.
    pub(super) fn replaced(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(value.len());
        let (mut rest, mut found) = (value, false);
        let mut after_name = false;
        while let Some(first) = rest.first() {
            let link = self.vendor.iter().filter(|link| {
                // Without a scheme it is a link only where nothing stands before it.
                let begins = !link.starts_with("//") || !after_name;
                begins
                    && rest.len() >= link.len()
                    && rest[..link.len()].eq_ignore_ascii_case(link.as_bytes())
            });
            if let Some(link) = link.max_by_key(|link| link.len()) {
                out.extend_from_slice(self.here.as_bytes());
                rest = &rest[link.len()..];
                found = true;
            } else {
                out.push(*first);
                after_name = first.is_ascii_alphanumeric() || *first == b':';
                rest = &rest[1..];
            }
        }
        found.then_some(out)
    }
}

//! The versions of a record, and what a request may demand of the one it meets (RFC 9110 §13).

use std::fmt;

use super::scope::Access;

/// Which version of something this is. It changes with every change, and tells nothing of what is
/// in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(pub String);

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A version that a client names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTag {
    /// Whether the tag is weak (`W/"…"`).
    pub weak: bool,
    /// The text between the quotes.
    pub tag: String,
}

/// The versions that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Any version (`*`).
    Any,
    /// One of the versions listed.
    OneOf(Vec<NamedTag>),
}

impl Versions {
    /// Whether the current version is named, by the strong comparison: a weak tag matches nothing.
    fn include_exactly(&self, current: &EntityTag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|named| !named.weak && named.tag == current.0),
        }
    }

    /// Whether the current version is named, by the weak comparison: a weak tag matches the version
    /// with the same text.
    pub fn include(&self, current: &EntityTag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|named| named.tag == current.0),
        }
    }
}

/// The preconditions of a request.
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    /// `If-Match`: the current version must be one of these.
    pub if_match: Option<Versions>,
    /// `If-None-Match`: the current version must be none of these.
    pub if_none_match: Option<Versions>,
}

/// What is to be done with a request that has preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request is carried out.
    Proceed,
    /// The client already has what it would read (304).
    NotModified,
    /// The request is refused (412).
    Failed,
}

impl Preconditions {
    /// Compares with the present version, in the order of RFC 9110 §13.2.2.
    pub fn judge(&self, current: &EntityTag, access: Access) -> Verdict {
        if self.if_match.as_ref().is_some_and(|wanted| !wanted.include_exactly(current)) {
            return Verdict::Failed;
        }
        let unwanted = self.if_none_match.as_ref().is_some_and(|known| known.include(current));
        match (unwanted, access) {
            (false, _) => Verdict::Proceed,
            (true, Access::Read) => Verdict::NotModified,
            (true, Access::Write) => Verdict::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[(bool, &str)]) -> Option<Versions> {
        let named = |(weak, tag): &(bool, &str)| NamedTag { weak: *weak, tag: (*tag).to_owned() };
        Some(Versions::OneOf(tags.iter().map(named).collect()))
    }

    #[test]
    fn if_match_compares_strongly_and_if_none_match_weakly() {
        use Access::{Read, Write};
        use Verdict::{Failed, NotModified, Proceed};
        let (strong, weak, other) = ((false, "a"), (true, "a"), (false, "b"));
        let any = || Some(Versions::Any);
        for (if_match, if_none_match, reading, writing) in [
            (None, None, Proceed, Proceed),
            (any(), None, Proceed, Proceed),
            (tags(&[strong]), None, Proceed, Proceed),
            (tags(&[other, strong]), None, Proceed, Proceed),
            (tags(&[weak]), None, Failed, Failed),
            (tags(&[other]), None, Failed, Failed),
            (tags(&[]), None, Failed, Failed),
            (None, any(), NotModified, Failed),
            (None, tags(&[strong]), NotModified, Failed),
            (None, tags(&[other, weak]), NotModified, Failed),
            (None, tags(&[other]), Proceed, Proceed),
            (None, tags(&[]), Proceed, Proceed),
            (tags(&[strong]), tags(&[strong]), NotModified, Failed),
            (tags(&[other]), tags(&[strong]), Failed, Failed),
            (tags(&[strong]), tags(&[other]), Proceed, Proceed),
        ] {
            let conditions = Preconditions { if_match, if_none_match };
            let current = EntityTag("a".to_owned());
            assert_eq!(conditions.judge(&current, Read), reading, "{conditions:?}");
            assert_eq!(conditions.judge(&current, Write), writing, "{conditions:?}");
        }
    }
}

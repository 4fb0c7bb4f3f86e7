//! What a part of a path's pattern stands for.

use crate::model::request_path::{may_be_taken_for, read_loosely};

/// How a path is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it is written.
    Exact,
    /// As some servers may read it; it is read loosely already.
    Loose,
}

/// A part of a pattern between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// `{name}`, perhaps with something after it; `*`, which has no name.
    Variable {
        name: String,
        suffix: String,
    },
}

impl Segment {
    /// Whether a text is one: braces stand round a name alone.
    pub(super) fn is_well_formed(text: &str) -> bool {
        match Self::of(text) {
            Self::Literal(literal) => !literal.contains(['{', '}']),
            Self::Variable { name, suffix } => {
                let plain = |text: &str| !text.contains(['{', '}']);
                let has_name = !name.is_empty() || text == "*";
                let is_format = suffix.is_empty() || suffix.starts_with('.');
                has_name && plain(&name) && is_format && plain(&suffix)
            }
        }
    }

    /// What a text between slashes stands for.
    pub(super) fn of(text: &str) -> Self {
        let named = text.strip_prefix('{').and_then(|text| text.split_once('}'));
        match named {
            Some((name, suffix)) => {
                Self::Variable { name: name.to_owned(), suffix: suffix.to_owned() }
            }
            None if text == "*" => Self::Variable { name: String::new(), suffix: String::new() },
            None => Self::Literal(text.to_owned()),
        }
    }

    /// Whether a part of a path is one of these.
    pub(super) fn fits(&self, text: &str, reading: Reading) -> bool {
        let same = |literal: &str, text: &str| match reading {
            Reading::Exact => literal == text,
            Reading::Loose => may_be_taken_for(text, &read_loosely(literal)),
        };
        match self {
            Self::Literal(literal) => same(literal, text),
            Self::Variable { name, suffix } => {
                let end = text.len().checked_sub(suffix.len());
                let parts = end.and_then(|end| text.split_at_checked(end));
                // Before a format such as `.json`, a dot might begin another one.
                parts.is_some_and(|(value, end)| {
                    let loose = reading == Reading::Loose;
                    let plain = suffix.is_empty() || !value.contains('.') || loose;
                    let of_kind = name != "version" || is_version(value);
                    same(suffix, end) && !value.is_empty() && plain && of_kind
                })
            }
        }
    }
}

/// `v1` to `v9`, as versions stand in paths.
fn is_version(text: &str) -> bool {
    matches!(text.as_bytes(), [b'v', b'1'..=b'9'])
}

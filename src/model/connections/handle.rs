//! The name of a connection in scopes and URLs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::model::schema::described;

/// The longest handle, in characters.
const LONGEST: usize = 40;

/// A connection's name in scopes and URLs: a lower-case letter, then 1 to 39 lower-case letters,
/// digits and hyphens. It is never given to another connection, not even once this one is removed, so
/// that a scope cannot come to open something else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(Arc<str>);

/// Text that is no handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 2 to {LONGEST} lower-case letters, digits and hyphens, the first of them a letter"
)]
pub struct InvalidHandle;

impl Handle {
    /// The handle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;
    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        let formed = begins && (2..=LONGEST).contains(&text.len()) && text.chars().all(part);
        if formed { Ok(Self(text.into())) } else { Err(InvalidHandle) }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

described!(
    Handle,
    "Handle",
    json!({"type": "string", "pattern": format!("^[a-z][a-z0-9-]{{1,{}}}$", LONGEST - 1)})
);

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_spelling() {
        let longest = "a".repeat(LONGEST);
        for right in ["callrail", "a1", "call-rail-2", longest.as_str()] {
            assert_eq!(right.parse::<Handle>().unwrap().as_str(), right);
        }
        let too_long = "a".repeat(LONGEST + 1);
        for wrong in
            ["", "a", "1a", "-a", "Callrail", "call_rail", "a.b", "a b", "é1", "a@b", &too_long]
        {
            assert_eq!(wrong.parse::<Handle>(), Err(InvalidHandle), "{wrong}");
        }
    }
}

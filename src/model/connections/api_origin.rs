//! Where an API is served: a scheme, a host and perhaps a port.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::formats::parse_origin;

/// `https://api.example.com` or `http://10.0.0.7:8080`: what the URLs of an API begin with, in one
/// spelling and without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiOrigin(Arc<str>);

impl ApiOrigin {
    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and perhaps the port, as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }
}

/// Reads an origin; a host alone is one with `https://`.
impl FromStr for ApiOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let goes_on = |origin: &str| format!("; write {origin}");
        let origin = parse_origin(&whole, "https://api.example.com", goes_on)?;
        Ok(Self(origin.into()))
    }
}

impl fmt::Display for ApiOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ApiOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (text, origin, authority) in [
            ("https://API.example.com/", "https://api.example.com", "api.example.com"),
            ("api.example.com", "https://api.example.com", "api.example.com"),
            ("api.example.com:8443", "https://api.example.com:8443", "api.example.com:8443"),
            ("https://api.example.com:443", "https://api.example.com", "api.example.com"),
            ("http://10.0.0.7:8080", "http://10.0.0.7:8080", "10.0.0.7:8080"),
        ] {
            let read: ApiOrigin = text.parse().unwrap();
            assert_eq!((read.as_str(), read.authority()), (origin, authority), "{text}");
        }
        for (text, why) in [
            ("", "such as"),
            ("ftp://host", "such as"),
            ("https://me:hunter2@host", "write https://host"),
            ("https://host/v1", "write https://host"),
            ("https://host/?a", "write https://host"),
        ] {
            let message = text.parse::<ApiOrigin>().unwrap_err();
            assert!(message.contains(why) && !message.contains("hunter2"), "{text}: {message}");
        }
    }
}

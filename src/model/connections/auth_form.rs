//! How a credential is sent to its vendor: in one of the usual forms, or in headers of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::words::{Word, words};

words! {
    /// A form that vendors have in common. Which one is right is found by a test.
    UsualForm {
        /// `Authorization: Token token="…"`.
        Token = "token",
        /// `Authorization: Basic …`, of an id and a token.
        Basic = "basic",
        /// `Authorization: Bearer …`.
        Bearer = "bearer",
        /// `apikey: …`.
        ApiKey = "apikey",
        /// `Authentication: Bearer …`.
        AuthenticationBearer = "authentication-bearer",
        /// `Authentication: AccessToken …`.
        AuthenticationAccessToken = "authentication-accesstoken",
        /// `Authentication: AccessToken: …`.
        AuthenticationAccessTokenColon = "authentication-accesstoken-colon",
    }
}

/// How a credential is sent. Its text is what the credential is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthForm {
    /// In a usual form.
    Usual(UsualForm),
    /// In these headers.
    Headers(Arc<[HeaderTemplate]>),
}

/// The most headers that a credential is sent in.
const MOST_HEADERS: usize = 5;
/// What begins the short way to write a header that holds the credential alone.
const SHORT: &str = "header:";

impl FromStr for AuthForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(usual) = UsualForm::parse(text) {
            return Ok(Self::Usual(usual));
        }
        let headers: Vec<HeaderTemplate> = match text.strip_prefix(SHORT) {
            Some(name) => vec![format!("{name}: {{api_key}}").parse()?],
            None => text.split(',').map(str::parse).collect::<Result<_, _>>()?,
        };
        let twice = |same: fn(&HeaderTemplate, &HeaderTemplate) -> bool| {
            headers.iter().enumerate().any(|(at, one)| headers[..at].iter().any(|o| same(o, one)))
        };
        if headers.len() > MOST_HEADERS {
            return Err(format!("must be at most {MOST_HEADERS} headers"));
        }
        if twice(|a, b| a.name.eq_ignore_ascii_case(&b.name)) || twice(|a, b| a.field == b.field) {
            return Err("must name each header and each field once".to_owned());
        }
        Ok(Self::Headers(headers.into()))
    }
}

impl fmt::Display for AuthForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual(usual) => f.write_str(usual.as_str()),
            Self::Headers(headers) => {
                for (at, header) in headers.iter().enumerate() {
                    write!(f, "{}{header}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for AuthForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `X-Api-Key: {api_key}`: a header with a field of the credential, and what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderTemplate {
    name: String,
    before: String,
    field: String,
    after: String,
}

/// Headers that say how a request is sent, which is for the connection to say.
const FRAMING: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl HeaderTemplate {
    /// The name of the header, in lower case.
    pub fn name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The field of the credential that stands in it.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Its value, with the field's.
    pub fn value(&self, field: &str) -> String {
        format!("{}{field}{}", self.before, self.after)
    }
}

impl FromStr for HeaderTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (name, value) = text.split_once(':')?;
            let (before, rest) = value.trim().split_once('{')?;
            let (field, after) = rest.split_once('}')?;
            Some((name.trim(), before, field, after))
        };
        let (name, before, field, after) = parts().ok_or(
            "must be bearer, basic, or headers such as \"X-Api-Key: {api_key}\", with a comma \
             between two",
        )?;
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=60).contains(&name.len()) || !name.bytes().all(in_name) {
            return Err(format!("{name:?} is not the name of a header"));
        }
        if FRAMING.contains(&&*name.to_ascii_lowercase()) {
            return Err(format!(
                "must not set the header {name}, which says how a request is sent"
            ));
        }
        let in_field =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=40).contains(&field.len()) || !field.bytes().all(in_field) {
            return Err(format!("{field:?} is not a field: lower-case letters, digits and _"));
        }
        let around = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && !b"{}".contains(&byte);
        if before.len() + after.len() > 100 || !before.bytes().chain(after.bytes()).all(around) {
            return Err("must have one field in each header".to_owned());
        }
        let [name, before, field, after] = [name, before, field, after].map(str::to_owned);
        Ok(Self { name, before, field, after })
    }
}

impl fmt::Display for HeaderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{{{}}}{}", self.name, self.before, self.field, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_spelling() {
        for (text, form) in [
            ("bearer", "bearer"),
            ("basic", "basic"),
            ("header:X-Api-Key", "X-Api-Key: {api_key}"),
            ("X-Api-Key:{api_key}", "X-Api-Key: {api_key}"),
            ("Authorization: ApiKey {key}!", "Authorization: ApiKey {key}!"),
            ("X-Id: {id},X-Secret: {secret}", "X-Id: {id}, X-Secret: {secret}"),
        ] {
            let read: AuthForm = text.parse().unwrap();
            assert_eq!(read.to_string(), form);
            assert_eq!(form.parse::<AuthForm>(), Ok(read));
        }
        for (text, why) in [
            ("", "must be bearer"),
            ("digest", "must be bearer"),
            ("X-Api-Key", "must be bearer"),
            ("header:", "not the name of a header"),
            ("X Key: {a}", "not the name of a header"),
            ("Host: {a}", "which says how a request is sent"),
            ("header:Content-Length", "which says how a request is sent"),
            ("X-Key: {}", "not a field"),
            ("X-Key: {A}", "not a field"),
            ("X-Key: {a}{b}", "one field in each"),
            ("X-Key: {a}\n{", "one field in each"),
            ("X-Key: {a}, x-key: {b}", "once"),
            ("X-One: {a}, X-Two: {a}", "once"),
        ] {
            let said = text.parse::<AuthForm>().unwrap_err();
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }
}

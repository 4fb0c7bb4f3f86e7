//! What a vendor gave out: an API key, an id and a token, or an access token, and the header that it
//! is sent in.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::kind::{AuthForm, Kind};

/// The longest field, in characters.
const LONGEST: usize = 1000;
/// From this length on, the end of a secret tells which it is without telling what it is.
const LONG_ENOUGH: usize = 20;
/// How many characters of its end are shown.
const SHOWN: usize = 4;

/// A vendor's credential: one to three secrets, by name. It leaves nothing in memory, and cannot be
/// printed.
pub struct VendorCredential(Vec<(&'static str, Zeroizing<String>)>);

impl Kind {
    /// The fields that a credential may consist of: all of one of these groups.
    pub fn credential_fields(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::CallRail | Self::Customerly | Self::Clari => &[&["api_key"]],
            Self::Aircall => &[&["api_id", "api_token"], &["access_token"]],
        }
    }
}

impl VendorCredential {
    /// Reads a credential of this kind: a JSON object of its fields, or one field a line in their
    /// order.
    ///
    /// # Errors
    /// What is wrong, without anything of the text.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('{') {
            let object = serde_json::from_str::<Map<String, Value>>(text);
            let object = Zeroing(object.map_err(|_| "is not a JSON object of strings")?);
            return Self::of(kind, object.0.iter().map(|(name, value)| (&**name, value.as_str())));
        }
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let groups = kind.credential_fields();
        let fields = groups.iter().find(|group| group.len() == lines.len());
        let fields = fields.ok_or_else(|| format!("must be {}", described(kind)))?;
        Self::of(kind, fields.iter().copied().zip(lines.into_iter().map(Some)))
    }

    /// A credential of these fields; one without text is not given.
    ///
    /// # Errors
    /// What is wrong, without anything of the values.
    pub fn of<'a>(
        kind: Kind,
        given: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, String> {
        let given: Vec<_> = given.filter(|(_, value)| *value != Some("")).collect();
        let matches = |group: &&&[&str]| {
            group.len() == given.len()
                && group.iter().all(|field| given.iter().any(|(name, _)| name == field))
        };
        let group = kind.credential_fields().iter().find(matches);
        let group = group.ok_or_else(|| format!("must be {}", described(kind)))?;
        let mut fields = Vec::with_capacity(group.len());
        for field in *group {
            let value = given.iter().find(|(name, _)| name == field).and_then(|(_, value)| *value);
            let value = value.ok_or_else(|| format!("{field} must be a string"))?;
            if value.len() > LONGEST || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "{field} must be at most {LONGEST} letters, digits and signs without spaces; \
                     was it copied whole?"
                ));
            }
            fields.push((*field, Zeroizing::new(value.to_owned())));
        }
        Ok(Self(fields))
    }

    fn field(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The one secret, where there is one.
    fn only(&self) -> Option<&str> {
        match self.0.as_slice() {
            [(_, value)] => Some(value),
            _ => None,
        }
    }

    /// The header that carries it in this form; none in a form that it has not the fields for.
    pub fn header(&self, form: AuthForm) -> Option<(&'static str, Zeroizing<String>)> {
        if form == AuthForm::Basic {
            let (id, token) = (self.field("api_id")?, self.field("api_token")?);
            let pair = Zeroizing::new(format!("{id}:{token}"));
            let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            return Some(("authorization", Zeroizing::new(format!("Basic {}", *encoded))));
        }
        let secret = self.only()?;
        let (name, value) = match form {
            AuthForm::Token => ("authorization", format!("Token token=\"{secret}\"")),
            AuthForm::Bearer => ("authorization", format!("Bearer {secret}")),
            AuthForm::ApiKey => ("apikey", secret.to_owned()),
            AuthForm::AuthenticationBearer => ("authentication", format!("Bearer {secret}")),
            AuthForm::AuthenticationAccessToken => {
                ("authentication", format!("AccessToken {secret}"))
            }
            AuthForm::AuthenticationAccessTokenColon => {
                ("authentication", format!("AccessToken: {secret}"))
            }
            AuthForm::Basic => return None,
        };
        Some((name, Zeroizing::new(value)))
    }

    /// Everything that must never be seen in an answer: each field, and what Basic makes of a pair.
    pub fn secrets(&self) -> Vec<Zeroizing<String>> {
        let mut secrets: Vec<_> = self.0.iter().map(|(_, value)| value.clone()).collect();
        if let Some((_, basic)) = self.header(AuthForm::Basic) {
            secrets.push(Zeroizing::new(basic.trim_start_matches("Basic ").to_owned()));
        }
        secrets
    }

    /// The end of the last field, by which people tell which it is; none of a short one.
    pub fn hint(&self) -> Option<String> {
        let (_, last) = self.0.last()?;
        let long = last.len() >= LONG_ENOUGH;
        long.then(|| last[last.len() - SHOWN..].to_owned())
    }

    /// Its fields as a JSON object, to be sealed.
    pub fn to_json(&self) -> Zeroizing<String> {
        // Only visible ASCII, of which two characters are escaped.
        let mut json = Zeroizing::new(String::with_capacity(64));
        for (at, (name, value)) in self.0.iter().enumerate() {
            json.push_str(if at == 0 { "{\"" } else { ",\"" });
            json.push_str(name);
            json.push_str("\":\"");
            for c in value.chars() {
                if matches!(c, '"' | '\\') {
                    json.push('\\');
                }
                json.push(c);
            }
            json.push('"');
        }
        json.push('}');
        json
    }
}

/// An object whose strings are overwritten when it is dropped.
struct Zeroing(Map<String, Value>);

impl Drop for Zeroing {
    fn drop(&mut self) {
        for (_, value) in self.0.iter_mut() {
            if let Value::String(text) = value {
                zeroize::Zeroize::zeroize(text);
            }
        }
    }
}

/// `api_id and api_token, or access_token`
fn described(kind: Kind) -> String {
    let groups: Vec<_> = kind.credential_fields().iter().map(|group| group.join(" and ")).collect();
    groups.join(", or ")
}

impl fmt::Debug for VendorCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VendorCredential(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: Kind, text: &str) -> Result<VendorCredential, String> {
        VendorCredential::parse(kind, text)
    }

    #[test]
    fn a_credential_is_lines_or_an_object_of_its_fields() {
        for text in ["id\ntoken", "id\r\ntoken\n", r#"{"api_token":"token","api_id":"id"}"#] {
            let pair = parse(Kind::Aircall, text).unwrap();
            let (name, value) = pair.header(AuthForm::Basic).unwrap();
            assert_eq!((name, &**value), ("authorization", "Basic aWQ6dG9rZW4="));
            assert_eq!(pair.header(AuthForm::Bearer), None);
            assert!(pair.secrets().iter().any(|secret| **secret == "aWQ6dG9rZW4="));
        }
        let access = parse(Kind::Aircall, "partner").unwrap();
        assert_eq!(&**access.header(AuthForm::Bearer).unwrap().1, "Bearer partner");
        assert_eq!(access.header(AuthForm::Basic), None);
        for (kind, text) in [
            (Kind::CallRail, ""),
            (Kind::CallRail, "hunter2\nhunter2"),
            (Kind::CallRail, "hunter 2"),
            (Kind::CallRail, "hunter2é"),
            (Kind::CallRail, r#"{"api_key":7}"#),
            (Kind::CallRail, r#"{"key":"hunter2"}"#),
            (Kind::CallRail, r#"{"api_key":"hunter2""#),
            (Kind::Aircall, r#"{"api_id":"hunter2"}"#),
            (Kind::Aircall, r#"{"api_id":"hunter2","access_token":"hunter2"}"#),
        ] {
            let why = parse(kind, text).unwrap_err();
            assert!(!why.contains("hunter"), "{why}");
        }
    }

    #[test]
    fn each_form_has_its_header() {
        let key = parse(Kind::CallRail, "k\"1").unwrap();
        for (form, name, value) in [
            (AuthForm::Token, "authorization", "Token token=\"k\"1\""),
            (AuthForm::Bearer, "authorization", "Bearer k\"1"),
            (AuthForm::ApiKey, "apikey", "k\"1"),
            (AuthForm::AuthenticationBearer, "authentication", "Bearer k\"1"),
            (AuthForm::AuthenticationAccessToken, "authentication", "AccessToken k\"1"),
            (AuthForm::AuthenticationAccessTokenColon, "authentication", "AccessToken: k\"1"),
        ] {
            let (found, sent) = key.header(form).unwrap();
            assert_eq!((found, &**sent), (name, value));
        }
        assert_eq!(parse(Kind::CallRail, &key.to_json()).unwrap().only(), Some("k\"1"));
        assert_eq!(format!("{key:?}"), "VendorCredential(…)");
    }

    #[test]
    fn only_the_end_of_a_long_secret_is_shown() {
        let hint = |text| parse(Kind::CallRail, text).unwrap().hint();
        assert_eq!(hint("1234567890123456789"), None);
        assert_eq!(hint("12345678901234567890"), Some("7890".to_owned()));
    }
}

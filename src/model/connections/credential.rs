//! What a vendor gave out: an API key, an id and a token, or an access token, and the headers that it
//! is sent in.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::auth_form::{AuthForm, UsualForm};
use super::kind::Kind;
use super::spellings::other_spellings;

/// The longest field, in characters.
const LONGEST: usize = 1000;
/// From this length on, the end of a secret tells which it is without telling what it is.
const LONG_ENOUGH: usize = 20;
/// Fewer characters stand in much that has nothing to do with a credential, so that they are hidden only
/// where there are no more.
const TELLING: usize = 8;
/// A password of fewer characters is none: the name of the user is the secret then.
const LEAST: usize = 4;
/// How many characters of its end are shown.
const SHOWN: usize = 4;

/// A name that is no secret, though it stands beside one.
const USER_NAME: &str = "username";

type Name = Cow<'static, str>;

/// The fields that a credential may consist of: all of one of these groups.
pub type FieldGroups = Vec<Vec<Name>>;

/// A vendor's credential: a few secrets, by name. It leaves nothing in memory, and cannot be printed.
pub struct VendorCredential(Vec<(Name, Zeroizing<String>)>);

impl Kind {
    /// The fields of a credential that is sent in this form, or in any of the usual ones.
    pub fn credential_fields(self, form: Option<&AuthForm>) -> FieldGroups {
        const KEY: [&str; 1] = ["api_key"];
        const PAIR: [&str; 2] = ["api_id", "api_token"];
        const TOKEN: [&str; 1] = ["access_token"];
        const USER: [&str; 2] = [USER_NAME, "password"];
        let groups: &[&[&str]] = match (self, form) {
            (_, Some(AuthForm::Headers(headers))) => {
                let fields = headers.iter().map(|header| header.field().to_owned().into());
                return vec![fields.collect()];
            }
            (Self::CallRail | Self::Customerly | Self::Clari, _) => &[&KEY],
            (Self::Aircall, Some(AuthForm::Usual(UsualForm::Basic))) => &[&PAIR],
            (Self::Aircall, Some(AuthForm::Usual(_))) => &[&TOKEN],
            (Self::Aircall, None) => &[&PAIR, &TOKEN],
            (Self::Http, Some(AuthForm::Usual(UsualForm::Basic))) => &[&USER],
            (Self::Http, Some(AuthForm::Usual(_))) => &[&KEY],
            (Self::Http, None) => &[&KEY, &USER],
        };
        groups.iter().map(|group| group.iter().map(|field| Name::from(*field)).collect()).collect()
    }
}

impl VendorCredential {
    /// Reads a credential of these fields: a JSON object of them, or one field a line in their order.
    ///
    /// # Errors
    /// What is wrong, without anything of the text.
    pub fn parse(groups: &FieldGroups, text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('{') {
            let object = serde_json::from_str::<Map<String, Value>>(text);
            let object = Zeroing(object.map_err(|_| "is not a JSON object of strings")?);
            return Self::of(
                groups,
                object.0.iter().map(|(name, value)| (&**name, value.as_str())),
            );
        }
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let fields = groups.iter().find(|group| group.len() == lines.len());
        let fields = fields.ok_or_else(|| format!("must be {}", described(groups)))?;
        Self::of(groups, fields.iter().map(|name| &**name).zip(lines.into_iter().map(Some)))
    }

    /// A credential of these fields; one without text is not given.
    ///
    /// # Errors
    /// What is wrong, without anything of the values.
    pub fn of<'a>(
        groups: &FieldGroups,
        given: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, String> {
        let given: Vec<_> = given.filter(|(_, value)| *value != Some("")).collect();
        let matches = |group: &&Vec<Name>| {
            group.len() == given.len()
                && group.iter().all(|field| given.iter().any(|(name, _)| name == field))
        };
        let group = groups.iter().find(matches);
        let group = group.ok_or_else(|| format!("must be {}", described(groups)))?;
        let mut fields = Vec::with_capacity(group.len());
        for field in group {
            let value = given.iter().find(|(name, _)| name == field).and_then(|(_, value)| *value);
            let value = value.ok_or_else(|| format!("{field} must be a string"))?;
            if value.len() > LONGEST || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "{field} must be at most {LONGEST} letters, digits and signs without spaces; \
                     was it copied whole?"
                ));
            }
            fields.push((field.clone(), Zeroizing::new(value.to_owned())));
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

    /// What Basic makes of a pair.
    fn basic(&self) -> Option<Zeroizing<String>> {
        let [(_, user), (_, password)] = self.0.as_slice() else { return None };
        let pair = Zeroizing::new(format!("{}:{}", **user, **password));
        Some(Zeroizing::new(STANDARD.encode(pair.as_bytes())))
    }

    /// The headers that carry it in this form, with their names in lower case; none in a form that it
    /// has not the fields for.
    pub fn headers(&self, form: &AuthForm) -> Option<Vec<(Name, Zeroizing<String>)>> {
        match form {
            AuthForm::Usual(form) => Some(vec![self.usual_header(*form)?]),
            AuthForm::Headers(headers) => {
                let carried = headers.iter().map(|header| {
                    let value = header.value(self.field(header.field())?);
                    Some((header.name().into(), Zeroizing::new(value)))
                });
                carried.collect()
            }
        }
    }

    fn usual_header(&self, form: UsualForm) -> Option<(Name, Zeroizing<String>)> {
        let secret = || self.only();
        let (name, value) = match form {
            UsualForm::Basic => ("authorization", format!("Basic {}", *self.basic()?)),
            UsualForm::Token => ("authorization", format!("Token token=\"{}\"", secret()?)),
            UsualForm::Bearer => ("authorization", format!("Bearer {}", secret()?)),
            UsualForm::ApiKey => ("apikey", secret()?.to_owned()),
            UsualForm::AuthenticationBearer => ("authentication", format!("Bearer {}", secret()?)),
            UsualForm::AuthenticationAccessToken => {
                ("authentication", format!("AccessToken {}", secret()?))
            }
            UsualForm::AuthenticationAccessTokenColon => {
                ("authentication", format!("AccessToken: {}", secret()?))
            }
        };
        Some((name.into(), Zeroizing::new(value)))
    }

    /// Everything that must never be seen in an answer: each field that is the secret or some of it, and
    /// what Basic makes of a pair; all of it also as it stands in URLs. The name of a user may be a common
    /// word, unless the password is none; and a few characters stand in much that is no secret.
    pub fn secrets(&self) -> Vec<Zeroizing<String>> {
        let (users, others): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(name, _)| name == USER_NAME);
        let longest = |fields: &[&(Name, Zeroizing<String>)]| {
            fields.iter().map(|(_, v)| v.len()).max().unwrap_or(0)
        };
        let user_is_secret = longest(&others) < LEAST && longest(&users) >= TELLING;
        let fields = if user_is_secret { users } else { others };
        let least = TELLING.min(longest(&fields));
        let fields = fields.into_iter().map(|(_, value)| value.clone());
        let mut secrets: Vec<_> = fields.filter(|value| value.len() >= least).collect();
        secrets.extend(self.basic());
        let spelt: Vec<_> = secrets.iter().flat_map(|secret| other_spellings(secret)).collect();
        for text in spelt {
            if !secrets.contains(&text) {
                secrets.push(text);
            }
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
fn described(groups: &FieldGroups) -> String {
    groups.iter().map(|group| group.join(" and ")).collect::<Vec<_>>().join(", or ")
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
        VendorCredential::parse(&kind.credential_fields(None), text)
    }

    /// The one header of a credential in a usual form.
    fn header(credential: &VendorCredential, form: UsualForm) -> Option<(Name, String)> {
        let (name, value) = credential.headers(&AuthForm::Usual(form))?.pop()?;
        Some((name, value.to_string()))
    }

    #[test]
    fn a_credential_is_lines_or_an_object_of_its_fields() {
        for text in ["id\ntoken", "id\r\ntoken\n", r#"{"api_token":"token","api_id":"id"}"#] {
            let pair = parse(Kind::Aircall, text).unwrap();
            let (name, value) = header(&pair, UsualForm::Basic).unwrap();
            assert_eq!((&*name, &*value), ("authorization", "Basic aWQ6dG9rZW4="));
            assert_eq!(header(&pair, UsualForm::Bearer), None);
            assert!(pair.secrets().iter().any(|secret| **secret == "aWQ6dG9rZW4="));
        }
        let access = parse(Kind::Aircall, "partner").unwrap();
        assert_eq!(header(&access, UsualForm::Bearer).unwrap().1, "Bearer partner");
        assert_eq!(header(&access, UsualForm::Basic), None);
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
            (UsualForm::Token, "authorization", "Token token=\"k\"1\""),
            (UsualForm::Bearer, "authorization", "Bearer k\"1"),
            (UsualForm::ApiKey, "apikey", "k\"1"),
            (UsualForm::AuthenticationBearer, "authentication", "Bearer k\"1"),
            (UsualForm::AuthenticationAccessToken, "authentication", "AccessToken k\"1"),
            (UsualForm::AuthenticationAccessTokenColon, "authentication", "AccessToken: k\"1"),
        ] {
            let (found, sent) = header(&key, form).unwrap();
            assert_eq!((&*found, &*sent), (name, value));
        }
        assert_eq!(parse(Kind::CallRail, &key.to_json()).unwrap().only(), Some("k\"1"));
        assert_eq!(format!("{key:?}"), "VendorCredential(…)");
    }

    #[test]
    fn headers_of_its_own_hold_the_fields_they_name() {
        let form: AuthForm = "X-Id: {id}, X-Secret: key={secret};".parse().unwrap();
        let fields = Kind::Http.credential_fields(Some(&form));
        let pair = VendorCredential::parse(&fields, "me\nhunter2").unwrap();
        let sent = pair.headers(&form).unwrap();
        let sent: Vec<_> = sent.iter().map(|(name, value)| (&**name, &***value)).collect();
        assert_eq!(sent, [("x-id", "me"), ("x-secret", "key=hunter2;")]);
        let user = parse(Kind::Http, "admin\nhunter2").unwrap();
        let hidden = user.secrets();
        let hidden: Vec<&str> = hidden.iter().map(|secret| secret.as_str()).collect();
        let basic = ["==", "%3D%3D", "%3d%3d", "&#x3D;&#x3D;"];
        let basic = basic.map(|end| format!("YWRtaW46aHVudGVyMg{end}"));
        let all: Vec<&str> = ["hunter2"].into_iter().chain(basic.iter().map(|s| &**s)).collect();
        assert_eq!(hidden, all, "a name may be a common word");
        let hides = |credential: VendorCredential, text: &str| {
            credential.secrets().iter().any(|secret| secret.as_str() == text)
        };
        let keyed = || parse(Kind::Http, "realkey-1234567890\nx").unwrap();
        assert!(hides(keyed(), "realkey-1234567890") && !hides(keyed(), "x"));
        let named = || parse(Kind::Http, "ada@example.com\nhunter2").unwrap();
        assert!(hides(named(), "hunter2") && !hides(named(), "ada@example.com"));
        let numbered = || VendorCredential::parse(&fields, "12345\nlong-secret").unwrap();
        assert!(hides(numbered(), "long-secret") && !hides(numbered(), "12345"));
        let odd = parse(Kind::CallRail, "p@ss!w/rd").unwrap().secrets();
        let hides = |text: &str| odd.iter().any(|secret| secret.as_str() == text);
        for text in
            ["p@ss!w/rd", "p%40ss%21w%2Frd", "p%40ss!w%2Frd", "p%40ss!w%2frd", "p@ss%21w%2Frd"]
        {
            assert!(hides(text), "{text}");
        }
        assert!(user.headers(&form).is_none());
    }

    #[test]
    fn only_the_end_of_a_long_secret_is_shown() {
        let hint = |text| parse(Kind::CallRail, text).unwrap().hint();
        assert_eq!(hint("1234567890123456789"), None);
        assert_eq!(hint("12345678901234567890"), Some("7890".to_owned()));
    }
}

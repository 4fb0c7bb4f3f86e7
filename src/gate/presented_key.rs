//! From header text to a credential: every accepted form, strictly, in one pass.
//!
//! What leaves here is a digest; the text itself is looked at once and goes no further.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::id::KeyId;
use crate::model::secret::{Brand, Digest, SecretKind, bears_prefix, recognise};

/// A longer credential is malformed, whatever it holds.
pub(super) const LONGEST: usize = 512;

/// A credential that may be right; whether it exists is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// The kind of secret that its letter tells.
    pub kind: SecretKind,
    /// The id that was presented with it, where the form has one (HTTP Basic).
    pub key_id: Option<KeyId>,
    /// Whether it came as `Authorization: Bearer`, the only form for admin tokens.
    pub bearer: bool,
    /// Whether it does not have the form of our secrets: only an imported key can look like this.
    pub foreign: bool,
}

/// What a credential may look like.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The prefix of our own secrets.
    pub brand: &'a Brand,
    /// Whether imported keys, which may have any form, are accepted too.
    pub foreign: bool,
}

/// Why there is no credential to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// No header holds one.
    Missing,
    /// There is more than one: which of them counts must never be a matter of luck.
    Multiple,
    /// It has no known form, is too long, not ASCII, or has the form of ours with a wrong checksum.
    Malformed,
}

/// The headers a credential can come in.
#[derive(Clone, Copy)]
pub(super) enum Carrier {
    Authorization,
    Authentication,
    Plain,
}

impl Carrier {
    fn named(header: &str) -> Option<Self> {
        let (name, carrier) = match header.len() {
            13 => ("authorization", Self::Authorization),
            14 => ("authentication", Self::Authentication),
            6 => ("apikey", Self::Plain),
            9 => ("x-api-key", Self::Plain),
            _ => return None,
        };
        header.eq_ignore_ascii_case(name).then_some(carrier)
    }
}

/// Whether a credential may stand in a header of this name.
pub fn carries_credential(header: &str) -> bool {
    Carrier::named(header).is_some()
}

/// Finds the one credential among a request's headers.
///
/// # Errors
/// [`Unusable`] when there is none, more than one, or one that cannot be right.
pub fn read<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    expected: Expected<'_>,
) -> Result<Presented, Unusable> {
    let (carrier, value) = the_one(headers)?;
    parse(carrier, value, expected).ok_or(Unusable::Malformed)
}

/// The one header that carries a credential.
pub(super) fn the_one<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(Carrier, &'a [u8]), Unusable> {
    let mut only = None;
    for (name, value) in headers {
        if let Some(carrier) = Carrier::named(name) {
            if only.is_some() || value.contains(&b',') {
                return Err(Unusable::Multiple);
            }
            only = Some((carrier, value));
        }
    }
    only.ok_or(Unusable::Missing)
}

fn parse(carrier: Carrier, value: &[u8], expected: Expected<'_>) -> Option<Presented> {
    if value.len() > LONGEST || !value.is_ascii() {
        return None;
    }
    match carrier {
        Carrier::Plain => secret(value, expected),
        Carrier::Authentication => {
            let (scheme, rest) = split_scheme(value)?;
            let accepted = scheme.eq_ignore_ascii_case(b"bearer")
                || scheme.strip_suffix(b":").unwrap_or(scheme).eq_ignore_ascii_case(b"accesstoken");
            accepted.then(|| secret(rest, expected))?
        }
        Carrier::Authorization => {
            let (scheme, rest) = split_scheme(value)?;
            if scheme.eq_ignore_ascii_case(b"bearer") {
                Some(Presented { bearer: true, ..secret(rest, expected)? })
            } else if scheme.eq_ignore_ascii_case(b"token") {
                secret(token_parameter(rest)?, expected)
            } else if scheme.eq_ignore_ascii_case(b"basic") {
                basic(rest, expected)
            } else {
                None
            }
        }
    }
}

/// A scheme, at least one space, and the rest (RFC 9110 §11.4).
pub(super) fn split_scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(end);
    let start = rest.iter().position(|byte| *byte != b' ')?;
    Some((scheme, &rest[start..]))
}

/// `token="KEY"`, or the same without quotes.
pub(super) fn token_parameter(rest: &[u8]) -> Option<&[u8]> {
    let value = rest.strip_prefix(b"token=")?;
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        plain => Some(plain),
    }
}

/// `base64(KEY_ID:KEY)`, or `base64(KEY:)` as `curl -u KEY:` sends (RFC 7617).
fn basic(rest: &[u8], expected: Expected<'_>) -> Option<Presented> {
    let mut buffer = [0u8; LONGEST];
    let (user, password) = user_and_password(rest, &mut buffer)?;
    if password.is_empty() {
        return secret(user, expected);
    }
    let id = std::str::from_utf8(user).ok()?.parse().ok()?;
    Some(Presented { key_id: Some(id), ..secret(password, expected)? })
}

/// What stands on either side of the first colon, once base64 is undone.
pub(super) fn user_and_password<'a>(
    rest: &[u8],
    buffer: &'a mut [u8; LONGEST],
) -> Option<(&'a [u8], &'a [u8])> {
    let length = STANDARD.decode_slice(rest, buffer).ok()?;
    let decoded = &buffer[..length];
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some((&decoded[..colon], &decoded[colon + 1..]))
}

/// What bears our prefix is judged as ours: a mistyped key of ours is never hashed.
fn secret(text: &[u8], expected: Expected<'_>) -> Option<Presented> {
    let (kind, foreign) = match recognise(text, expected.brand) {
        Some(kind) => (kind, false),
        None if expected.foreign && may_be_foreign(text, expected.brand) => {
            (SecretKind::ApiKey, true)
        }
        None => return None,
    };
    Some(Presented { digest: Digest::of(text), kind, key_id: None, bearer: false, foreign })
}

fn may_be_foreign(text: &[u8], brand: &Brand) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_graphic) && !bears_prefix(text, brand)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::gate::presented_key::*;
    use crate::model::id::PublicId;
    use crate::model::secret::Secret;

    fn brand() -> Brand {
        "bt".parse().unwrap()
    }

    fn key() -> Secret {
        Secret::generate(&brand(), SecretKind::ApiKey).unwrap()
    }

    fn read_all(headers: &[(&str, &str)]) -> Result<Presented, Unusable> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        read(headers, Expected { brand: &brand(), foreign: false })
    }

    fn base64(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn every_form_presents_the_same_digest() {
        let key = key();
        let text = key.expose();
        let id = KeyId::from_number(5).to_string();
        let forms = [
            ("authorization", format!("Bearer {text}")),
            ("authorization", format!("bEARER    {text}")),
            ("authorization", format!("Token token=\"{text}\"")),
            ("authorization", format!("TOKEN token={text}")),
            ("authorization", format!("Basic {}", base64(&format!("{id}:{text}")))),
            ("authorization", format!("basic {}", base64(&format!("{text}:")))),
            ("authentication", format!("Bearer {text}")),
            ("authentication", format!("AccessToken {text}")),
            ("authentication", format!("accesstoken: {text}")),
            ("apikey", text.to_owned()),
            ("x-api-key", text.to_owned()),
        ];
        for (name, value) in &forms {
            let presented = read_all(&[("host", "a"), (name, value), ("accept", "*/*")]).unwrap();
            assert_eq!(presented.digest, key.digest(), "{name}");
            assert_eq!(
                presented.bearer,
                value.to_lowercase().starts_with("bearer") && *name == "authorization"
            );
        }
    }

    #[test]
    fn exactly_one_credential_counts() {
        let key = key();
        let bearer = format!("Bearer {}", key.expose());
        let multiple = Err(Unusable::Multiple);
        assert_eq!(read_all(&[]), Err(Unusable::Missing));
        assert_eq!(read_all(&[("authorization", &bearer), ("authorization", &bearer)]), multiple);
        assert_eq!(read_all(&[("authorization", &bearer), ("apikey", "x")]), multiple);
        assert_eq!(read_all(&[("authorization", "Bearer a,Bearer b")]), multiple);
    }

    #[test]
    fn what_is_nearly_right_is_malformed() {
        let key = key();
        let text = key.expose();
        let id = KeyId::from_number(5).to_string();
        for value in [
            text.to_owned(),
            format!("Bearer{text}"),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {text} "),
            format!("Bearer \"{text}\""),
            format!("Digest {text}"),
            format!("Token {text}"),
            format!("Token token=\"{text}"),
            format!("Token key={text}"),
            format!("Basic {}", base64(text)),
            format!("Basic {}", base64(&format!(":{text}"))),
            format!("Basic {}", base64(&format!("{id}:"))),
            format!("Basic {}", base64(&format!("me:{text}"))),
            format!("Basic {}=", base64(&format!("{id}:{text}"))),
            format!("Basic {text}:"),
            format!("Bearer {}", "a".repeat(600)),
        ] {
            assert_eq!(read_all(&[("authorization", &value)]), Err(Unusable::Malformed), "{value}");
        }
        let bytes: &[u8] = b"Bearer \xff\xfe";
        let headers = [("authorization", bytes)];
        let expected = Expected { brand: &brand(), foreign: true };
        assert_eq!(read(headers.into_iter(), expected), Err(Unusable::Malformed));
    }

    #[test]
    fn a_foreign_key_is_read_in_every_form_while_there_are_any() {
        let read_foreign = |value: &str| {
            let headers = [("authorization", value.as_bytes())];
            read(headers.into_iter(), Expected { brand: &brand(), foreign: true })
        };
        let (text, id) = ("sk_live:4eC39/=", KeyId::from_number(5));
        for value in [
            format!("Bearer {text}"),
            format!("Token token=\"{text}\""),
            format!("Basic {}", base64(&format!("{id}:{text}"))),
        ] {
            let presented = read_foreign(&value).unwrap();
            assert!(presented.foreign && presented.digest == Digest::of(text.as_bytes()));
            assert_eq!(read_all(&[("authorization", &value)]), Err(Unusable::Malformed));
        }
        let plain = read_foreign(&format!("Basic {}", base64("sk_live_4eC39:"))).unwrap();
        assert_eq!(plain.digest, Digest::of(b"sk_live_4eC39"));
        // One of ours stays one of ours, and a mistyped one is no foreign one.
        let ours = key();
        let bearer = format!("Bearer {}", ours.expose());
        assert!(!read_foreign(&bearer).unwrap().foreign);
        for wrong in [&bearer[..bearer.len() - 1], "Bearer btk_a", "Bearer a b", "Bearer \t"] {
            assert_eq!(read_foreign(wrong), Err(Unusable::Malformed), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_pass(name in "authorization|authentication|apikey|x-api-key", scheme in "(Bearer |Token token=|Basic |AccessToken )?", bytes: Vec<u8>) {
            let value = [scheme.as_bytes(), &bytes].concat();
            let expected = Expected { brand: &brand(), foreign: false };
            prop_assert!(read([(name.as_str(), value.as_slice())].into_iter(), expected).is_err());
        }
    }
}

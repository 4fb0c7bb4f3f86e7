//! From header text to a credential: every accepted form, strictly, in one pass.
//!
//! What leaves here is a digest; the text itself is looked at once and goes no further.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::id::KeyId;
use crate::model::secret::{Brand, Digest, SecretKind, recognise};

/// A longer credential is malformed, whatever it holds.
const LONGEST: usize = 512;

/// A well-formed credential with the right checksum; whether it exists is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// What its letter says it is.
    pub kind: SecretKind,
    /// The id that was presented with it, where the form has one (HTTP Basic).
    pub key_id: Option<KeyId>,
    /// Whether it came as `Authorization: Bearer`, the only form for admin tokens.
    pub bearer: bool,
}

/// Why there is no credential to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// No header holds one.
    Missing,
    /// More than one: which of them counts must never be a matter of luck.
    Multiple,
    /// Of no known form, too long, not ASCII, or with a wrong checksum.
    Malformed,
}

/// The headers a credential can come in.
#[derive(Clone, Copy)]
enum Carrier {
    Authorization,
    Authentication,
    Plain,
}

impl Carrier {
    fn named(header: &str) -> Option<Self> {
        match header {
            "authorization" => Some(Self::Authorization),
            "authentication" => Some(Self::Authentication),
            "apikey" | "x-api-key" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// Finds the one credential among a request's headers, whose names are in lower case.
///
/// # Errors
/// [`Unusable`] when there is none, more than one, or one that cannot be right.
pub fn read<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    brand: &Brand,
) -> Result<Presented, Unusable> {
    let mut only = None;
    for (name, value) in headers {
        if let Some(carrier) = Carrier::named(name) {
            if only.is_some() || value.contains(&b',') {
                return Err(Unusable::Multiple);
            }
            only = Some((carrier, value));
        }
    }
    let (carrier, value) = only.ok_or(Unusable::Missing)?;
    parse(carrier, value, brand).ok_or(Unusable::Malformed)
}

fn parse(carrier: Carrier, value: &[u8], brand: &Brand) -> Option<Presented> {
    if value.len() > LONGEST || !value.is_ascii() {
        return None;
    }
    match carrier {
        Carrier::Plain => secret(value, brand),
        Carrier::Authentication => {
            let (scheme, rest) = split_scheme(value)?;
            let accepted = scheme.eq_ignore_ascii_case(b"bearer")
                || scheme.strip_suffix(b":").unwrap_or(scheme).eq_ignore_ascii_case(b"accesstoken");
            accepted.then(|| secret(rest, brand))?
        }
        Carrier::Authorization => {
            let (scheme, rest) = split_scheme(value)?;
            if scheme.eq_ignore_ascii_case(b"bearer") {
                Some(Presented { bearer: true, ..secret(rest, brand)? })
            } else if scheme.eq_ignore_ascii_case(b"token") {
                secret(token_parameter(rest)?, brand)
            } else if scheme.eq_ignore_ascii_case(b"basic") {
                basic(rest, brand)
            } else {
                None
            }
        }
    }
}

/// A scheme, at least one space, and the rest (RFC 9110 §11.4).
fn split_scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(end);
    let start = rest.iter().position(|byte| *byte != b' ')?;
    Some((scheme, &rest[start..]))
}

/// `token="KEY"`, or the same without quotes.
fn token_parameter(rest: &[u8]) -> Option<&[u8]> {
    let value = rest.strip_prefix(b"token=")?;
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        plain => Some(plain),
    }
}

/// `base64(KEY_ID:KEY)`, or `base64(KEY:)` as `curl -u KEY:` sends (RFC 7617).
fn basic(rest: &[u8], brand: &Brand) -> Option<Presented> {
    let mut buffer = [0u8; LONGEST];
    let length = STANDARD.decode_slice(rest, &mut buffer).ok()?;
    let decoded = &buffer[..length];
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
    if password.is_empty() {
        return secret(user, brand);
    }
    let id = std::str::from_utf8(user).ok()?.parse().ok()?;
    Some(Presented { key_id: Some(id), ..secret(password, brand)? })
}

fn secret(text: &[u8], brand: &Brand) -> Option<Presented> {
    let kind = recognise(text, brand)?;
    Some(Presented { digest: Digest::of(text), kind, key_id: None, bearer: false })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::PublicId;
    use crate::model::secret::Secret;

    fn brand() -> Brand {
        "bt".parse().unwrap()
    }

    fn key() -> Secret {
        Secret::generate(&brand(), SecretKind::ApiKey).unwrap()
    }

    fn read_all(headers: &[(&str, &str)]) -> Result<Presented, Unusable> {
        read(headers.iter().map(|(name, value)| (*name, value.as_bytes())), &brand())
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
        assert_eq!(read(headers.into_iter(), &brand()), Err(Unusable::Malformed));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_pass(name in "authorization|authentication|apikey|x-api-key", scheme in "(Bearer |Token token=|Basic |AccessToken )?", bytes: Vec<u8>) {
            let value = [scheme.as_bytes(), &bytes].concat();
            prop_assert!(read([(name.as_str(), value.as_slice())].into_iter(), &brand()).is_err());
        }
    }
}

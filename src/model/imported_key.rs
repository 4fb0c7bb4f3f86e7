//! Keys on their way in: what a line of an import must say.
//!
//! A line of an import may hold a secret in the wrong place, and not one of ours. So no error
//! about one repeats what it says.

use serde_json::{Map, Value};

use super::FieldErrors;
use super::catalog::Catalog;
use super::exported_key::COLUMNS;
use super::fields::{FieldReader, as_text, check_line};
use super::foreign_key::HOLDS_KEY;
use super::key::{KeyLabel, Status, read_scopes};
use super::limits::{KeyLimits, Networks, Quota, RateLimit};
use super::scope::ScopeSet;
use super::secret::{Brand, Digest, mask};
use super::time::{LongestLife, Moment, parse_expiry};

/// The columns that an import ignores: it makes new values for them.
const IGNORED: [&str; 15] = [
    "id",
    "created_at",
    "created_by",
    "revoked_by",
    "revoke_reason",
    "last_used_at",
    "lifetime_total",
    "24h",
    "7d",
    "30d",
    "replaces",
    "replaced_by",
    "leaked_at",
    "gone_scopes",
    "holder",
];

/// Longer texts could be whole keys.
const LONGEST_DISPLAY: usize = 24;

/// A key that was made elsewhere and is about to be imported; everything in it has been checked.
#[derive(Debug, Clone)]
pub struct ImportedKey {
    /// What people call it.
    pub label: KeyLabel,
    /// The scopes it has; never empty.
    pub scopes: ScopeSet,
    /// When the key expires; never if absent.
    pub expires_at: Option<Moment>,
    /// How fast, how much and from where it may be used.
    pub limits: KeyLimits,
    /// SHA-256 of the key's secret.
    pub digest: Digest,
    /// The part of the secret that lists show.
    pub display: String,
}

impl ImportedKey {
    /// Reads `name`, `scopes`, `sha256` and optionally `description`, `owner`, `expires_at`,
    /// `display` and the limits; the other columns of an export are checked or ignored.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(
        object: &Map<String, Value>,
        brand: &Brand,
        catalog: &Catalog,
        now: Moment,
    ) -> Result<Self, FieldErrors> {
        refuse_secrets(object, brand)?;
        let mut reader = FieldReader::new(object);
        for field in IGNORED {
            reader.value(field);
        }
        let label = KeyLabel::read(&mut reader);
        let scopes = parsed(&mut reader, "scopes", |value| {
            read_scopes(value, catalog).map_err(|message| quiet_about_scopes(message, catalog))
        });
        let scopes = reader.required("scopes", scopes);
        let expires_at =
            parsed(&mut reader, "expires_at", |value| read_expiry(as_text(value)?, now));
        let limits = read_limits(&mut reader);
        let digest = parsed(&mut reader, "sha256", |value| read_digest(as_text(value)?));
        let digest = reader.required("sha256", digest);
        let display = parsed(&mut reader, "display", |value| read_display(as_text(value)?));
        refuse_the_retired(&mut reader);
        if let Some(digest) = digest {
            refuse_the_key_itself(&mut reader, object, digest);
        }
        let key = label.zip(scopes).zip(digest).map(|((label, scopes), digest)| Self {
            label,
            scopes,
            expires_at: expires_at.flatten(),
            limits,
            digest,
            display: display.unwrap_or_else(|| default_display(digest)),
        });
        reader.finish(key)
    }
}

/// Reads a value with `parse`, whose error becomes the field's.
fn parsed<'a, T>(
    reader: &mut FieldReader<'a>,
    field: &'static str,
    parse: impl FnOnce(&'a Value) -> Result<T, String>,
) -> Option<T> {
    parse(reader.value(field)?).map_err(|message| reader.complain(field, message)).ok()
}

/// Refuses fields that are none, and text with one of our own keys in it, before anything else is
/// looked at.
fn refuse_secrets(object: &Map<String, Value>, brand: &Brand) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::default();
    for (field, value) in object {
        let Some(field) = COLUMNS.iter().find(|column| *column == field) else {
            errors.add(
                "line",
                format!("has an unknown field; the fields are {}", COLUMNS.join(", ")),
            );
            continue;
        };
        let secret = texts(value).any(|text| match *field {
            // The beginning of a key is what a display is for.
            "display" => mask(text) != text,
            _ => brand.may_occur_in(text) || mask(text) != text,
        });
        if secret {
            errors.add(field, HOLDS_KEY);
        }
    }
    errors.into_result()
}

/// Refuses the text that the digest was made of.
fn refuse_the_key_itself(
    reader: &mut FieldReader<'_>,
    object: &Map<String, Value>,
    digest: Digest,
) {
    let is_the_key =
        |text: &str| [text, text.trim()].iter().any(|text| Digest::of(text.as_bytes()) == digest);
    for (field, value) in object {
        if texts(value).any(is_the_key) {
            reader.complain(field, "must not be the key itself");
        }
    }
}

/// A retired key is never brought back, not even in another database.
fn refuse_the_retired(reader: &mut FieldReader<'_>) {
    let status: Option<Status> = reader.choice("status");
    if status.is_some_and(|status| status != Status::Active) {
        reader.complain("status", "must be active: keys that have ended cannot be imported");
    }
    if reader.value("revoked_at").is_some() {
        reader.complain("revoked_at", "must be empty: revoked keys cannot be imported");
    }
}

/// The text of a value, or of each item of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().map_or(&[] as &[Value], Vec::as_slice);
    value.as_str().into_iter().chain(items.iter().filter_map(Value::as_str))
}

fn quiet_about_scopes(message: String, catalog: &Catalog) -> String {
    if message.contains(" is not a scope") {
        let all = catalog.scopes().to_string().replace(' ', ", ");
        return format!("must contain only scopes; the scopes are {all}");
    }
    message
}

fn read_expiry(text: &str, now: Moment) -> Result<Option<Moment>, String> {
    let expires_at = parse_expiry(text, now).map_err(|_| {
        "must be an RFC 3339 time (2027-01-31T12:00:00Z), a date (2027-01-31, its end), a time \
         from now (90d, 12months, 1y; M is neither months nor minutes) or never"
            .to_owned()
    })?;
    expires_at.map(|at| LongestLife::TenYears.check(at, now)).transpose()
}

fn read_limits(reader: &mut FieldReader<'_>) -> KeyLimits {
    let or = |expected: &'static str| move |_| expected.to_owned();
    let rate = or("must be requests and a second, minute or hour, such as 600/minute");
    let quota = or("must be requests and a day or month, such as 50000/day");
    let networks = or("must be 1 to 32 networks, such as 10.0.0.0/8 2001:db8::/32");
    KeyLimits {
        rate_limit: parsed(reader, "rate_limit", |value| RateLimit::read(value).map_err(rate)),
        quota: parsed(reader, "quota", |value| Quota::read(value).map_err(quota)),
        allowed_networks: parsed(reader, "allowed_networks", |value| {
            Networks::read(value).map_err(networks)
        }),
    }
}

fn read_digest(text: &str) -> Result<Digest, String> {
    let digest: Digest = text.trim().parse()?;
    if digest == Digest::of(b"") {
        return Err("is the SHA-256 of an empty text; give that of a key".to_owned());
    }
    Ok(digest)
}

fn read_display(text: &str) -> Result<String, String> {
    let text = check_line(text, LONGEST_DISPLAY)?;
    if text.is_empty() { Err("must not be blank".to_owned()) } else { Ok(text) }
}

/// The display of a key of which only the digest is known.
fn default_display(digest: Digest) -> String {
    format!("imported…{}", &digest.to_hex()[60..])
}

#[cfg(test)]
mod tests {
    use crate::model::catalog::sample;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::time::parse_rfc3339;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn read(object: Value) -> Result<ImportedKey, FieldErrors> {
        let now = parse_rfc3339("2026-11-22T12:00:00Z").unwrap();
        ImportedKey::from_object(
            object.as_object().unwrap(),
            &"bt".parse().unwrap(),
            &sample::catalog(),
            now,
        )
    }

    fn with(field: &str, value: impl Into<Value>) -> Value {
        let mut object = json!({"name": "a", "scopes": ["calls:read"], "sha256": DIGEST});
        object[field] = value.into();
        object
    }

    #[test]
    fn a_line_needs_a_name_scopes_and_a_digest() {
        let key = read(with("expires_at", "2027-01-31")).unwrap();
        assert_eq!(key.digest, Digest::of(b"test"));
        assert_eq!(key.display, "imported…0a08");
        assert_eq!(key.expires_at, parse_rfc3339("2027-02-01T00:00:00Z"));
        let fields =
            |errors: FieldErrors| errors.into_iter().map(|error| error.field).collect::<Vec<_>>();
        assert_eq!(fields(read(json!({})).unwrap_err()), ["name", "scopes", "sha256"]);
        for (field, value) in [
            ("name", json!(" ")),
            ("scopes", json!(["calls:admin"])),
            ("scopes", json!([])),
            ("expires_at", json!("2026-11-22T12:00:00Z")),
            ("expires_at", json!("soon")),
            ("expires_at", json!("11y")),
            ("sha256", json!(&DIGEST[1..])),
            ("sha256", json!(DIGEST.replace('9', "g"))),
            ("sha256", json!(Digest::of(b"").to_hex())),
            ("display", json!("a".repeat(25))),
            ("display", json!("a\nb")),
            ("display", json!(" ")),
            ("status", json!("revoked")),
            ("status", json!("expired")),
            ("status", json!("?")),
            ("revoked_at", json!("2026-01-01T00:00:00Z")),
        ] {
            assert_eq!(fields(read(with(field, value.clone())).unwrap_err()), [field], "{value}");
        }
    }

    #[test]
    fn a_complaint_does_not_repeat_what_may_be_a_secret() {
        let ours = format!("btk_{}", "a1".repeat(19));
        for secret in ["sk_live_51HxTopSecret", &ours, "test"] {
            for field in COLUMNS {
                let value = match field {
                    ignored if IGNORED.contains(&ignored) && secret != ours => continue,
                    "name" | "owner" | "description" | "display" if secret.starts_with("sk") => {
                        continue;
                    }
                    "scopes" => json!([secret]),
                    _ => json!(secret),
                };
                let errors = read(with(field, value)).expect_err(field);
                assert!(!errors.summary().contains(secret), "{errors}");
            }
            let errors = read(with(secret, "x")).unwrap_err();
            assert!(!errors.summary().contains(secret), "{errors}");
        }
    }

    #[test]
    fn the_display_of_an_exported_key_is_taken_in_again() {
        assert_eq!(read(with("display", "btk_9xas…EeVW")).unwrap().display, "btk_9xas…EeVW");
    }

    proptest! {
        #[test]
        fn a_digest_survives_its_text(bytes: [u8; 32]) {
            let digest = Digest::of(&bytes);
            prop_assert_eq!(digest.to_hex().parse(), Ok(digest));
            prop_assert_eq!(digest.to_hex().to_uppercase().parse(), Ok(digest));
        }
    }
}

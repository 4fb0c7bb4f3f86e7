//! Secrets and their digests: how a key is made, recognised without a look-up, and hashed.
//!
//! A secret is `<brand>k_` (API key) or `<brand>a_` (admin token), 32 random characters of base62
//! (190 bits) and 6 that hold the CRC-32 of all before them. Neither type prints through `Debug`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH: usize = 32;
const CHECKSUM_LENGTH: usize = 6;
/// Characters after the prefix.
pub const BODY_LENGTH: usize = RANDOM_LENGTH + CHECKSUM_LENGTH;
/// How many characters after a prefix are taken for a secret, or for a part of one.
const SUSPECT_LENGTH: usize = 16;
/// Random bytes at or above this are drawn again, so that no character is likelier than another.
const UNBIASED: u8 = (256 / 62 * 62) as u8;

/// What a secret is for; the letter after the brand tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// `<brand>k_`: calls the protected API.
    ApiKey,
    /// `<brand>a_`: manages keys by program.
    AdminToken,
}

impl SecretKind {
    fn letter(self) -> u8 {
        match self {
            Self::ApiKey => b'k',
            Self::AdminToken => b'a',
        }
    }
}

/// The 2 to 8 letters a–z that begin every secret of one database, `bt` unless chosen otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand(String);

impl Brand {
    /// The prefix's letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The regular expression that finds this brand's secrets, for secret scanners.
    pub fn scanner_pattern(&self) -> String {
        format!("\\b{}[ka]_[0-9A-Za-z]{{{BODY_LENGTH}}}\\b", self.0)
    }

    /// Whether `text` holds, anywhere, one of this brand's secrets or a large part of one.
    pub fn occurs_in(&self, text: &str) -> bool {
        text.match_indices(self.as_str()).any(|(at, brand)| {
            let rest = &text.as_bytes()[at + brand.len()..];
            let body = match rest {
                [b'k' | b'a', b'_', body @ ..] => body,
                _ => return false,
            };
            body.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count() >= SUSPECT_LENGTH
        })
    }

    /// Whether `text` holds, anywhere, the start of one of this brand's secrets.
    ///
    /// Deliberately loose: it serves to keep secrets out of what is stored and logged.
    pub fn may_occur_in(&self, text: &str) -> bool {
        text.match_indices(self.as_str()).any(|(at, brand)| {
            let rest = &text.as_bytes()[at + brand.len()..];
            matches!(rest, [b'k' | b'a', b'_', next, ..] if next.is_ascii_alphanumeric())
        })
    }
}

impl FromStr for Brand {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 2 to 8 letters a–z")
        }
    }
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of a whole secret: all that is ever stored of it.
///
/// A plain hash is enough for a secret of 190 random bits: there is nothing to guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes what a request presents.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The digest as 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The first bytes as a number. SHA-256 has mixed them, and only we choose what is stored, so
    /// nobody can make them collide.
    pub fn leading(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The digest's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Parses 64 hexadecimal digits, as programs that compute a SHA-256 print it.
impl FromStr for Digest {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = "must be a SHA-256: 64 hexadecimal digits";
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| refused)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| refused)?;
        }
        Ok(Self(bytes))
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<Vec<u8>> for Digest {
    type Error = &'static str;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self).map_err(|_| "a digest has 32 bytes")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// A secret in plain text. It exists only between being made and being shown once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Draws a new secret from the operating system's random source.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate(brand: &Brand, kind: SecretKind) -> Result<Self, rand::rngs::SysError> {
        let mut text = String::with_capacity(brand.0.len() + 2 + BODY_LENGTH);
        text.push_str(&brand.0);
        text.push(kind.letter() as char);
        text.push('_');
        complete(&mut text, RANDOM_LENGTH)?;
        Ok(Self(text))
    }

    /// The secret itself: to be shown once, and to nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret's digest, which is all that is stored of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The part of the secret that lists show: the prefix with 4 more characters, and the last 4.
    pub fn display(&self) -> String {
        let body = self.0.len() - BODY_LENGTH;
        format!("{}…{}", &self.0[..body + 4], &self.0[self.0.len() - 4..])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether `text` begins as this brand's secrets do, whatever follows.
pub fn bears_prefix(text: &[u8], brand: &Brand) -> bool {
    matches!(text.strip_prefix(brand.0.as_bytes()), Some([b'k' | b'a', b'_', ..]))
}

/// Says what kind of secret `text` is, or `None` when its form or checksum is wrong.
///
/// Nothing is looked up: a mistyped or made-up secret is refused here.
pub fn recognise(text: &[u8], brand: &Brand) -> Option<SecretKind> {
    let body = text.strip_prefix(brand.0.as_bytes())?;
    let (kind, body) = match body {
        [b'k', b'_', body @ ..] => (SecretKind::ApiKey, body),
        [b'a', b'_', body @ ..] => (SecretKind::AdminToken, body),
        _ => return None,
    };
    // Looks at all of them, which the compiler does sixteen at a time.
    let plain = body.iter().fold(true, |plain, byte| plain & byte.is_ascii_alphanumeric());
    if body.len() != BODY_LENGTH || !plain {
        return None;
    }
    is_complete(text).then_some(kind)
}

/// Text for an error or a log, without what has the form of a secret of any brand.
///
/// Errors name what they refuse, and that may be a secret in the wrong place.
pub fn mask(text: &str) -> Cow<'_, str> {
    mask_those(text, |_| true)
}

/// A text whose secrets are stars where `is_meant` holds of what follows their prefix.
pub fn mask_those(text: &str, is_meant: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices('_') {
        let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at + 1..]);
        let prefixed = matches!(before, [.., x, y, b'k' | b'a'] if x.is_ascii_lowercase() && y.is_ascii_lowercase());
        let length = after.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if prefixed && length >= SUSPECT_LENGTH && is_meant(&text[at + 1..][..length]) {
            masked.push_str(&text[done..=at]);
            masked.push('…');
            done = at + 1 + length;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// Adds so many random characters to a prefix, and the checksum of it all.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(super) fn complete(text: &mut String, random: usize) -> Result<(), rand::rngs::SysError> {
    let full = text.len() + random;
    while text.len() < full {
        let mut bytes = [0u8; RANDOM_LENGTH];
        SysRng.try_fill_bytes(&mut bytes)?;
        let wanted = full - text.len();
        let usable = bytes.iter().filter(|&&byte| byte < UNBIASED);
        text.extend(usable.take(wanted).map(|byte| ALPHABET[(byte % 62) as usize] as char));
    }
    text.extend(checksum(text.as_bytes()).map(char::from));
    Ok(())
}

/// Whether text ends with the checksum of what stands before it.
pub(super) fn is_complete(text: &[u8]) -> bool {
    let split = text.len().checked_sub(CHECKSUM_LENGTH).map(|at| text.split_at(at));
    split.is_some_and(|(checked, sum)| checksum(checked) == sum)
}

/// CRC-32 (IEEE) in 6 digits of base62, padded with zeros.
fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text);
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn brand() -> Brand {
        "bt".parse().unwrap()
    }

    #[test]
    fn masking_hides_secrets_and_leaves_all_else() {
        let secret = Secret::generate(&brand(), SecretKind::AdminToken).unwrap();
        let other = Secret::generate(&"acme".parse().unwrap(), SecretKind::ApiKey).unwrap();
        let text = format!("no \u{fc} {}; x{}, _", secret.expose(), &other.expose()[..30]);
        assert_eq!(mask(&text), "no \u{fc} bta_…; xacmek_…, _");
        for harmless in [
            "",
            "_",
            "k_",
            "agent_id",
            "key_01m7yzmhg0epksmpj47rskg8ke",
            "task_name",
            "btk_7Hq2…x9Kd",
        ] {
            assert_eq!(mask(harmless), harmless);
        }
    }

    fn secret(kind: SecretKind) -> Secret {
        Secret::generate(&brand(), kind).unwrap()
    }

    #[test]
    fn a_known_key_has_the_published_checksum() {
        // Computed by another implementation: Python's zlib.crc32, then base62.
        let body = format!("btk_{}", "0".repeat(32));
        assert_eq!(&checksum(body.as_bytes()), b"0Zx5ed");
    }

    #[test]
    fn a_million_keys_have_no_duplicate_and_no_biased_character() {
        const KEYS: usize = 1_000_000;
        let mut seen = HashSet::with_capacity(KEYS);
        let mut counts = [0u64; 128];
        for _ in 0..KEYS {
            let secret = secret(SecretKind::ApiKey);
            for byte in &secret.expose().as_bytes()[4..36] {
                counts[*byte as usize] += 1;
            }
            assert!(seen.insert(secret.digest()));
        }
        let expected = (KEYS * RANDOM_LENGTH) as f64 / 62.0;
        let chi_squared: f64 = ALPHABET
            .iter()
            .map(|c| (counts[*c as usize] as f64 - expected).powi(2) / expected)
            .sum();
        // 61 degrees of freedom: 130 is passed by chance less than once in a million runs.
        // A plain `byte % 62` would give about 300 000.
        assert!(chi_squared < 130.0, "chi squared {chi_squared}");
    }

    #[test]
    fn a_display_shows_eight_characters_of_the_body() {
        let secret = secret(SecretKind::AdminToken);
        let (text, display) = (secret.expose(), secret.display());
        assert_eq!(display, format!("{}…{}", &text[..8], &text[38..]));
        assert!(display.starts_with("bta_"));
    }

    #[test]
    fn nothing_is_printed_through_debug() {
        let secret = secret(SecretKind::ApiKey);
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "Secret(…) Digest(…)");
    }

    #[test]
    fn a_secret_is_found_inside_other_text() {
        let text = format!("curl {}", secret(SecretKind::ApiKey).expose());
        assert!(brand().may_occur_in(&text));
        assert!(!brand().may_occur_in("btk, bta_ and btx_abc"));
    }

    proptest! {
        #[test]
        fn every_generated_secret_is_recognised(token: bool, letters in "[a-z]{2,8}") {
            let brand: Brand = letters.parse().unwrap();
            let kind = if token { SecretKind::AdminToken } else { SecretKind::ApiKey };
            let secret = Secret::generate(&brand, kind).unwrap();
            prop_assert_eq!(recognise(secret.expose().as_bytes(), &brand), Some(kind));
        }

        #[test]
        fn any_one_changed_character_is_refused(at in 0usize..42, by in 1u8..=255) {
            let mut bytes = secret(SecretKind::ApiKey).expose().as_bytes().to_vec();
            bytes[at] = bytes[at].wrapping_add(by);
            prop_assert_eq!(recognise(&bytes, &brand()), None);
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert_eq!(recognise(&bytes, &brand()), None);
        }
    }
}

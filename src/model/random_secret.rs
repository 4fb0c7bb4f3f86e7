//! Secrets that people never see as such: of a session, a one-time link, a form. 256 random bits,
//! of which only the digest is stored. What is given out as a key is in `secret`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::{SysError, SysRng};

use super::secret::Digest;

const BYTES: usize = 32;

/// A secret that only its bearer knows. It does not print through `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RandomSecret([u8; BYTES]);

impl RandomSecret {
    /// Draws a new secret from the operating system's random source.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, SysError> {
        let mut bytes = [0; BYTES];
        SysRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads what [`Self::expose`] writes, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The secret as text, for a cookie, a link or a form.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The secret's digest, which is all that is stored of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The token of the forms that are shown to its bearer: another secret, which only who knows
    /// this one can make, and which does not tell it.
    pub fn form_token(&self) -> Self {
        let labelled = [b"bitting form token ".as_slice(), &self.0].concat();
        Self(*Digest::of(&labelled).as_bytes())
    }
}

impl fmt::Debug for RandomSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_text_and_no_other_text_is_one() {
        let secret = RandomSecret::generate().unwrap();
        let text = secret.expose();
        assert_eq!(text.len(), 43);
        assert_eq!(RandomSecret::parse(&text), Some(secret.clone()));
        assert_ne!(RandomSecret::generate().unwrap(), secret);
        for wrong in ["", &text[1..], &format!("{text}A"), &format!("{text}="), "ü"] {
            assert_eq!(RandomSecret::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{secret:?}"), "RandomSecret(…)");
    }

    #[test]
    fn a_form_token_is_neither_the_secret_nor_what_is_stored_of_it() {
        let secret = RandomSecret::generate().unwrap();
        assert_eq!(secret.form_token(), secret.form_token());
        assert_ne!(secret.form_token(), secret);
        assert_ne!(&secret.form_token().0, secret.digest().as_bytes());
    }
}

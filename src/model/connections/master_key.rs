//! Master keys, which seal the credentials of connections. Only Bitting draws them: `bck_`, 43 random
//! characters of base62 (256 bits) and 6 that hold a checksum, so that one that was cut off is told
//! at once.

use std::fmt;
use std::str::FromStr;

use hkdf::Hkdf;
use rand::rngs::SysError;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::secret::{complete, is_complete};

const PREFIX: &str = "bck_";
const RANDOM_LENGTH: usize = 43;
const LENGTH: usize = PREFIX.len() + RANDOM_LENGTH + 6;

/// A master key. Neither its text nor what is derived from it stays in memory when it is dropped.
pub struct MasterKey {
    text: Zeroizing<String>,
    id: MasterKeyId,
    sealing: Zeroizing<[u8; 32]>,
}

/// Names a master key, and tells nothing of it: 8 bytes that are derived from the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterKeyId(pub [u8; 8]);

/// Text that is no master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a whole master key, which is bck_ and 49 letters and digits; `bitting connection new-key` \
     draws one"
)]
pub struct InvalidMasterKey;

impl MasterKey {
    /// Draws a new key from the operating system's random source.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, SysError> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        complete(&mut text, RANDOM_LENGTH)?;
        Ok(Self::of(text))
    }

    fn of(text: Zeroizing<String>) -> Self {
        let id = MasterKeyId(*derive(&text, b"bitting connections id"));
        let sealing = derive(&text, b"bitting connections v1");
        Self { text, id, sealing }
    }

    /// The key itself: to be shown once, to whoever drew it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What names it.
    pub fn id(&self) -> MasterKeyId {
        self.id
    }

    /// The key that credentials are encrypted with.
    pub fn sealing_key(&self) -> &[u8; 32] {
        &self.sealing
    }
}

/// HKDF-SHA256 of a key, for one purpose.
fn derive<const N: usize>(text: &str, purpose: &[u8]) -> Zeroizing<[u8; N]> {
    let mut derived = Zeroizing::new([0; N]);
    // It only fails for more than 8160 bytes.
    let _ = Hkdf::<Sha256>::new(None, text.as_bytes()).expand(purpose, &mut *derived);
    derived
}

impl FromStr for MasterKey {
    type Err = InvalidMasterKey;
    fn from_str(text: &str) -> Result<Self, InvalidMasterKey> {
        let body = text.strip_prefix(PREFIX).ok_or(InvalidMasterKey)?;
        let formed = text.len() == LENGTH && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if formed && is_complete(text.as_bytes()) {
            Ok(Self::of(Zeroizing::new(text.to_owned())))
        } else {
            Err(InvalidMasterKey)
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_a_mistyped_one_is_told() {
        let key = MasterKey::generate().unwrap();
        let text = key.expose();
        assert_eq!(text.len(), 53);
        assert_eq!(text.parse::<MasterKey>().unwrap().id(), key.id());
        assert_ne!(MasterKey::generate().unwrap().id(), key.id());
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(String::from_utf8(bytes).unwrap().parse::<MasterKey>().is_err(), "{at}");
        }
        for wrong in ["", "bck_", &text[..52], &format!("{text}a"), &text[1..]] {
            assert!(wrong.parse::<MasterKey>().is_err(), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
        assert_ne!(key.sealing_key()[..8], key.id().0);
    }
}

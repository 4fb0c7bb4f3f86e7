//! A sealed credential: bytes that only the right master key opens, and only for the connection that
//! they were sealed for.

use std::fmt;

use super::master_key::MasterKeyId;

/// The only format so far.
const FORMAT: u8 = 1;
/// Where the random nonce begins, and where what is encrypted does.
const NONCE: usize = 9;
const CIPHERTEXT: usize = NONCE + 24;

/// `0x01`, the id of the master key (8 bytes), a random nonce (24 bytes), and what is encrypted. What was
/// stored may be damaged, which whoever opens it finds out.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedCredential(Vec<u8>);

/// The parts of a sealed credential.
pub struct Sealed<'a> {
    /// Which master key opens it.
    pub key: MasterKeyId,
    /// The random nonce.
    pub nonce: [u8; 24],
    /// What is encrypted.
    pub ciphertext: &'a [u8],
}

impl SealedCredential {
    /// Puts the parts together.
    pub fn new(key: MasterKeyId, nonce: &[u8; 24], ciphertext: &[u8]) -> Self {
        Self([&[FORMAT], &key.0[..], &nonce[..], ciphertext].concat())
    }

    /// Its parts; none where it is damaged.
    pub fn parts(&self) -> Option<Sealed<'_>> {
        let (head, ciphertext) = self.0.split_at_checked(CIPHERTEXT)?;
        let formed = head[0] == FORMAT && !ciphertext.is_empty();
        let (key, nonce) = head[1..].split_at(NONCE - 1);
        let key = MasterKeyId(key.try_into().ok()?);
        formed.then_some(Sealed { key, nonce: nonce.try_into().ok()?, ciphertext })
    }

    /// All of it, as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Takes what was stored.
impl From<Vec<u8>> for SealedCredential {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SealedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.parts().map(|parts| parts.key.to_string());
        write!(f, "SealedCredential(with {})", key.as_deref().unwrap_or("damage"))
    }
}

//! A sealed credential: bytes that only the right master key opens, and only for the connection that
//! they were sealed for.

use std::fmt;

use super::master_key::MasterKeyId;

/// The only format so far.
const FORMAT: u8 = 1;
/// Where the random nonce begins, and where what is encrypted does.
const NONCE: usize = 9;
const CIPHERTEXT: usize = NONCE + 24;

/// `0x01`, the id of the master key (8 bytes), a random nonce (24 bytes), and what is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedCredential(Vec<u8>);

impl SealedCredential {
    /// Puts the parts together.
    pub fn new(key: MasterKeyId, nonce: &[u8; 24], ciphertext: &[u8]) -> Self {
        Self([&[FORMAT], &key.0[..], &nonce[..], ciphertext].concat())
    }

    /// Which master key opens it.
    pub fn key_id(&self) -> MasterKeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[1..NONCE]);
        MasterKeyId(id)
    }

    /// The random nonce.
    pub fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&self.0[NONCE..CIPHERTEXT]);
        nonce
    }

    /// What is encrypted.
    pub fn ciphertext(&self) -> &[u8] {
        &self.0[CIPHERTEXT..]
    }

    /// All of it, as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Takes what was stored.
impl TryFrom<Vec<u8>> for SealedCredential {
    type Error = &'static str;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        let formed = bytes.first() == Some(&FORMAT) && bytes.len() > CIPHERTEXT;
        if formed { Ok(Self(bytes)) } else { Err("sealed credential") }
    }
}

impl fmt::Debug for SealedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCredential(with {})", self.key_id())
    }
}

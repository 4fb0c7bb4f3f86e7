//! The public keys by which GitHub's reports of leaked keys are known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;

/// What the DER of every public key on the curve P-256 begins with (RFC 5480); the point follows.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The length of a point that is not compressed.
const POINT: usize = 65;

/// The keys, as `https://api.github.com/meta/public_keys/secret_scanning` lists them.
#[derive(Debug, Clone, Default)]
pub struct GithubKeys(Vec<PublicKey>);

#[derive(Debug, Clone)]
struct PublicKey {
    id: String,
    point: Vec<u8>,
}

#[derive(Deserialize)]
struct Listing {
    public_keys: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    key_identifier: String,
    key: String,
}

impl GithubKeys {
    /// Reads the listing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let listing: Listing = serde_json::from_str(text)
            .map_err(|why| format!("is not the list of GitHub's public keys: {why}"))?;
        let keys: Result<Vec<_>, String> = listing.public_keys.into_iter().map(read_key).collect();
        match keys?.as_slice() {
            [] => Err("has no public key in it".to_owned()),
            keys => Ok(Self(keys.to_vec())),
        }
    }

    /// Whether there is none, so that no report can be GitHub's.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key of this name is among them.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// Whether this signature of a message, in base64, was made with the key of this name.
    pub fn verify(&self, id: &str, signature: &str, message: &[u8]) -> bool {
        let Some(key) = self.0.iter().find(|key| key.id == id) else { return false };
        let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.point);
        key.verify(message, &signature).is_ok()
    }
}

fn read_key(listed: Listed) -> Result<PublicKey, String> {
    let lines = listed.key.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let der = STANDARD.decode(lines.collect::<String>()).ok();
    let point = der.as_deref().and_then(|der| der.strip_prefix(&P256));
    match point.filter(|point| point.len() == POINT) {
        Some(point) => Ok(PublicKey { id: listed.key_identifier, point: point.to_vec() }),
        None => {
            Err(format!("has a key that is none on the curve P-256: {}", listed.key_identifier))
        }
    }
}

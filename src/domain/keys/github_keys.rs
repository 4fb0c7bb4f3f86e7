//! The public keys of GitHub that are known now, and whether another one was asked for. Who fetches
//! them is elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::model::github_keys::GithubKeys;

/// GitHub's public keys, which may change while they are used.
#[derive(Debug, Default)]
pub struct KnownGithubKeys {
    keys: RwLock<GithubKeys>,
    missed: AtomicBool,
}

impl KnownGithubKeys {
    /// These keys, until others are fetched.
    pub fn of(keys: GithubKeys) -> Self {
        Self { keys: RwLock::new(keys), missed: AtomicBool::new(false) }
    }

    /// Whether none were fetched yet.
    pub fn is_empty(&self) -> bool {
        self.keys.read().is_empty()
    }

    /// Whether this signature of a message, in base64, was made with the key of this name.
    pub fn verify(&self, id: &str, signature: &str, message: &[u8]) -> bool {
        let keys = self.keys.read();
        if !keys.has(id) {
            self.missed.store(true, Ordering::Relaxed);
        }
        keys.verify(id, signature, message)
    }

    /// Whether a key was asked for since the last ones came that is not among them.
    pub fn were_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    /// Knows these keys from now on, and no others.
    pub fn replace(&self, keys: GithubKeys) {
        *self.keys.write() = keys;
        self.missed.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_is_not_known_is_missed_until_others_come() {
        let keys = || {
            let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/RkGJ73R8aU/mMFDgJhvJNEEXqt7\n\
                       aGiXrnjlA/7zCL69FfuYX/yBMmxyrzW5bBz9zDyXPPGgi0gTkcBFVqeuoA==";
            let listed = serde_json::json!({"key_identifier": "one", "key": key});
            let listing = serde_json::json!({"public_keys": [listed]}).to_string();
            GithubKeys::parse(&listing).unwrap()
        };
        let id = "one";
        let known = KnownGithubKeys::default();
        assert!(known.is_empty() && !known.verify(id, "", b"") && known.were_missed());
        known.replace(keys());
        assert!(!known.is_empty() && !known.were_missed());
        assert!(!known.verify(id, "MEUCIQ==", b"[]") && !known.were_missed());
        assert!(!known.verify("another", "MEUCIQ==", b"[]") && known.were_missed());
        known.replace(keys());
        assert!(!known.were_missed());
    }
}

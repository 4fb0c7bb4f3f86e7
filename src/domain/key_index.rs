//! Every key and token in memory: what a request's credential is found in.
//!
//! Readers never wait, not even while the map grows. Retired credentials stay as
//! tombstones, and an entry is only ever replaced by one of a later revision, so that a slow read
//! that began before a revocation cannot bring a key back.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

use papaya::{Compute, HashMap, Operation, ResizeMode};

use crate::model::id::{KeyId, PublicId, TokenId};
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::scope::{Access, ScopeSet};
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::model::token::AdminToken;
pub use crate::store::keys::KeyChange;

/// What the index holds of a credential: 40 bytes beside the digest.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    id: [u64; 2],
    expires_ms: i64,
    revision: i64,
    number: u32,
    scopes: ScopeSet,
    kind: EntryKind,
    revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    ApiKey,
    ImportedKey,
    ReadToken,
    WriteToken,
}

impl EntryKind {
    fn of_key(imported: bool) -> Self {
        if imported { Self::ImportedKey } else { Self::ApiKey }
    }
}

/// Whose credential it is, and what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An API key with its scopes.
    ApiKey {
        /// Public id.
        id: KeyId,
        /// Row number.
        number: KeyNumber,
        /// What it may do.
        scopes: ScopeSet,
    },
    /// An admin token.
    AdminToken {
        /// Public id.
        id: TokenId,
        /// Row number.
        number: u32,
        /// What it may do with keys.
        access: Access,
        /// What it may grant.
        may_grant: ScopeSet,
    },
}

/// Whether a credential is accepted at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Live,
    /// Somebody ended it.
    Revoked,
    /// Its time has passed.
    Expired,
}

impl Entry {
    /// Whose credential it is.
    pub fn holder(&self) -> Holder {
        let id = u128::from(self.id[0]) << 64 | u128::from(self.id[1]);
        let token = |access| Holder::AdminToken {
            id: TokenId::from_number(id),
            number: self.number,
            access,
            may_grant: self.scopes,
        };
        match self.kind {
            EntryKind::ApiKey | EntryKind::ImportedKey => Holder::ApiKey {
                id: KeyId::from_number(id),
                number: KeyNumber(self.number),
                scopes: self.scopes,
            },
            EntryKind::ReadToken => token(Access::Read),
            EntryKind::WriteToken => token(Access::Write),
        }
    }

    /// Whether it is accepted at a moment.
    pub fn standing(&self, now: Moment) -> Standing {
        if self.revoked {
            Standing::Revoked
        } else if now.timestamp_millis() >= self.expires_ms {
            Standing::Expired
        } else {
            Standing::Live
        }
    }
}

fn halves(id: u128) -> [u64; 2] {
    [(id >> 64) as u64, id as u64]
}

impl From<&KeyChange> for Entry {
    fn from(key: &KeyChange) -> Self {
        Self {
            id: halves(key.id.number()),
            expires_ms: key.expires_at.map_or(i64::MAX, |end| end.timestamp_millis()),
            revision: key.revision,
            number: key.number.0,
            scopes: key.scopes,
            kind: EntryKind::of_key(key.imported),
            revoked: key.revoked,
        }
    }
}

impl From<&ApiKey> for Entry {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: halves(key.id.number()),
            expires_ms: key.expires_at.map_or(i64::MAX, |end| end.timestamp_millis()),
            revision: key.revision,
            number: key.number.0,
            scopes: key.scopes,
            kind: EntryKind::of_key(key.imported),
            revoked: key.revocation.is_some(),
        }
    }
}

impl From<&AdminToken> for Entry {
    fn from(token: &AdminToken) -> Self {
        Self {
            id: halves(token.id.number()),
            expires_ms: token.expires_at.timestamp_millis(),
            revision: token.revision,
            number: token.number,
            scopes: token.may_grant,
            kind: match token.access {
                Access::Read => EntryKind::ReadToken,
                Access::Write => EntryKind::WriteToken,
            },
            revoked: token.revocation.is_some(),
        }
    }
}

/// The map from digest to entry.
pub struct KeyIndex {
    entries: HashMap<Digest, Entry, DigestBytes>,
    /// Whether any entry is an imported key. It stays so: entries are never removed.
    holds_imported: AtomicBool,
}

impl Default for KeyIndex {
    /// Whoever makes it grow moves it as a whole: left to do it bit by bit, `compute` never comes
    /// to an end of it, and every look-up goes through several tables.
    fn default() -> Self {
        let entries = HashMap::builder().hasher(DigestBytes).resize_mode(ResizeMode::Blocking);
        Self { entries: entries.build(), holds_imported: AtomicBool::new(false) }
    }
}

impl KeyIndex {
    /// Makes room for so many credentials more at once.
    pub fn reserve(&self, more: usize) {
        self.entries.pin().reserve(more);
    }

    /// The credential with this digest, if it is known.
    pub fn find(&self, digest: &Digest) -> Option<Entry> {
        self.entries.pin().get(digest).copied()
    }

    /// Takes in a credential's state, unless a later one is there already.
    pub fn apply(&self, digest: Digest, entry: impl Into<Entry>) {
        let entry = entry.into();
        if entry.kind == EntryKind::ImportedKey {
            self.holds_imported.store(true, Ordering::Relaxed);
        }
        let entries = self.entries.pin();
        let _: Compute<'_, Digest, Entry, ()> = entries.compute(digest, |present| match present {
            Some((_, present)) if present.revision >= entry.revision => Operation::Abort(()),
            _ => Operation::Insert(entry),
        });
    }

    /// Whether a credential may be right that does not look like one of ours.
    pub fn holds_imported(&self) -> bool {
        self.holds_imported.load(Ordering::Relaxed)
    }

    /// How many credentials are known, retired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Hashes a digest by taking its first bytes: SHA-256 has mixed them, and nobody but us chooses
/// what is stored.
#[derive(Default, Clone, Copy)]
struct DigestBytes;

impl BuildHasher for DigestBytes {
    type Hasher = FirstBytes;
    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    /// Keeps the first bytes of the last write: an array's length is written before the array.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    fn change(revision: i64, revoked: bool) -> KeyChange {
        KeyChange {
            digest: Digest::of(b"secret"),
            number: KeyNumber(7),
            id: KeyId::from_number(u128::MAX - 5),
            scopes: ScopeSet::all(),
            expires_at: parse_rfc3339("2026-11-21T12:00:00Z"),
            revoked,
            imported: false,
            revision,
        }
    }

    #[test]
    fn an_entry_is_small_and_keeps_what_it_was_given() {
        assert_eq!(size_of::<Entry>(), 40);
        let expected = Holder::ApiKey {
            id: KeyId::from_number(u128::MAX - 5),
            number: KeyNumber(7),
            scopes: ScopeSet::all(),
        };
        assert_eq!(Entry::from(&change(1, false)).holder(), expected);
    }

    #[test]
    fn an_older_state_never_replaces_a_newer_one() {
        let index = KeyIndex::default();
        let digest = Digest::of(b"secret");
        let now = parse_rfc3339("2026-11-21T11:59:59.999Z").unwrap();
        let standing = || index.find(&digest).map(|entry| entry.standing(now));
        assert_eq!(standing(), None);
        index.apply(digest, &change(2, false));
        assert_eq!(standing(), Some(Standing::Live));
        index.apply(digest, &change(3, true));
        index.apply(digest, &change(2, false));
        assert_eq!(standing(), Some(Standing::Revoked));
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn different_digests_hash_differently() {
        let hash = |text: &[u8]| DigestBytes.hash_one(Digest::of(text));
        assert_ne!(hash(b"a"), hash(b"b"));
        assert_ne!(hash(b"a"), 32);
    }
}

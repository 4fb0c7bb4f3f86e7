//! Every key and token in memory: what a request's credential is found in.
//!
//! Readers take no lock and wait for nobody, not even while the index grows. Retired credentials
//! stay as tombstones, and a state is only ever replaced by one of a later revision, so that a slow
//! read that began before a revocation cannot bring a key back.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::places::Places;
use crate::model::id::{KeyId, PublicId, TokenId};
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::scope::{Access, ScopeSet};
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::model::token::AdminToken;
pub use crate::store::keys::KeyChange;

/// What the index holds of a credential.
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

    fn state(&self) -> i64 {
        self.revision << 1 | i64::from(self.revoked)
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

/// A credential at its place in memory, where it stays: 72 bytes. Scopes, expiry and all else that
/// it was made with never change; only its state does.
struct Record {
    digest: Digest,
    id: [u64; 2],
    expires_ms: i64,
    /// Twice the revision, and one more when it is revoked: both change at once.
    state: AtomicI64,
    number: u32,
    scopes: ScopeSet,
    kind: EntryKind,
}

impl Record {
    fn new(digest: Digest, entry: &Entry) -> Self {
        let &Entry { id, expires_ms, number, scopes, kind, .. } = entry;
        let state = AtomicI64::new(entry.state());
        Self { digest, id, expires_ms, state, number, scopes, kind }
    }

    fn entry(&self) -> Entry {
        let &Self { id, expires_ms, number, scopes, kind, .. } = self;
        let state = self.state.load(Ordering::Acquire);
        let (revision, revoked) = (state >> 1, state & 1 == 1);
        Entry { id, expires_ms, revision, number, scopes, kind, revoked }
    }
}

/// The map from digest to entry.
#[derive(Default)]
pub struct KeyIndex {
    records: boxcar::Vec<Record>,
    places: Places,
    /// Held by who changes something; readers do not know it.
    writing: Mutex<()>,
    /// Whether any entry is an imported key. It stays so: entries are never removed.
    holds_imported: AtomicBool,
}

impl KeyIndex {
    /// Makes room for so many credentials more at once.
    pub fn reserve(&self, more: usize) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_room(self.len() + more);
    }

    /// The credential with this digest, if it is known.
    pub fn find(&self, digest: &Digest) -> Option<Entry> {
        self.record(digest).map(Record::entry)
    }

    fn record(&self, digest: &Digest) -> Option<&Record> {
        let candidates = self.places.candidates(hash(digest));
        let mut records = candidates.filter_map(|number| self.records.get(number));
        records.find(|record| record.digest == *digest)
    }

    /// Takes in a credential's state, unless a later one is there already.
    pub fn apply(&self, digest: Digest, entry: impl Into<Entry>) {
        let entry = entry.into();
        if entry.kind == EntryKind::ImportedKey {
            self.holds_imported.store(true, Ordering::Relaxed);
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.record(&digest) {
            Some(record) if record.entry().revision >= entry.revision => {}
            Some(record) => record.state.store(entry.state(), Ordering::Release),
            None => {
                self.make_room(self.len() + 1);
                let number = self.records.push(Record::new(digest, &entry));
                self.places.put(hash(&digest), number);
            }
        }
    }

    fn make_room(&self, records: usize) {
        let numbered = self.records.iter().map(|(number, record)| (hash(&record.digest), number));
        self.places.make_room(records, numbered);
    }

    /// Whether a credential may be right that does not look like one of ours.
    pub fn holds_imported(&self) -> bool {
        self.holds_imported.load(Ordering::Relaxed)
    }

    /// How many credentials are known, retired ones included.
    pub fn len(&self) -> usize {
        self.records.count()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The first bytes of a digest: SHA-256 has mixed them, and nobody but us chooses what is stored.
fn hash(digest: &Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
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
    fn a_record_is_small_and_keeps_what_it_was_given() {
        assert_eq!(size_of::<Record>(), 72);
        let index = KeyIndex::default();
        index.apply(Digest::of(b"secret"), &change(1, false));
        let expected = Holder::ApiKey {
            id: KeyId::from_number(u128::MAX - 5),
            number: KeyNumber(7),
            scopes: ScopeSet::all(),
        };
        assert_eq!(index.find(&Digest::of(b"secret")).map(|entry| entry.holder()), Some(expected));
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
    fn what_is_known_is_found_at_every_moment_while_the_index_grows() {
        let index = KeyIndex::default();
        let digest = |n: u32| Digest::of(&n.to_le_bytes());
        let known = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..50_000 {
                    index.apply(digest(n), &KeyChange { number: KeyNumber(n), ..change(1, false) });
                    known.store(n + 1, Ordering::Release);
                }
            });
            for start in 0..2 {
                let (index, known) = (&index, &known);
                scope.spawn(move || {
                    let mut n = start;
                    while known.load(Ordering::Acquire) < 50_000 {
                        let of = known.load(Ordering::Acquire);
                        if of > 0 {
                            n = (n + 7919) % of;
                            let number = index.find(&digest(n)).map(|entry| entry.number);
                            assert_eq!(number, Some(n));
                        }
                        assert!(index.find(&digest(n + 50_000)).is_none());
                    }
                });
            }
        });
        assert_eq!(index.len(), 50_000);
        assert!((0..50_000).all(|n| index.find(&digest(n)).is_some()));
    }
}

//! Every key and token in memory: what a request's credential is found in.
//!
//! Readers take no lock and wait for nobody, not even while the index grows. Retired credentials
//! stay as tombstones, and a state is only ever replaced by one of a later revision, so that a slow
//! read that began before a revocation cannot bring a key back. The one exception is
//! [`KeyIndex::replace`], for a database that was set back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::identities::Identities;
pub use super::indexed_credential::{CredentialRow, Holder, IndexedCredential};
use super::limiter::{Limiter, UseNumber};
use super::policies::{CredentialKind, Policies};
use super::row_numbers::{RowNumbers, Table};
use super::slot::{GONE, Slot, state};
use super::slots::SlotTable;
use crate::model::catalog::Catalog;
use crate::model::key::Status;
use crate::model::secret::Digest;
use crate::model::time::{Moment, Timestamp};

/// What replacing the index changed for the worse.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Credentials that the database no longer knows, as they were before, with their row numbers.
    pub gone: Vec<IndexedCredential>,
    /// Credentials that had ended and are accepted again, as they were before.
    pub revived: Vec<IndexedCredential>,
}

/// The map from digest to entry.
#[derive(Default)]
pub struct KeyIndex {
    catalog: Arc<Catalog>,
    policies: Policies,
    slots: boxcar::Vec<Slot>,
    table: SlotTable,
    /// Serialises writers. Readers never take it.
    writing: Mutex<Writing>,
    /// Whether any entry is an imported key. It stays so: entries are never removed.
    holds_imported: AtomicBool,
    /// How many of the slots are gone.
    gone: AtomicUsize,
    /// The database rows that the slots' numbers stand for.
    pub numbers: Arc<RowNumbers>,
    /// Who the keys are that were used lately.
    pub identities: Identities,
    /// What is used up of the keys' limits.
    pub limiter: Limiter,
}

#[derive(Default)]
struct Writing {
    /// What was applied since the database began to be read for a replacement.
    meanwhile: Option<Vec<(Digest, IndexedCredential)>>,
}

impl KeyIndex {
    /// An empty index, whose credentials' scopes are those of the catalog.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, ..Self::default() }
    }

    /// What the index would hold of a credential.
    pub fn entry<'a>(&self, credential: impl Into<CredentialRow<'a>>) -> IndexedCredential {
        IndexedCredential::new(credential, &self.catalog, &self.limiter)
    }

    fn write(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock()
    }

    /// Reserves room for this many more credentials, so that a bulk load grows the table once.
    pub fn reserve(&self, more: usize) {
        let _writing = self.write();
        self.reserve_slots(self.slots.count() + more);
    }

    /// The credential with this digest, if it is known.
    pub fn find(&self, digest: &Digest) -> Option<IndexedCredential> {
        self.with_digest(digest).find_map(|slot| slot.entry(&self.policies))
    }

    /// The slots with this digest: more than one only after a replacement, which left all but one
    /// of them gone.
    fn with_digest(&self, digest: &Digest) -> impl Iterator<Item = &Slot> {
        let candidates = self.table.matches(digest.leading());
        let slots = candidates.filter_map(|number| self.slots.get(number));
        slots.filter(move |slot| slot.digest == *digest)
    }

    /// Applies a credential's state, unless a later one is there already.
    pub fn apply(&self, digest: Digest, entry: IndexedCredential) {
        let mut writing = self.write();
        if let Some(meanwhile) = &mut writing.meanwhile {
            meanwhile.push((digest, entry));
        }
        let present = self.with_digest(&digest).find_map(|r| Some((r, r.entry(&self.policies)?)));
        match present {
            Some((_, present)) if present.revision >= entry.revision => {}
            Some((slot, _)) => {
                self.update(slot, &entry);
                self.identities.forget(entry.holder());
            }
            None => self.insert(digest, &entry),
        }
    }

    /// Adds a credential that is not there, or whose slot is gone.
    fn insert(&self, digest: Digest, entry: &IndexedCredential) {
        if let Some(slot) = self.with_digest(&digest).find(|slot| self.is_of(slot, entry)) {
            self.bring_back(slot, entry);
            return;
        }
        if entry.policy.kind == CredentialKind::ImportedKey {
            // A request that does not see it yet is refused, as it was a moment ago.
            self.holds_imported.store(true, Ordering::Relaxed);
        }
        self.reserve_slots(self.slots.count() + 1);
        let &IndexedCredential { id, policy, .. } = entry;
        let expires_ms = AtomicI64::new(entry.expires_ms);
        let number = self.numbers.admit(policy.kind.table(), entry.number);
        let used = AtomicU32::new(self.limit(number, entry).0);
        let state = AtomicI64::new(state(entry));
        let policy = AtomicU32::new(self.policies.intern(policy).0);
        let place = self.slots.push(Slot { digest, id, expires_ms, state, policy, used, number });
        // Last: from here on readers find the slot.
        self.table.insert(digest.leading(), place);
    }

    /// Whether a slot is of this credential, whatever its state: the same digest can come back as
    /// another key.
    fn is_of(&self, slot: &Slot, entry: &IndexedCredential) -> bool {
        let kind = self.kind(slot);
        let row = self.numbers.stands_for(kind.table(), slot.number);
        (slot.id, kind, row) == (entry.id, entry.policy.kind, entry.number)
    }

    /// Has the limiter keep account of a key with limits, before anybody can use the key.
    fn limit(&self, number: u32, entry: &IndexedCredential) -> UseNumber {
        match entry.policy.kind.table() {
            Table::Keys => self.limiter.watch(number, entry.policy.limits),
            Table::Tokens => UseNumber::default(),
        }
    }

    fn update(&self, slot: &Slot, entry: &IndexedCredential) -> i64 {
        let used = self.limit(slot.number, entry);
        slot.update(entry, self.policies.intern(entry.policy), used)
    }

    fn kind(&self, slot: &Slot) -> CredentialKind {
        slot.policy(&self.policies).kind
    }

    fn bring_back(&self, slot: &Slot, entry: &IndexedCredential) {
        self.numbers.set_gone(entry.policy.kind.table(), slot.number, false);
        let before = self.update(slot, entry);
        if before & GONE != 0 {
            self.gone.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn let_go(&self, slot: &Slot) {
        slot.state.fetch_or(GONE, Ordering::AcqRel);
        self.gone.fetch_add(1, Ordering::Relaxed);
        self.numbers.set_gone(self.kind(slot).table(), slot.number, true);
    }

    /// Begins to record what is applied while the database is read for [`Self::replace`].
    pub fn begin_to_replace(&self) {
        self.write().meanwhile = Some(Vec::new());
    }

    /// Ends that, since the database could not be read.
    pub fn give_up_replacing(&self) {
        self.write().meanwhile = None;
    }

    /// Makes the index what the database holds now, which is another one or has lost changes: what
    /// it does not have is gone, and earlier revisions are taken over. What was applied since
    /// [`Self::begin_to_replace`] counts as well, if it is later.
    pub fn replace(&self, present: Vec<(Digest, IndexedCredential)>, now: Moment) -> Replaced {
        let mut writing = self.write();
        let mut present: HashMap<Digest, IndexedCredential> = present.into_iter().collect();
        for (digest, entry) in writing.meanwhile.take().unwrap_or_default() {
            let known = present.entry(digest).or_insert(entry);
            if known.revision < entry.revision {
                *known = entry;
            }
        }
        let (mut replaced, now) = (Replaced::default(), Timestamp::of(now));
        for (_, slot) in self.slots.iter() {
            let before = slot.entry(&self.policies);
            match present.get(&slot.digest) {
                Some(after) if self.is_of(slot, after) => {
                    self.bring_back(slot, after);
                    let lives = after.status(now) == Status::Active;
                    replaced.revived.extend(
                        before.filter(|entry| entry.status(now) != Status::Active && lives),
                    );
                    present.remove(&slot.digest);
                }
                _ => {
                    let Some(before) = before else { continue };
                    self.let_go(slot);
                    let table = before.policy.kind.table();
                    let number = self.numbers.stands_for(table, slot.number);
                    replaced.gone.push(IndexedCredential { number, ..before });
                }
            }
        }
        // Only now that what is gone has given up its digest and row number.
        present.into_iter().for_each(|(digest, entry)| self.insert(digest, &entry));
        self.identities.clear();
        replaced
    }

    fn reserve_slots(&self, slots: usize) {
        let numbered = self.slots.iter().map(|(number, slot)| (slot.digest.leading(), number));
        self.table.reserve_slots(slots, numbered);
    }

    /// Whether a credential that does not look like one of ours may be valid.
    pub fn holds_imported(&self) -> bool {
        self.holds_imported.load(Ordering::Relaxed)
    }

    /// How many credentials are known, retired ones included.
    pub fn len(&self) -> usize {
        self.slots.count().saturating_sub(self.gone.load(Ordering::Relaxed))
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::key_index::*;
    use crate::gate::limiter::Account;
    use crate::model::catalog::sample;
    use crate::model::id::{KeyId, PublicId};
    use crate::model::key::{KeyChange, KeyNumber};
    use crate::model::limits::KeyLimits;
    use crate::model::time::parse_rfc3339;

    fn catalog() -> Arc<Catalog> {
        Arc::new(sample::catalog())
    }

    fn change(revision: i64, revoked: bool) -> KeyChange {
        KeyChange {
            digest: Digest::of(b"secret"),
            number: KeyNumber(7),
            id: KeyId::from_number(u128::MAX - 5),
            scopes: catalog().scopes(),
            limits: KeyLimits::default(),
            expires_at: parse_rfc3339("2026-11-21T12:00:00Z"),
            revoked,
            imported: false,
            revision,
        }
    }

    #[test]
    fn a_record_is_small_and_keeps_what_it_was_given() {
        assert_eq!(size_of::<Slot>(), 80);
        let index = KeyIndex::new(catalog());
        index.apply(Digest::of(b"secret"), index.entry(&change(1, false)));
        let expected = Holder::ApiKey {
            id: KeyId::from_number(u128::MAX - 5),
            number: KeyNumber(7),
            permissions: catalog().compile(&catalog().scopes()),
            account: Account::default(),
        };
        assert_eq!(index.find(&Digest::of(b"secret")).map(|entry| entry.holder()), Some(expected));
    }

    #[test]
    fn an_older_state_never_replaces_a_newer_one() {
        let index = KeyIndex::new(catalog());
        let digest = Digest::of(b"secret");
        let now = parse_rfc3339("2026-11-21T11:59:59.999Z").unwrap();
        let status = || index.find(&digest).map(|entry| entry.status(Timestamp::of(now)));
        assert_eq!(status(), None);
        index.apply(digest, index.entry(&change(2, false)));
        assert_eq!(status(), Some(Status::Active));
        index.apply(digest, index.entry(&change(3, true)));
        index.apply(digest, index.entry(&change(2, false)));
        assert_eq!(status(), Some(Status::Revoked));
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn a_replacement_counts_whatever_was_known_before() {
        let now = parse_rfc3339("2026-11-21T11:00:00Z").unwrap();
        let index = KeyIndex::new(catalog());
        let [kept, lost, new] = [b"kept", b"lost", b"new!"].map(|text| Digest::of(text));
        let key = |id, number, revision, revoked| KeyChange {
            id: KeyId::from_number(id),
            number: KeyNumber(number),
            ..change(revision, revoked)
        };
        index.apply(kept, index.entry(&key(1, 1, 9, true)));
        index.apply(lost, index.entry(&key(2, 2, 10, false)));

        index.begin_to_replace();
        index.apply(new, index.entry(&key(4, 3, 8, true)));
        let present = [(kept, key(1, 1, 3, false)), (new, key(4, 3, 7, false))];
        let present: Vec<_> = present.iter().map(|(d, key)| (*d, index.entry(key))).collect();
        let replaced = index.replace(present.clone(), now);
        assert_eq!((replaced.gone.len(), replaced.revived.len()), (1, 1));
        assert_eq!(index.find(&kept).unwrap().status(Timestamp::of(now)), Status::Active);
        assert!(index.find(&lost).is_none());
        assert_eq!(
            index.find(&new).unwrap().status(Timestamp::of(now)),
            Status::Revoked,
            "the later one"
        );
        assert_eq!(index.len(), 2);

        // Its number is given to another key: both are told apart in memory.
        let other = Digest::of(b"other");
        index.apply(other, index.entry(&key(5, 2, 9, false)));
        let number = index.find(&other).unwrap().number;
        assert_ne!(number, 2);
        assert_eq!(index.numbers.row(Table::Keys, number), Some(2));
        assert_eq!(index.numbers.row(Table::Keys, 2), None);

        // The first database is back, and takes no further memory.
        let slots = index.slots.count();
        let first = [(kept, key(1, 1, 9, true)), (lost, key(2, 2, 10, false))];
        index.replace(first.iter().map(|(d, key)| (*d, index.entry(key))).collect(), now);
        assert_eq!(index.find(&lost).unwrap().number, 2);
        assert!(index.find(&other).is_none() && index.find(&new).is_none());
        assert_eq!((index.len(), index.slots.count()), (2, slots));
    }

    #[test]
    fn what_is_known_is_found_at_every_moment_while_the_index_grows() {
        let index = KeyIndex::new(catalog());
        let digest = |n: u32| Digest::of(&n.to_le_bytes());
        let known = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..50_000 {
                    index.apply(
                        digest(n),
                        index.entry(&KeyChange { number: KeyNumber(n), ..change(1, false) }),
                    );
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

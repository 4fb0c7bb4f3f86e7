//! Who a key is to the servers behind a proxy: its name, its owner and its scopes. The index has no
//! room for names, so the identities of keys that are in use are kept here.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use smallvec::SmallVec;

use super::indexed_credential::Holder;
use crate::model::catalog::Catalog;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyLabel};
use crate::model::scope::ScopeSet;
use crate::model::time::Moment;

/// All but the unreserved characters (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Divides the identities, so that workers seldom meet at a lock.
const SHARDS: usize = 16;
/// Identities kept in one shard. A full one is emptied: those in use are back with their next request.
const MOST_IN_SHARD: usize = 4096;

/// Who a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIdentity {
    /// Its public id.
    pub id: KeyId,
    /// Its name, and whose it is, as their makers wrote them.
    pub label: KeyLabel,
    /// When it ends.
    pub expires_at: Option<Moment>,
    /// What it may do, of what can be done.
    pub scopes: ScopeSet,
    /// The identity as it is told in headers.
    pub headers: IdentityHeaders,
}

/// Who a key is, in characters that any header may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The field lines of an answer.
    lines: SmallVec<[u8; USUAL]>,
    /// Where in them each value stands.
    values: [Range<u32>; 4],
}

/// Up to so many bytes, the lines lie in the table itself: one cache miss less.
const USUAL: usize = 240;

impl IdentityHeaders {
    /// The names of the headers, in lower case.
    pub const NAMES: [&'static str; 4] =
        ["x-bitting-key-id", "x-bitting-key-name", "x-bitting-owner", "x-bitting-scopes"];

    fn new(values: [&str; 4]) -> Self {
        let mut lines = SmallVec::new();
        let values = std::array::from_fn(|place| {
            lines.extend_from_slice(Self::NAMES[place].as_bytes());
            lines.extend_from_slice(b": ");
            let start = lines.len() as u32;
            lines.extend_from_slice(values[place].as_bytes());
            let end = lines.len() as u32;
            lines.extend_from_slice(b"\r\n");
            start..end
        });
        Self { lines, values }
    }

    /// All four as the field lines of a message (RFC 9112 §5).
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The public id; the name, percent-encoded; the owner, percent-encoded, empty if there is none;
    /// the scopes, with one space between two. In the order of [`Self::NAMES`].
    pub fn values(&self) -> [&[u8]; 4] {
        self.values.each_ref().map(|at| &self.lines[at.start as usize..at.end as usize])
    }
}

/// Nobody, who has no value in any of them.
impl Default for IdentityHeaders {
    fn default() -> Self {
        Self::new([""; 4])
    }
}

impl KeyIdentity {
    /// The identity of a key, whose scopes mean what the catalog says.
    pub fn new(key: &ApiKey, catalog: &Catalog) -> Self {
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let scopes = catalog.scopes_of(catalog.compile(&key.scopes));
        let owner = key.label.owner.as_deref().map(encoded).unwrap_or_default();
        let texts = [key.id.to_string(), encoded(&key.label.name), owner, scopes.to_string()];
        let headers = IdentityHeaders::new(texts.each_ref().map(String::as_str));
        let (id, label, expires_at) = (key.id, key.label.clone(), key.expires_at);
        Self { id, label, expires_at, scopes, headers }
    }
}

/// The identities that are known. An identity is forgotten when its key changes.
#[derive(Default)]
pub struct Identities {
    shards: [RwLock<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    identities: foldhash::HashMap<KeyId, Known>,
    /// How often something was forgotten.
    changes: u64,
}

/// What most requests need of an identity, found without a look at the rest, and all of it.
struct Known {
    headers: IdentityHeaders,
    identity: Arc<KeyIdentity>,
}

/// What a shard was like before an identity began to be read from the database.
#[derive(Debug, Clone, Copy)]
pub struct Before(u64);

impl Identities {
    fn shard(&self, id: KeyId) -> &RwLock<Shard> {
        // The last bits of a UUIDv7 are random.
        &self.shards[(id.number() as usize) % SHARDS]
    }

    /// The identity of a key, if it is known.
    pub fn find(&self, id: KeyId) -> Option<Arc<KeyIdentity>> {
        let shard = self.shard(id).read();
        shard.identities.get(&id).map(|known| known.identity.clone())
    }

    /// Hands on the headers of a key's identity, if it is known. Copying a counted reference would cost
    /// more than what is done with it.
    pub fn with_headers<T>(
        &self,
        id: KeyId,
        tell: impl FnOnce(&IdentityHeaders) -> T,
    ) -> Option<T> {
        let shard = self.shard(id).read();
        shard.identities.get(&id).map(|known| tell(&known.headers))
    }

    /// To be called before the identity is read from the database.
    pub fn begin(&self, id: KeyId) -> Before {
        Before(self.shard(id).read().changes)
    }

    /// Takes in what was read, unless a key has changed meanwhile: it may have been this one.
    pub fn insert(&self, id: KeyId, identity: Arc<KeyIdentity>, before: Before) {
        let mut shard = self.shard(id).write();
        if shard.changes != before.0 {
            return;
        }
        if shard.identities.len() >= MOST_IN_SHARD {
            shard.identities.clear();
        }
        shard.identities.insert(id, Known { headers: identity.headers.clone(), identity });
    }

    /// Forgets the identity of a key that changes.
    pub fn forget(&self, holder: Holder) {
        let Holder::ApiKey { id, .. } = holder else { return };
        let mut shard = self.shard(id).write();
        shard.changes += 1;
        shard.identities.remove(&id);
    }

    /// Forgets all identities.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.write();
            shard.changes += 1;
            shard.identities.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::limiter::Account;
    use crate::model::catalog::Permissions;
    use crate::model::id::PublicId;
    use crate::model::key::KeyNumber;

    fn identity(name: &str) -> Arc<KeyIdentity> {
        Arc::new(KeyIdentity {
            id: KeyId::from_number(5),
            label: KeyLabel { name: name.to_owned(), description: None, owner: None },
            expires_at: None,
            scopes: ScopeSet::EMPTY,
            headers: IdentityHeaders::new(["key_5", name, "", "calls:read"]),
        })
    }

    #[test]
    fn a_label_that_was_read_before_its_key_changed_is_not_kept() {
        let (identities, id) = (Identities::default(), KeyId::from_number(5));
        let before = identities.begin(id);
        identities.insert(id, identity("one"), before);
        assert_eq!(identities.find(id), Some(identity("one")));
        let before = identities.begin(id);
        let (number, permissions) = (KeyNumber(1), Permissions::default());
        let account = Account::default();
        identities.forget(Holder::ApiKey { id, number, permissions, account });
        assert_eq!(identities.find(id), None);
        identities.insert(id, identity("one"), before);
        assert_eq!(identities.find(id), None);
        identities.insert(id, identity("two"), identities.begin(id));
        assert_eq!(identities.find(id), Some(identity("two")));
        identities.clear();
        assert_eq!(identities.find(id), None);
    }

    #[test]
    fn values_of_any_length_come_out_as_they_went_in() {
        for length in [0, 1, USUAL - 110, USUAL - 100, USUAL, 5000] {
            let (name, scopes) = ("n".repeat(length), "s".repeat(length / 2));
            let texts = ["key_5", &name, "", &scopes];
            let headers = IdentityHeaders::new(texts);
            assert_eq!(headers.values(), texts.map(str::as_bytes));
            let named = IdentityHeaders::NAMES.iter().zip(texts);
            let lines: String = named.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            assert_eq!(headers.lines(), lines.as_bytes());
        }
        assert_eq!(IdentityHeaders::default().values(), [b""; 4]);
    }

    #[test]
    fn there_are_not_more_than_there_is_room_for() {
        let identities = Identities::default();
        for number in 0..(SHARDS * MOST_IN_SHARD * 2) as u128 {
            let id = KeyId::from_number(number);
            identities.insert(id, identity(""), identities.begin(id));
            assert!(identities.find(id).is_some());
        }
        let kept: usize = identities.shards.iter().map(|shard| shard.read().identities.len()).sum();
        assert!(kept <= SHARDS * MOST_IN_SHARD, "{kept}");
    }
}

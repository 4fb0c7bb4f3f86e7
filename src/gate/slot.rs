//! One credential of the key index at its place in memory.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use super::indexed_credential::IndexedCredential;
use super::limiter::UseNumber;
use super::policies::{Policies, Policy, PolicyNumber};
use crate::model::secret::Digest;

/// The bits below the revision in a slot's state: revoked, and no longer known to the database.
const REVOKED: i64 = 1;
pub(super) const GONE: i64 = 2;
const REVISION_SHIFT: u32 = 2;

/// The state of a slot that holds this credential.
pub(super) fn state(entry: &IndexedCredential) -> i64 {
    entry.revision << REVISION_SHIFT | if entry.revoked { REVOKED } else { 0 }
}

/// A credential in memory, 80 bytes. It never moves, and only its expiry, state, policy and the number
/// of what is used up ever change.
pub(super) struct Slot {
    pub(super) digest: Digest,
    pub(super) id: [u64; 2],
    pub(super) expires_ms: AtomicI64,
    /// The revision, and below it [`GONE`] and [`REVOKED`]: all change at once.
    pub(super) state: AtomicI64,
    /// The credential's [`PolicyNumber`].
    pub(super) policy: AtomicU32,
    /// The [`UseNumber`] of a key with limits.
    pub(super) used: AtomicU32,
    /// The row number or stand-in that requests are counted under, as in [`Holder`].
    pub(super) number: u32,
}

impl Slot {
    /// The credential in this slot; none if the database no longer knows it.
    pub(super) fn entry(&self, policies: &Policies) -> Option<IndexedCredential> {
        let &Self { id, number, .. } = self;
        // Before expiry and policy, which `update` stores first.
        let state = self.state.load(Ordering::Acquire);
        let (revision, revoked) = (state >> REVISION_SHIFT, state & REVOKED != 0);
        let policy = self.policy(policies);
        (state & GONE == 0).then_some(IndexedCredential {
            id,
            expires_ms: self.expires_ms.load(Ordering::Relaxed),
            revision,
            number,
            policy,
            // After the policy, before which it is stored: whoever sees limits sees where they are kept.
            used: UseNumber(self.used.load(Ordering::Relaxed)),
            revoked,
        })
    }

    pub(super) fn policy(&self, policies: &Policies) -> Policy {
        // Whoever sees the number is to see the policy that was added under it.
        policies.get(PolicyNumber(self.policy.load(Ordering::Acquire)))
    }

    /// Replaces all that can change; returns the previous state. The state goes last, so that whoever
    /// sees the new revision sees its expiry and policy. Seen earlier they do no harm: they are
    /// committed.
    pub(super) fn update(
        &self,
        entry: &IndexedCredential,
        policy: PolicyNumber,
        used: UseNumber,
    ) -> i64 {
        self.expires_ms.store(entry.expires_ms, Ordering::Relaxed);
        self.used.store(used.0, Ordering::Relaxed);
        self.policy.store(policy.0, Ordering::Release);
        self.state.swap(state(entry), Ordering::AcqRel)
    }
}

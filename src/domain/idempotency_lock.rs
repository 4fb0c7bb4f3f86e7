//! Which requests with an `Idempotency-Key` are being carried out, so that none is begun twice.

use std::collections::HashSet;

use parking_lot::Mutex;

use super::error::{Error, Result};
use crate::model::idempotency::{Attempt, Identity};

/// The requests that this process is carrying out under an `Idempotency-Key`.
pub(super) type Running = Mutex<HashSet<Identity>>;

/// Held while a request is carried out, so that this process begins no other with the same
/// identity.
pub struct IdempotencyLock<'a> {
    running: &'a Running,
    pub(super) attempt: Attempt,
}

impl<'a> IdempotencyLock<'a> {
    pub(super) fn take(running: &'a Running, attempt: Attempt) -> Result<Self> {
        let mut identities = running.lock();
        if identities.insert(attempt.identity) {
            Ok(Self { running, attempt })
        } else {
            Err(Error::InProgress)
        }
    }
}

impl Drop for IdempotencyLock<'_> {
    fn drop(&mut self) {
        let mut identities = self.running.lock();
        identities.remove(&self.attempt.identity);
    }
}

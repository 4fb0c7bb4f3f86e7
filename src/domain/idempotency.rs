//! Requests that are carried out once, however often they are sent.
//!
//! A request with an `Idempotency-Key` first takes its turn ([`Bitting::once`]); the use case then
//! writes what is to be answered in the transaction of the change itself. So there is never a
//! change without its answer nor an answer without its change, and a turn that ends in any other
//! way leaves nothing behind.

use chrono::Duration;

use super::Bitting;
use super::error::{Error, Result};
use super::idempotency_lock::IdempotencyLock;
use crate::model::credential::Credential;
use crate::model::idempotency::{Answer, Attempt};
use crate::store;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::{AnyConnection, idempotency};

/// How long an answer is kept.
const KEPT: Duration = Duration::hours(24);

/// What a use case calls in its transaction to keep the answer to its result.
pub struct SaveResponse<'a, T> {
    attempt: &'a Attempt,
    answer: &'a dyn Fn(&T) -> serde_json::Result<Answer>,
}

/// Lets a use case keep the answer that `answer` makes of its result; nothing without an attempt.
pub fn keep<'a, T>(
    turn: Option<&'a IdempotencyLock<'_>>,
    answer: &'a dyn Fn(&T) -> serde_json::Result<Answer>,
) -> Option<SaveResponse<'a, T>> {
    turn.map(|turn| SaveResponse { attempt: &turn.attempt, answer })
}

/// The outcome of a request that may have been sent before.
pub enum Idempotent<T> {
    /// The request was carried out now, with this result.
    Fresh(T),
    /// The request had been carried out before, with this answer.
    Replayed(Answer),
}

impl Bitting {
    /// Carries a request out, unless that was done in the last 24 hours. A request that is no
    /// attempt is carried out in any case. Nothing that was kept is told to a credential that has
    /// ended.
    ///
    /// # Errors
    /// [`Error::InProgress`], [`Error::Mismatch`], [`Error::Ended`], and those of the use case.
    pub fn once<T>(
        &self,
        attempt: Option<Attempt>,
        credential: Credential,
        use_case: impl FnOnce(Option<&IdempotencyLock<'_>>) -> Result<T>,
    ) -> Result<Idempotent<T>> {
        let Some(attempt) = attempt else { return use_case(None).map(Idempotent::Fresh) };
        let turn = IdempotencyLock::take(&self.running, attempt)?;
        let now = self.time.believed();
        let kept = self.database.read(|connection| {
            let kept = idempotency::find(connection, &attempt.identity, now)?;
            if kept.is_some() {
                self.require_live(connection, credential)?;
            }
            Result::Ok(kept)
        });
        match kept? {
            None => use_case(Some(&turn)).map(Idempotent::Fresh),
            Some(kept) if kept.request_body == attempt.body => {
                Ok(Idempotent::Replayed(kept.answer))
            }
            Some(_) => Err(Error::Mismatch),
        }
    }

    /// Changes the database, and keeps the answer in the same transaction.
    pub(crate) fn write_once<T>(
        &self,
        keep: Option<SaveResponse<'_, T>>,
        change: impl FnOnce(&mut AnyConnection) -> Result<T>,
    ) -> Result<T> {
        self.database.write(|connection| {
            let Some(SaveResponse { attempt, answer }) = keep else { return change(connection) };
            let (identity, now) = (&attempt.identity, self.time.believed());
            // Another process has it, or had it since this one looked.
            if !idempotency::try_lock(connection, identity)?
                || idempotency::find(connection, identity, now)?.is_some()
            {
                return Err(Error::InProgress);
            }
            let result = change(connection)?;
            let answer =
                answer(&result).map_err(|why| store::Error::Unreadable(why.to_string()))?;
            idempotency::insert(connection, attempt, now + KEPT, &answer)?;
            Ok(result)
        })
    }

    /// Drops some answers that were kept long enough. Returns whether there may be more.
    ///
    /// # Errors
    /// When the database fails; it is done another time.
    pub fn drop_answers(&self) -> store::Result<bool> {
        // While the clock is suspiciously far ahead, the time that is remembered.
        let now = self.time.believed();
        self.background.write(|connection| {
            AdvisoryLock::Answers.acquire(connection)?;
            idempotency::drop_expired(connection, now)
        })
    }
}

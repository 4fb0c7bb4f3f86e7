//! What is said of each error of a use case.

use serde_json::json;

use super::{Code, Problem, UNAVAILABLE};
use crate::domain;
use crate::gate::decision::Refusal;
use crate::model::credential::Ended;
use crate::model::id::KeyId;
use crate::model::key::Status;
use crate::model::key_choice::counted_keys;
use crate::model::scope::ScopeSet;

const TOOK_TOO_LONG: &str = "The database took too long to answer; nothing was changed. Ask for \
                             less, with narrower filters, or try again.";
const COLLISION: &str = "Others changed the same at the same time, and nothing was changed here. Try \
                         again shortly.";
const TOO_OLD: &str = "This server is older than its database allows, and nothing was changed. Its \
                       operator has to update it.";
const NUMBER_TAKEN: &str = "The database gives out numbers that are taken, and nothing was changed. Its \
                            operator has to run `bitting check --repair`.";
const OUTCOME_UNKNOWN: &str = "The database has not confirmed the change in time: it may have been \
                               made, or not. Look before you repeat it; with an Idempotency-Key, \
                               repeating is safe.";
const BUSY: &str = "Too many people are signing in at the moment. Try again shortly.";
const WRONG_PASSWORD: &str = "The e-mail address or the password is wrong. Try again.";

impl Problem {
    fn already_rotated(new: KeyId) -> Self {
        let detail = format!(
            "This key was rotated already: {new} takes its place. Rotate that one, or make a new key if \
             it has ended."
        );
        Self::new(Code::AlreadyRotated, detail).with_member("replaced_by", json!(new))
    }

    fn retired(status: Status) -> Self {
        let ended = if status == Status::Revoked { "been revoked" } else { "expired" };
        let detail = format!("This key has {ended} and can no longer be edited. Make a new one.");
        Self::new(Code::KeyRetired, detail)
    }

    fn not_granted(required: &ScopeSet, granted: &ScopeSet) -> Self {
        let lacking = required.iter().filter(|scope| !granted.contains(scope));
        let lacking: Vec<String> = lacking.map(ToString::to_string).collect();
        let granted = granted.iter().map(|scope| scope.to_string()).collect();
        let sentence = format!("You may not grant {}, out of", lacking.join(", "));
        Self::insufficient_scope(required.to_string(), granted, &sentence)
    }

    fn not_confirmed(confirmed: usize, found: usize) -> Self {
        let detail = format!(
            "The filter finds {}, not {confirmed}. Nothing was changed.",
            counted_keys(found)
        );
        Self::new(Code::NotConfirmed, detail).with_member("found", json!(found))
    }

    /// What ended the revoking of many keys, without the promise that nothing was changed.
    fn after_some_were_revoked(mut self, revoked: &[KeyId], all: usize) -> Self {
        self.0.detail = format!(
            "{} of {all} keys were revoked before something went wrong, and perhaps some more. Ask \
             again for the rest: what is revoked stays as it is.",
            revoked.len()
        );
        self.with_member("revoked", json!(revoked))
    }

    /// What ended something on the way, without the promise that nothing was changed.
    fn after_some_was_done(mut self, done: &str) -> Self {
        self.0.detail =
            format!("Something went wrong on the way. By now {done}; ask again for the rest.");
        self
    }
}

impl From<Ended> for Problem {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Revoked => Self::of_refusal(Refusal::KeyRevoked, ""),
            Ended::Expired => Self::of_refusal(Refusal::KeyExpired, ""),
            Ended::Unknown => Self::of_refusal(Refusal::InvalidKey, ""),
            Ended::SignedOut => Self::signed_out(),
        }
    }
}

impl From<domain::Error> for Problem {
    fn from(error: domain::Error) -> Self {
        match error {
            domain::Error::NotFound | domain::Error::Foreign => Self::new(
                Code::NotFound,
                "Nothing has this id. Check the id, or list what there is.",
            ),
            domain::Error::Retired(status) => Self::retired(status),
            domain::Error::AlreadyRotated(new) => Self::already_rotated(new),
            domain::Error::NotConfirmed { confirmed, found } => {
                Self::not_confirmed(confirmed, found)
            }
            domain::Error::InProgress => Self::new(
                Code::IdempotencyInProgress,
                "The first request with this Idempotency-Key is still running. Try again shortly.",
            ),
            domain::Error::Mismatch => Self::new(
                Code::IdempotencyMismatch,
                "This Idempotency-Key was already used with a different request. Use a new one.",
            ),
            domain::Error::PreconditionFailed => Self::new(
                Code::PreconditionFailed,
                "The record is not the version that If-Match or If-None-Match names. Read it again.",
            ),
            domain::Error::Invalid(errors) => errors.into(),
            domain::Error::NotGranted { required, granted } => {
                Self::not_granted(&required, &granted)
            }
            domain::Error::PartlyRevoked { revoked, all, why } => {
                Self::from(*why).after_some_were_revoked(&revoked, all)
            }
            domain::Error::BrokenOff { done, why } => Self::from(*why).after_some_was_done(done),
            domain::Error::Forbidden => {
                Self::new(Code::Forbidden, "Your role does not allow this. Ask an administrator.")
            }
            domain::Error::Ended(ended) => ended.into(),
            domain::Error::LastAdministrator => Self::new(
                Code::LastAdministrator,
                "This is the last administrator who can sign in. Make another one first.",
            ),
            domain::Error::WrongPassword => Self::new(Code::WrongPassword, WRONG_PASSWORD),
            domain::Error::TooManyAttempts { seconds } => {
                Self::limited(Code::TooManyAttempts, "Too many attempts.", seconds)
            }
            domain::Error::Busy => Self::new(Code::Unavailable, BUSY),
            domain::Error::Store(why) => {
                let (code, detail) = match () {
                    () if why.is_outcome_unknown() => (Code::OutcomeUnknown, OUTCOME_UNKNOWN),
                    () if why.is_timeout() => (Code::Unavailable, TOOK_TOO_LONG),
                    () if why.is_collision() => (Code::Unavailable, COLLISION),
                    () if why.is_too_old() => (Code::Unavailable, TOO_OLD),
                    () if why.is_number_taken() => (Code::Unavailable, NUMBER_TAKEN),
                    () => (Code::Unavailable, UNAVAILABLE),
                };
                Self::new(code, detail).caused_by(why)
            }
            domain::Error::Refused(why) => Self::new(Code::Conflict, why),
            domain::Error::Locked(why) => Self::new(Code::ConnectionLocked, why.to_string()),
            domain::Error::Randomness(why) => Self::unavailable(why),
        }
    }
}

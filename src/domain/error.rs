//! Why a use case was not carried out. How that is said over HTTP is decided in `http`.

use super::connections::seal::Locked;
use crate::model::FieldErrors;
use crate::model::credential::Ended;
use crate::model::id::KeyId;
use crate::model::key::Status;
use crate::model::key_choice::counted_keys;
use crate::model::scope::ScopeSet;
use crate::store;

/// The result of a use case. Each fails with [`Error::Store`] when the database does; its other errors
/// are listed with it.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a use case was not carried out; nothing was changed, save where it is said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or none that the caller may know of.
    #[error("not found")]
    NotFound,
    /// The key has been retired, and retired keys are never edited.
    #[error("the key is {}", crate::model::words::Word::as_str(*.0))]
    Retired(Status),
    /// The key was rotated already, into this one.
    #[error("the key was rotated already; {0} takes its place")]
    AlreadyRotated(KeyId),
    /// The filter finds another number of keys than was confirmed.
    #[error("the filter finds {}, not {confirmed}; look at them, and confirm {found}", counted_keys(*.found))]
    NotConfirmed {
        /// How many there were to be.
        confirmed: usize,
        /// How many there are.
        found: usize,
    },
    /// Of many keys some were revoked, and then something went wrong.
    #[error("{} of {all} keys were revoked, and then: {why}. Run it again for the rest", .revoked.len())]
    PartlyRevoked {
        /// Those that are revoked; there may be some more where the database has not confirmed it.
        revoked: Vec<KeyId>,
        /// How many there were to be.
        all: usize,
        /// What went wrong.
        why: Box<Error>,
    },
    /// It takes several transactions, and something went wrong after some of them; doing it again does
    /// the rest.
    #[error("something went wrong on the way: {why}. By now {done}; run it again for the rest")]
    BrokenOff {
        /// What is done, in words.
        done: &'static str,
        /// What went wrong.
        why: Box<Error>,
    },
    /// The record's version is not one that the request demands.
    #[error("the record has changed in the meantime; read it again")]
    PreconditionFailed,
    /// The same request is still being carried out.
    #[error("the first request with this key is still running")]
    InProgress,
    /// Another request was made with the same idempotency key.
    #[error("the idempotency key was used for another request; use a new one")]
    Mismatch,
    /// The input breaks rules; all of them are named.
    #[error("{0}")]
    Invalid(#[from] FieldErrors),
    /// The caller may not give these scopes away.
    #[error("may grant only: {granted}")]
    NotGranted {
        /// What was to be granted.
        required: ScopeSet,
        /// What the caller may grant.
        granted: ScopeSet,
    },
    /// The caller may not do this at all.
    #[error("not allowed")]
    Forbidden,
    /// The credential that asks has ended since it was accepted.
    #[error("the credential that asks has ended")]
    Ended(Ended),
    /// It belongs to somebody else, and the caller may not know of it. Outside `domain` this
    /// becomes [`Self::NotFound`].
    #[error("not found")]
    Foreign,
    /// The change would leave no administrator who can sign in.
    #[error("this is the last administrator who can sign in; make another one first")]
    LastAdministrator,
    /// The address or the password is wrong, or the user is disabled; which of it is not told.
    #[error("wrong e-mail address or password")]
    WrongPassword,
    /// Too many logins failed before this one.
    #[error("too many failed attempts; try again in {seconds} s")]
    TooManyAttempts {
        /// The seconds until it is worth trying again.
        seconds: i64,
    },
    /// Too many passwords are being checked at the moment.
    #[error("too many people are signing in at the moment; try again")]
    Busy,
    /// The database failed: a connection, a statement, or what it returned.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It cannot be done as things stand; this says why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The credential of a connection cannot be opened.
    #[error("{0}")]
    Locked(Locked),
    /// The operating system has no randomness to give.
    #[error("no randomness: {0}")]
    Randomness(String),
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

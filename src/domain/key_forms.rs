//! Keys made by a form: however often a form is sent, it makes one key.

use super::keyring::IssuedKey;
use super::principal::Principal;
use super::{Bitting, Error, Result};
use crate::model::id::KeyId;
use crate::model::key::NewKey;
use crate::model::random_secret::RandomSecret;
use crate::store::{AnyConnection, key_forms};

/// What became of a form that was sent.
pub enum FormOutcome {
    /// It has made its key now.
    Made(Box<IssuedKey>),
    /// It had made this key before.
    Known(KeyId),
}

impl Bitting {
    /// Makes a key by the form with this nonce, unless the form has made one already.
    ///
    /// # Errors
    /// As [`Bitting::issue_key`].
    pub fn issue_key_by_form(
        &self,
        new: NewKey,
        principal: &Principal,
        nonce: &RandomSecret,
    ) -> Result<FormOutcome> {
        let nonce = nonce.digest();
        let mut known = None;
        let issued = self.issue_key_with(new, principal, None, |connection, id| {
            known = key_forms::find(connection, &nonce)?;
            match known {
                // Rolls back: the form has made its key.
                Some(_) => Err(Error::NotFound),
                None => Ok(key_forms::insert(connection, &nonce, id)?),
            }
        });
        match (issued, known) {
            (_, Some(id)) => Ok(FormOutcome::Known(id)),
            (issued, None) => Ok(FormOutcome::Made(Box::new(issued?))),
        }
    }

    /// What tells a form from every other.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn form_nonce(&self) -> Result<RandomSecret> {
        self.random_secret()
    }

    /// The key that the form with this nonce has made, if it has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn key_of_form(&self, nonce: &RandomSecret) -> Result<Option<KeyId>> {
        let read = |connection: &mut AnyConnection| {
            Result::Ok(key_forms::find(connection, &nonce.digest())?)
        };
        self.database.read(read)
    }
}

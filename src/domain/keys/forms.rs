//! What a form makes: however often it is sent, it makes one key, admin token or user.

use std::fmt::Display;
use std::str::FromStr;

use super::keyring::IssuedKey;
use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::domain::principal::Principal;
use crate::domain::tokens::IssuedToken;
use crate::model::id::{KeyId, TokenId};
use crate::model::key::NewKey;
use crate::model::random_secret::RandomSecret;
use crate::model::token::NewToken;
use crate::store::AnyConnection;
use crate::store::keys::forms;

/// The outcome of a form that was submitted.
pub enum FormOutcome<Made, Known> {
    /// The form has made it now.
    Made(Box<Made>),
    /// The form had made before what this identifies.
    Known(Known),
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
    ) -> Result<FormOutcome<IssuedKey, KeyId>> {
        by_form(nonce, |first| self.issue_key_with(new, principal, None, first))
    }

    /// Makes an admin token by the form with this nonce, unless the form has made one already.
    ///
    /// # Errors
    /// As [`Bitting::issue_token`].
    pub fn issue_token_by_form(
        &self,
        new: NewToken,
        principal: &Principal,
        nonce: &RandomSecret,
    ) -> Result<FormOutcome<IssuedToken, TokenId>> {
        by_form(nonce, |first| self.issue_token_with(new, principal, first))
    }

    /// A nonce that tells a form from every other.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn form_nonce(&self) -> Result<RandomSecret> {
        self.random_secret()
    }

    /// The nonce that a form was sent with, or a new one where it is none.
    ///
    /// # Errors
    /// As [`Self::form_nonce`].
    pub fn nonce_of_form(&self, sent: &str) -> Result<RandomSecret> {
        RandomSecret::parse(sent).map_or_else(|| self.form_nonce(), Ok)
    }

    /// The key that the form with this nonce made, if it made one.
    pub fn key_of_form(&self, nonce: &RandomSecret) -> Result<Option<KeyId>> {
        let read =
            |connection: &mut AnyConnection| Result::Ok(forms::find(connection, &nonce.digest())?);
        self.database.read(read)
    }
}

/// Runs `issue` with a first step for its transaction, which records what the form makes, or, if
/// the form has made something before, rolls everything back.
pub(in crate::domain) fn by_form<Made, Id: FromStr + Display>(
    nonce: &RandomSecret,
    issue: impl FnOnce(&mut dyn FnMut(&mut AnyConnection, Id) -> Result<()>) -> Result<Made>,
) -> Result<FormOutcome<Made, Id>> {
    let nonce = nonce.digest();
    let mut known = None;
    let made = issue(&mut |connection, id| {
        known = forms::find(connection, &nonce)?;
        match known {
            Some(_) => Err(Error::NotFound),
            None => Ok(forms::insert(connection, &nonce, id)?),
        }
    });
    match (made, known) {
        (_, Some(id)) => Ok(FormOutcome::Known(id)),
        (made, None) => Ok(FormOutcome::Made(Box::new(made?))),
    }
}

//! Checking a credential again in the transaction that changes something: it was accepted when
//! the request's head was there, and may have ended in between.

use super::Bitting;
use super::error::Result;
use crate::model::credential::{Credential, Ended};
use crate::model::key::Status;
use crate::store::users::sessions;
use crate::store::{AnyConnection, keys, tokens};

impl Bitting {
    /// Refuses a credential that has ended, as the database has it now.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`](super::error::Error::Ended).
    pub(crate) fn require_live(
        &self,
        connection: &mut AnyConnection,
        credential: Credential,
    ) -> Result<()> {
        let now = self.time.now();
        let status = match credential {
            Credential::Key(id) => keys::status(connection, id, now)?,
            Credential::Token(id) => tokens::find(connection, id)?.map(|token| token.status(now)),
            Credential::Session(id) => {
                let session = sessions::find_by_id(connection, id)?;
                let live = session.is_some_and(|session| session.is_live(self.time.believed()));
                return if live { Ok(()) } else { Err(Ended::SignedOut.into()) };
            }
        };
        match status {
            Some(Status::Active) => Ok(()),
            Some(Status::Revoked) => Err(Ended::Revoked.into()),
            Some(Status::Expired) => Err(Ended::Expired.into()),
            None => Err(Ended::Unknown.into()),
        }
    }
}

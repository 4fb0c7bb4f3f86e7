//! Reading the audit log. Events are written by the use cases themselves, inside their
//! transactions; what was refused is noted by `principal`.

use std::fmt::Display;

use super::keyring::foreign_cursor;
use super::principal::Principal;
use super::{Bitting, Result};
use crate::model::actor::Origin;
use crate::model::audit::{Action, AuditEvent, AuditFilter};
use crate::model::page::{Page, PageRequest};
use crate::model::words::Word;
use crate::store::audit;

/// Says in the log what was done, once it is committed: where the database is lost, this is left.
pub(super) fn tell(action: Action, id: impl Display, origin: &Origin) {
    tracing::info!(
        action = action.as_str(),
        id = %id,
        actor = origin.actor.kind.as_str(),
        actor_id = origin.actor.id,
        request_id = origin.request_id,
        "changed"
    );
}

impl Bitting {
    /// Events from the newest to the oldest; a member sees those of their own keys and doings.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::Error::Invalid) for a cursor of another list, or when the
    /// database fails.
    pub fn list_audit(
        &self,
        principal: &Principal,
        filter: &AuditFilter,
        request: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let before = request.cursor.as_ref().map(|cursor| cursor.0.parse::<i64>());
        let before = before.transpose().map_err(|_| foreign_cursor())?;
        let (limit, user) = (request.limit, principal.sees_only());
        let found = self
            .database
            .read(|connection| audit::list(connection, filter, user, limit, before))?;
        Ok(Page::of(found, limit, |event| event.id.to_string()))
    }
}

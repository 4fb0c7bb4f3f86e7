//! Reading the audit log. Events are written by the use cases themselves, inside their
//! transactions; what was refused is noted by `principal`.

use super::keyring::foreign_cursor;
use super::principal::Principal;
use super::{Bitting, Result};
use crate::model::audit::{AuditEvent, AuditFilter};
use crate::model::page::{Page, PageRequest};
use crate::store::audit;

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

//! What keys change at vendors, so that there is an answer to who did it. The record is made before
//! the vendor's answer is passed on; what cannot be recorded then, or has no answer, waits in memory.

use chrono::Duration;

use super::via_write::ViaWrite;
use crate::domain::Bitting;
use crate::model::audit::Action;
use crate::store;
use crate::store::audit;

/// How long such requests are kept.
const KEPT: Duration = Duration::days(90);

impl Bitting {
    /// Records such a request in the audit log: now, or as soon as the database can be written.
    pub fn note_via_write(&self, written: ViaWrite) {
        if let Err(why) = self.database.write(|database| written.insert(database)) {
            tracing::debug!(%why, "a write at a vendor is recorded later");
            self.note_via_write_late(written);
        }
    }

    /// Records such a request in the audit log a moment later, without waiting for the database.
    pub fn note_via_write_late(&self, written: ViaWrite) {
        let request_id = written.client.request_id.clone();
        if !self.connections.late.push(written) {
            tracing::warn!(request_id, "a write at a vendor is missing from the audit log");
        }
    }

    /// Records some of those that wait. Returns whether there are more.
    ///
    /// # Errors
    /// When the database fails; they wait on. One whose commit has no known outcome may be recorded twice.
    pub fn record_late_via_writes(&self) -> store::Result<bool> {
        let first = self.connections.late.first();
        if first.is_empty() {
            return Ok(false);
        }
        self.background
            .write(|connection| first.iter().try_for_each(|written| written.insert(connection)))?;
        self.connections.late.drop_first(first.len());
        Ok(true)
    }

    /// Drops some old records of such requests. Returns whether there are more. Servers never look for one
    /// of them: it is no change of anything that they know.
    ///
    /// # Errors
    /// When the database fails; it is done another time.
    pub fn drop_via_writes(&self) -> store::Result<bool> {
        let old = self.time.believed() - KEPT;
        self.background.write(|connection| audit::drop_older(connection, Action::ViaWrite, old))
    }
}

//! What keys change at vendors, so that there is an answer to who did it.

use chrono::Duration;
use serde_json::json;

use crate::domain::Bitting;
use crate::domain::error::Result;
use crate::model::actor::{ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::id::KeyId;
use crate::model::scope::Scope;
use crate::store;
use crate::store::audit;

/// How long such requests are kept.
const KEPT: Duration = Duration::days(90);

/// A request that may have changed something at a vendor's.
pub struct ViaWrite {
    /// The key it was made with.
    pub key: KeyId,
    /// The scope that it made use of; none where any opens it.
    pub scope: Option<Scope>,
    /// The row of the connection's table that it belongs to.
    pub row: String,
    /// The status the vendor answered with, if it did.
    pub status: Option<u16>,
    /// Where it came from.
    pub client: ClientInfo,
}

impl Bitting {
    /// Records such a request in the audit log.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_via_write(&self, written: &ViaWrite) -> Result<()> {
        let ViaWrite { key, scope, row, status, client } = written;
        let origin = Origin { client: client.clone(), ..Origin::server() };
        let detail =
            json!({"scope": scope.as_ref().map(Scope::to_string), "row": row, "status": status});
        let (now, key) = (self.time.now(), Some(key.to_string()));
        self.database.write(|database| {
            audit::insert(database, now, Action::ViaWrite, &origin, key, &detail)
        })?;
        Ok(())
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

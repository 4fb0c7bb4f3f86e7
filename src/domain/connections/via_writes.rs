//! What keys change at vendors, so that there is an answer to who did it. The record is made before
//! the vendor's answer is passed on; what cannot be recorded then, or has no answer, waits in memory.

use chrono::Duration;
use parking_lot::Mutex;
use serde_json::json;

use crate::domain::Bitting;
use crate::model::actor::{ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::id::KeyId;
use crate::model::scope::Scope;
use crate::model::time::Moment;
use crate::store;
use crate::store::{AnyConnection, audit};

/// How long such requests are kept.
const KEPT: Duration = Duration::days(90);
/// How many wait in memory at most.
const MOST_LATE: usize = 65_536;
/// How many of them are recorded in one transaction.
const AT_ONCE: usize = 500;

/// A request that may have changed something at a vendor's.
#[derive(Clone)]
pub struct ViaWrite {
    /// When it was forwarded, as far as the clock is believed.
    pub at: Moment,
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

impl ViaWrite {
    fn insert(&self, connection: &mut AnyConnection) -> store::Result<()> {
        let Self { at, key, scope, row, status, client } = self;
        let origin = Origin { client: client.clone(), ..Origin::server() };
        let detail =
            json!({"scope": scope.as_ref().map(Scope::to_string), "row": row, "status": status});
        let key = Some(key.to_string());
        audit::insert(connection, *at, Action::ViaWrite, &origin, key, &detail).map(drop)
    }
}

/// Those that wait to be recorded, the oldest first.
#[derive(Default)]
pub struct LateViaWrites(Mutex<Vec<ViaWrite>>);

impl LateViaWrites {
    fn first(&self) -> Vec<ViaWrite> {
        let late = self.0.lock();
        late.iter().take(AT_ONCE).cloned().collect()
    }

    fn drop_first(&self, number: usize) {
        self.0.lock().drain(..number);
    }
}

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
        let mut late = self.connections.late.0.lock();
        if late.len() < MOST_LATE {
            late.push(written);
        } else {
            let request_id = written.client.request_id;
            tracing::warn!(request_id, "a write at a vendor is missing from the audit log");
        }
    }

    /// Records those that wait.
    ///
    /// # Errors
    /// When the database fails; they wait on. One whose commit has no known outcome may be recorded twice.
    pub fn record_late_via_writes(&self) -> store::Result<()> {
        loop {
            let first = self.connections.late.first();
            if first.is_empty() {
                return Ok(());
            }
            self.background.write(|connection| {
                first.iter().try_for_each(|written| written.insert(connection))
            })?;
            self.connections.late.drop_first(first.len());
        }
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

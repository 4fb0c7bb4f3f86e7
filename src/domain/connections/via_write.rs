//! A write at a vendor, and those that wait in memory to be recorded.

use parking_lot::Mutex;
use serde_json::json;

use crate::model::actor::{ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::id::KeyId;
use crate::model::scope::Scope;
use crate::model::time::Moment;
use crate::store;
use crate::store::{AnyConnection, audit};

/// How many wait at most.
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
    pub(super) fn insert(&self, connection: &mut AnyConnection) -> store::Result<()> {
        let Self { at, key, scope, row, status, client } = self;
        let origin = Origin { client: client.clone(), ..Origin::server() };
        let detail =
            json!({"scope": scope.as_ref().map(Scope::to_string), "row": row, "status": status});
        let key = Some(key.to_string());
        audit::insert(connection, *at, Action::ViaWrite, &origin, key, &detail).map(drop)
    }
}

/// Those that wait, the oldest first.
#[derive(Default)]
pub(super) struct LateViaWrites(Mutex<Vec<ViaWrite>>);

impl LateViaWrites {
    /// Adds one, unless too many wait; says whether it did.
    pub(super) fn push(&self, written: ViaWrite) -> bool {
        let mut late = self.0.lock();
        let has_room = late.len() < MOST_LATE;
        if has_room {
            late.push(written);
        }
        has_room
    }

    pub(super) fn first(&self) -> Vec<ViaWrite> {
        self.0.lock().iter().take(AT_ONCE).cloned().collect()
    }

    pub(super) fn drop_first(&self, number: usize) {
        self.0.lock().drain(..number);
    }
}

//! What all use cases of connections share.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::master_keys::MasterKeys;
use super::registry::Registry;
use super::seal::Locked;
use super::test_counts::TestCounts;
use super::via_write::LateViaWrites;
use crate::config::ConnectionSettings;
use crate::model::connections::{ApiOrigin, ConnectionState, Handle, Kind};
use crate::outbound::Connector;
use crate::store;

/// A connection and its state.
pub type StateOfConnection = (Handle, Kind, ConnectionState);

/// The connections in memory, the master keys, and the way to the vendors.
pub struct Connections {
    /// The connections in memory.
    pub registry: Registry,
    /// The keys that credentials are sealed with.
    pub keys: MasterKeys,
    /// The way to the vendors.
    pub connector: Connector,
    /// What tests have found.
    pub tests: TestCounts,
    /// The writes at vendors that wait to be recorded.
    pub(super) late: LateViaWrites,
    /// The state of each connection when the database was last asked for those whose test is due.
    states: Mutex<Arc<[StateOfConnection]>>,
    pub(super) hosts: Vec<ApiOrigin>,
    pub(super) test_every: Duration,
}

impl Connections {
    /// What the settings say; nothing is read of the database yet.
    ///
    /// # Errors
    /// When a certificate of an authority cannot be used.
    pub fn new(settings: &ConnectionSettings) -> store::Result<Self> {
        let connector = Connector::new(&settings.private, &settings.authorities);
        let refused = |why| store::Error::Refused(format!("--connections-ca: {why}"));
        Ok(Self {
            registry: Registry::default(),
            keys: MasterKeys::new(settings.key.clone()),
            connector: connector.map_err(refused)?,
            tests: TestCounts::default(),
            late: LateViaWrites::default(),
            states: Mutex::default(),
            hosts: settings.hosts.clone(),
            test_every: settings.test_every,
        })
    }

    /// Takes in the state of each connection.
    pub(super) fn set_states(&self, states: Arc<[StateOfConnection]>) {
        *self.states.lock() = states;
    }

    /// The state of each connection, as read every half minute.
    pub fn states(&self) -> Arc<[StateOfConnection]> {
        self.states.lock().clone()
    }

    /// Fails where a connection of this kind may not lead there.
    pub(super) fn require_allowed(&self, kind: Kind, origin: &ApiOrigin) -> Result<(), Locked> {
        require_allowed(kind, origin, &self.hosts)
    }
}

/// Fails where a connection of this kind may not lead there: to its vendor's own host, or to one of these.
pub(super) fn require_allowed(
    kind: Kind,
    origin: &ApiOrigin,
    hosts: &[ApiOrigin],
) -> Result<(), Locked> {
    let allowed = kind.origin() == Some(origin.as_str()) || hosts.contains(origin);
    if allowed { Ok(()) } else { Err(Locked::Elsewhere(origin.clone())) }
}

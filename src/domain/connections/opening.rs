//! Opening the credential of a connection, for one request.

use super::seal;
use super::seal::Locked;
use crate::domain::Bitting;
use crate::model::connections::{Connection, ConnectionState, VendorCredential};

impl Bitting {
    /// Opens the credential of a connection in memory, if it may be sent where that leads. It is meant for one
    /// request, and is gone from memory when it is dropped.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open_credential(&self, connection: &Connection) -> Result<VendorCredential, Locked> {
        self.connections.require_allowed(connection.kind, &connection.origin)?;
        self.unseal(connection, &self.connections.registry.database())
    }

    pub(super) fn unseal(
        &self,
        connection: &Connection,
        database: &str,
    ) -> Result<VendorCredential, Locked> {
        seal::open_of(self.connections.keys.all(), connection, database)
    }

    /// Whether a connection can be used, and what is wrong if it cannot.
    pub fn state_of(&self, connection: &Connection) -> (ConnectionState, Option<String>) {
        let lock = self.lock_of(connection);
        let state = connection.state(lock.is_none());
        let why = match state {
            ConnectionState::Ok | ConnectionState::Untested | ConnectionState::Disabled => None,
            ConnectionState::Locked => lock.map(|why| why.to_string()),
            ConnectionState::Rejected
            | ConnectionState::Unreachable
            | ConnectionState::Unexpected => connection.test.clone().and_then(|test| test.detail),
        };
        (state, why)
    }

    /// Why a connection cannot be used, if its credential does not open or may not be sent where it leads.
    /// Only opening it tells, which takes microseconds.
    pub(super) fn lock_of(&self, connection: &Connection) -> Option<Locked> {
        self.open_credential(connection).err()
    }
}

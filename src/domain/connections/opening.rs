//! Opening the credential of a connection, for one request.

use super::seal;
use super::seal::{Binding, Locked};
use crate::domain::Bitting;
use crate::model::connections::{Connection, ConnectionState, VendorCredential};

impl Bitting {
    /// Opens the credential of a connection in memory, if it may be sent where that leads. It is meant for one request, and is gone from
    /// memory when it is dropped.
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
        let sealed = connection.sealed.as_ref().ok_or(Locked::Altered)?;
        let no_key = |why: &str| Locked::NoKey { needs: sealed.key_id(), why: why.to_owned() };
        let keys = self.connections.keys.all().map_err(no_key)?;
        seal::open(keys, sealed, Binding::of(connection, database))
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

    /// Why a connection cannot be used, if its master key is not there or it may not lead where it does.
    pub(super) fn lock_of(&self, connection: &Connection) -> Option<Locked> {
        let (kind, origin) = (connection.kind, &connection.origin);
        let is_allowed = self.connections.require_allowed(kind, origin).is_ok();
        let is_open = is_allowed && self.connections.has_key_of(connection);
        (!is_open).then(|| self.open_credential(connection).err()).flatten()
    }
}

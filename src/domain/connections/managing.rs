//! Changing, removing and listing connections, and sealing all of them with another master key.

use serde_json::{Value, json};

use super::offered::ReadConnections;
use super::seal::Locked;
use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::principal::{Principal, require};
use crate::model::audit::Action;
use crate::model::connections::{Connection, Handle};
use crate::model::id::KeyId;
use crate::model::merge_patch::Edit;
use crate::model::words::Word;
use crate::store::AnyConnection;
use crate::store::connections;
use crate::store::database::transaction::AdvisoryLock;

/// Fails where something else stands for what could not be read of a connection: it would be written.
pub(super) fn require_readable(connection: &Connection) -> Result<()> {
    match connection.damaged {
        true => Err(Error::Refused(format!("{}: {}", connection.handle, Locked::Damaged))),
        false => Ok(()),
    }
}

impl Bitting {
    /// Changes what may be changed of a connection.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`] or [`Error::Invalid`].
    pub fn edit_connection(
        &self,
        principal: &Principal,
        handle: &Handle,
        edit: impl Into<Edit>,
    ) -> Result<Connection> {
        self.change_connection(principal, handle, Action::ConnectionUpdated, |connection, there| {
            let after = there.profile.patched(edit, there.kind)?;
            self.refuse_secrets_in(after.texts())?;
            let detail = json!({"before": there.profile, "after": after});
            let changed = after != there.profile;
            there.profile = after;
            self.number_resources(connection, there)?;
            Ok(changed.then_some(detail))
        })
    }

    /// Switches a connection off, or on again.
    ///
    /// # Errors
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn switch_connection(
        &self,
        principal: &Principal,
        handle: &Handle,
        on: bool,
    ) -> Result<Connection> {
        let action = if on { Action::ConnectionEnabled } else { Action::ConnectionDisabled };
        self.change_connection(principal, handle, action, |_, there| {
            let changed = there.disabled_at.is_some() == on;
            if changed {
                there.disabled_at = (!on).then(|| self.time.now());
            }
            Ok(changed.then(|| json!({})))
        })
    }

    /// Removes a connection: its credential is erased, its handle is never given again, and scopes at
    /// it open nothing any more.
    ///
    /// # Errors
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn remove_connection(&self, principal: &Principal, handle: &Handle) -> Result<Connection> {
        self.change_connection(principal, handle, Action::ConnectionRemoved, |_, there| {
            there.removed_at = Some(self.time.now());
            (there.sealed, there.hint) = (None, None);
            Ok(Some(json!({})))
        })
    }

    /// Seals every credential anew with the first master key, and returns how many those are. All
    /// are opened before one is written.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or [`Error::Refused`] when one cannot be opened.
    pub fn rekey_connections(&self, principal: &Principal) -> Result<usize> {
        let refused = |why: &str| Error::Refused(why.to_owned());
        let key = self.connections.keys.writer().map_err(refused)?;
        let rekeyed = self.database.write(|connection| {
            require(self.reload_rights(connection, principal)?.administers())?;
            AdvisoryLock::Keys.acquire(connection)?;
            let database = connections::database_id(connection)?;
            let mut all = connections::list(connection)?;
            let mut opened = Vec::with_capacity(all.len());
            for there in &all {
                let credential = self.unseal(there, &database);
                let why =
                    |why| Error::Refused(format!("{}: {why}; nothing was changed", there.handle));
                opened.push(credential.map_err(why)?);
            }
            let detail = json!({"master_key": key.id().to_string(), "connections": all.len()});
            let (action, origin) = (Action::ConnectionRekeyed, &principal.origin);
            let revision = self.record_change(connection, action, origin, None, &detail)?;
            for (there, credential) in all.iter_mut().zip(&opened) {
                self.seal_for(connection, key, credential, there)?;
                there.revision = revision;
                connections::update(connection, there)?;
            }
            Result::Ok(all)
        });
        let attempt = json!({"attempt": "connection.rekeyed"});
        let all = self.audit_denial(principal, None, &attempt, rekeyed)?;
        all.iter().for_each(|each| self.connection_took_effect(each));
        log_change(Action::ConnectionRekeyed, "all connections", &principal.origin);
        Ok(all.len())
    }

    /// Changes a connection in one transaction, with its audit event. `change` returns the event's
    /// detail, or nothing when nothing is to be changed.
    pub(super) fn change_connection(
        &self,
        principal: &Principal,
        handle: &Handle,
        action: Action,
        change: impl FnOnce(&mut AnyConnection, &mut Connection) -> Result<Option<Value>>,
    ) -> Result<Connection> {
        let changed = self.database.write(|connection| {
            require(self.reload_rights(connection, principal)?.administers())?;
            AdvisoryLock::Keys.acquire(connection)?;
            let mut there = find_present(connection, handle)?;
            if action != Action::ConnectionRemoved {
                require_readable(&there)?;
            }
            let detail = change(connection, &mut there)?;
            if let Some(mut detail) = detail.clone() {
                detail["connection_id"] = json!(there.id);
                detail["handle"] = json!(there.handle);
                let origin = &principal.origin;
                there.revision = self.record_change(connection, action, origin, None, &detail)?;
                connections::update(connection, &there)?;
            }
            Result::Ok((there, detail.is_some()))
        });
        let attempt = json!({"attempt": action.as_str(), "handle": handle});
        let (there, changed) = self.audit_denial(principal, None, &attempt, changed)?;
        if changed {
            self.connection_took_effect(&there);
            log_change(action, handle, &principal.origin);
        }
        Ok(there)
    }

    /// Has requests see at once what this process has committed. Where the database does not even say
    /// which one it is, the change feed brings it.
    pub(super) fn connection_took_effect(&self, changed: &Connection) {
        self.feed.committed(changed.revision);
        let changed = vec![changed.clone()];
        let read = self.database.read(|connection| ReadConnections::of(connection, changed));
        if let Ok(read) = read {
            self.take_in_connections(read);
        }
    }

    /// Every connection, by handle.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn list_connections(&self, principal: &Principal) -> Result<Vec<Connection>> {
        require(principal.sees_connections())?;
        Ok(self.database.read(connections::list)?)
    }

    /// The connection with this handle.
    ///
    /// # Errors
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn find_connection(&self, principal: &Principal, handle: &Handle) -> Result<Connection> {
        require(principal.sees_connections())?;
        self.database.read(|connection| find_present(connection, handle))
    }

    /// The keys in use that have a scope at a connection: their ids and names.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn keys_that_reach(
        &self,
        principal: &Principal,
        handle: &Handle,
    ) -> Result<Vec<(KeyId, String)>> {
        require(principal.sees_connections())?;
        let now = self.time.now();
        Ok(self
            .database
            .read(|connection| connections::keys_that_reach(connection, handle, now))?)
    }
}

/// The connection with this handle, unless it is removed.
pub(super) fn find_present(connection: &mut AnyConnection, handle: &Handle) -> Result<Connection> {
    let found = connections::find(connection, handle)?;
    found.filter(|found| found.removed_at.is_none()).ok_or(Error::NotFound)
}

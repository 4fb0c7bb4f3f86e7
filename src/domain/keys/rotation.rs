//! Rotating a key: a new one takes its place, and for a time both are good. Keys that were rotated
//! into each other are a line.

use serde_json::json;

use super::editing::require_active;
use super::forms::{FormOutcome, by_form};
use super::keyring::require_future;
use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::idempotency::SaveResponse;
use crate::domain::principal::Principal;
use crate::model::actor::Origin;
use crate::model::audit::Action;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, NewKey};
use crate::model::random_secret::RandomSecret;
use crate::model::rotation::RotateRequest;
use crate::model::scope::ScopeSet;
use crate::model::secret::{Secret, SecretKind};
use crate::model::time::{Moment, format};
use crate::store::AnyConnection;
use crate::store::keys::lineage;

/// The two keys of a rotation.
pub struct Rotation {
    /// The key that was made.
    pub new: ApiKey,
    /// The key that it replaces.
    pub old: ApiKey,
}

/// A rotation that has just been made: the only moment at which the new key's secret is known.
pub struct Rotated {
    /// Both keys as they were stored.
    pub keys: Rotation,
    /// The new key's secret, to be shown once.
    pub secret: Secret,
}

impl Bitting {
    /// Makes a key like the one with this id, which ends after the overlap.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::AlreadyRotated`], [`Error::Retired`],
    /// [`Error::NotGranted`] for scopes that the principal may not grant, or
    /// [`Error::InProgress`].
    pub fn rotate_key(
        &self,
        id: KeyId,
        request: RotateRequest,
        principal: &Principal,
        keep: Option<SaveResponse<'_, Rotation>>,
    ) -> Result<Rotated> {
        self.rotate_key_with(id, request, principal, keep, |_, _| Ok(()))
    }

    /// Rotates a key by the form with this nonce, unless the form has done so already.
    ///
    /// # Errors
    /// As [`Self::rotate_key`].
    pub fn rotate_key_by_form(
        &self,
        id: KeyId,
        request: RotateRequest,
        principal: &Principal,
        nonce: &RandomSecret,
    ) -> Result<FormOutcome<Rotated, KeyId>> {
        by_form(nonce, |first| self.rotate_key_with(id, request, principal, None, first))
    }

    /// [`Self::rotate_key`] with a step that runs in the transaction before anything is changed.
    fn rotate_key_with(
        &self,
        id: KeyId,
        request: RotateRequest,
        principal: &Principal,
        keep: Option<SaveResponse<'_, Rotation>>,
        first: impl FnOnce(&mut AnyConnection, KeyId) -> Result<()>,
    ) -> Result<Rotated> {
        let secret = self.new_secret(SecretKind::ApiKey)?;
        let origin = &principal.origin;
        let rotated = self.write_once(keep, |connection| {
            let (mut old, _) = self.find_to_change(connection, principal, id)?;
            let now = self.time.now();
            let mut new = self.successor(&old, request, principal, &secret, now);
            first(connection, new.id)?;
            require_rotatable(&old, now)?;
            self.policy.check(&new.label, new.expires_at, now)?;
            require_future(new.expires_at, now)?;
            self.require_grants(connection, principal, &old.scopes)?;
            self.insert_key(connection, origin, &mut new)?;
            let end = request.end_of_old(&old, now);
            self.replace_in(connection, origin, &mut old, new.id, end)?;
            Ok(Rotation { new, old })
        });
        let attempt = json!({"attempt": "key.rotated"});
        let keys = self.audit_denial(principal, Some(id), &attempt, rotated)?;
        for (key, action) in [(&keys.new, Action::KeyCreated), (&keys.old, Action::KeyRotated)] {
            self.took_effect(key.digest, key);
            log_change(action, key.id, origin);
        }
        Ok(Rotated { keys, secret })
    }

    /// The key that is to take the place of another: all that is said of that one is said of it.
    fn successor(
        &self,
        old: &ApiKey,
        request: RotateRequest,
        principal: &Principal,
        secret: &Secret,
        now: Moment,
    ) -> ApiKey {
        let new = NewKey {
            label: old.label.clone(),
            scopes: old.scopes.clone(),
            expires_at: request.end_of_new(old, &self.policy, now),
            limits: old.limits.clone(),
        };
        let new = self.unsaved_key(new, principal, secret, now);
        ApiKey { holder: old.holder.clone(), replaces: Some(old.id), ..new }
    }

    /// Records in the caller's transaction what a key was rotated into, and has it end.
    fn replace_in(
        &self,
        connection: &mut AnyConnection,
        origin: &Origin,
        old: &mut ApiKey,
        new: KeyId,
        end: Moment,
    ) -> Result<()> {
        let detail = json!({
            "name": old.label.name,
            "replaced_by": new,
            "before": {"expires_at": old.expires_at.map(format)},
            "after": {"expires_at": format(end)},
        });
        old.revision = self.record(connection, Action::KeyRotated, origin, old.id, &detail)?;
        lineage::set_replaced(connection, old.number, new, end, old.revision)?;
        (old.expires_at, old.replaced_by) = (Some(end), Some(new));
        Ok(())
    }

    /// A key that can be rotated, and those of its scopes that the principal may not grant, for
    /// which they would be refused.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::AlreadyRotated`] or [`Error::Retired`].
    pub fn find_key_to_rotate(
        &self,
        principal: &Principal,
        id: KeyId,
    ) -> Result<(ApiKey, ScopeSet)> {
        let key = self.find_key(principal, id)?;
        require_rotatable(&key, self.time.now())?;
        let lacking = principal.may_not_grant(&self.catalog, &key.scopes);
        Ok((key, lacking))
    }

    /// The line that a key is in, the oldest first: as far as the principal may know of it.
    pub fn line_of_key(&self, principal: &Principal, key: &ApiKey) -> Result<Vec<ApiKey>> {
        let mut line = self.database.read(|connection| lineage::line_of(connection, key))?;
        line.retain(|key| principal.sees(key));
        Ok(line)
    }
}

/// Refuses a key that has been rotated already, or has ended.
fn require_rotatable(key: &ApiKey, now: Moment) -> Result<()> {
    match key.replaced_by {
        Some(new) => Err(Error::AlreadyRotated(new)),
        None => require_active(key, now),
    }
}

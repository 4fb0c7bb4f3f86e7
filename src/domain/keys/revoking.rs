//! Revoking keys: one, or all that were rotated into each other.

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::Result;
use crate::domain::idempotency::SaveResponse;
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::actor::Origin;
use crate::model::audit::Action;
use crate::model::fields::check_line;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, Revocation};
use crate::store::keys::lineage;
use crate::store::{AnyConnection, keys};

impl Bitting {
    /// Revokes a key for good. Revoking it twice changes nothing, and returns the time of the
    /// first.
    ///
    /// # Errors
    ///
    /// Where there is no such key or it may not be revoked, for the reason, or while the same request
    /// is carried out already.
    pub fn revoke_key(
        &self,
        id: KeyId,
        reason: Option<&str>,
        principal: &Principal,
        keep: Option<SaveResponse<'_, ApiKey>>,
    ) -> Result<ApiKey> {
        self.revoke_each(id, reason, principal, keep, |_, _, key| Ok(vec![key.clone()]))
    }

    /// Revokes every key of a line for good, and returns the one with this id.
    ///
    /// # Errors
    ///
    /// As [`Self::revoke_key`]; also forbidden where the principal may not know of one of the keys,
    /// and none is revoked then.
    pub fn revoke_line(
        &self,
        id: KeyId,
        reason: Option<&str>,
        principal: &Principal,
        keep: Option<SaveResponse<'_, ApiKey>>,
    ) -> Result<ApiKey> {
        self.revoke_each(id, reason, principal, keep, |connection, principal, key| {
            let line = lineage::line_of(connection, key)?;
            require(line.iter().all(|key| principal.sees(key)))?;
            Ok(line)
        })
    }

    fn revoke_each(
        &self,
        id: KeyId,
        reason: Option<&str>,
        principal: &Principal,
        keep: Option<SaveResponse<'_, ApiKey>>,
        with: impl FnOnce(&mut AnyConnection, &Principal, &ApiKey) -> Result<Vec<ApiKey>>,
    ) -> Result<ApiKey> {
        let reason = self.check_reason(reason)?;
        let mut revoked = Vec::new();
        let asked = self.write_once(keep, |connection| {
            let (mut asked, by) = self.find_to_change(connection, principal, id)?;
            for mut key in with(connection, &by, &asked)? {
                if key.revocation.is_none() {
                    self.revoke_in(connection, &principal.origin, &mut key, reason.clone())?;
                    revoked.push(key.clone());
                }
                if key.id == id {
                    asked = key;
                }
            }
            Ok(asked)
        });
        let attempt = json!({"attempt": "key.revoked"});
        let asked = self.audit_denial(principal, Some(id), &attempt, asked)?;
        self.took_effect(asked.digest, &asked);
        for key in &revoked {
            self.took_effect(key.digest, key);
            log_change(Action::KeyRevoked, key.id, &principal.origin);
        }
        Ok(asked)
    }

    /// Revokes a key in the caller's transaction, which holds [`AdvisoryLock::Keys`].
    pub(in crate::domain) fn revoke_in(
        &self,
        connection: &mut AnyConnection,
        origin: &Origin,
        key: &mut ApiKey,
        reason: Option<String>,
    ) -> Result<()> {
        let detail = json!({"name": key.label.name, "reason": reason});
        key.revision = self.record(connection, Action::KeyRevoked, origin, key.id, &detail)?;
        let revocation = Revocation { at: self.time.now(), by: origin.actor.clone(), reason };
        keys::set_revoked(connection, key.number, &revocation, key.revision)?;
        key.revocation = Some(revocation);
        Ok(())
    }

    /// Checks the reason that somebody gives for the record.
    pub(in crate::domain) fn check_reason(&self, reason: Option<&str>) -> Result<Option<String>> {
        let Some(reason) = reason else { return Ok(None) };
        let reason =
            check_line(reason, 500).map_err(|message| FieldErrors::one("reason", message))?;
        self.refuse_secrets_in([("reason", &reason)])?;
        Ok(Some(reason).filter(|reason| !reason.is_empty()))
    }
}

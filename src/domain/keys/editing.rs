//! Editing a key: what people call it, its limits and its holder, in any way; its scopes and its
//! life, which only ever shrink.

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::principal::Principal;
use crate::model::audit::Action;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, Status};
use crate::model::key_settings::KeySettings;
use crate::model::merge_patch::Edit;
use crate::model::time::Moment;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::keys;

impl Bitting {
    /// Changes a key's label, limits, holder, scopes and expiry.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Retired`], or [`Error::Invalid`], also
    /// for what would add a scope or prolong the key's life.
    pub fn edit_key(
        &self,
        id: KeyId,
        edit: impl Into<Edit>,
        principal: &Principal,
    ) -> Result<ApiKey> {
        let (origin, edit) = (&principal.origin, edit.into());
        let edited = self.database.write(|connection| {
            if edit.changes("holder") {
                // Nobody disables the new holder meanwhile.
                AdvisoryLock::Users.acquire(connection)?;
            }
            let (mut key, principal) = self.find_to_change(connection, principal, id)?;
            let now = self.time.now();
            require_active(&key, now)?;
            let before = KeySettings::of(&key);
            let after = before.patched(edit, &self.catalog, now)?;
            self.refuse_secrets_in_label(&after.label)?;
            self.policy.check_edit(&before.label, &after.label)?;
            let changed = after != before;
            if changed {
                let holder =
                    self.find_holder(connection, &principal, &key, after.holder.as_ref())?;
                let detail = json!({"before": before, "after": after});
                key.revision = self.record(connection, Action::KeyUpdated, origin, id, &detail)?;
                keys::set_settings(connection, key.number, &after, key.revision)?;
                let user = holder.as_ref().map(|holder| holder.id);
                keys::holders::set_holder(connection, key.number, user, key.revision)?;
                after.apply_to(&mut key, holder);
                if before.expires_at != key.expires_at {
                    Self::look_again_at(connection, &key, now)?;
                }
            }
            let has_new_quota = key.limits.quota.is_some() && before.limits != key.limits;
            Ok((key, changed, has_new_quota))
        });
        let attempt = json!({"attempt": "key.updated"});
        let (key, changed, has_new_quota) =
            self.audit_denial(principal, Some(id), &attempt, edited)?;
        self.took_effect(key.digest, &key);
        if has_new_quota {
            self.count_what_was_used_before(&key);
        }
        if changed {
            log_change(Action::KeyUpdated, id, origin);
        }
        Ok(key)
    }

    /// A key that can be changed.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] or [`Error::Retired`].
    pub fn find_active_key(&self, principal: &Principal, id: KeyId) -> Result<ApiKey> {
        let key = self.find_key(principal, id)?;
        require_active(&key, self.time.now())?;
        Ok(key)
    }
}

/// Refuses a key that has ended.
pub(super) fn require_active(key: &ApiKey, now: Moment) -> Result<()> {
    match key.status(now) {
        Status::Active => Ok(()),
        retired => Err(Error::Retired(retired)),
    }
}

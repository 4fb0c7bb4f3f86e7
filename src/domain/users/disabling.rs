//! Disabling a user: in one transaction their keys and admin tokens are revoked or handed to
//! somebody else, and their sessions end.

use serde_json::json;

use super::accounts::keep_an_administrator;
use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::audit::Action;
use crate::model::id::UserId;
use crate::model::key::ApiKey;
use crate::model::token::AdminToken;
use crate::model::user::{Role, User};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users::{one_time_links, sessions};
use crate::store::{AnyConnection, keys, tokens, users};

/// The reason recorded for what is revoked because its user was disabled.
const REASON: &str = "user_disabled";

/// How many keys and admin tokens of a user are in use: what disabling them touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialCounts {
    /// How many API keys are active.
    pub keys: usize,
    /// How many admin tokens are active.
    pub tokens: usize,
}

/// A user's keys and admin tokens that are not retired.
#[derive(Default)]
pub(in crate::domain) struct HeldCredentials {
    pub(in crate::domain) keys: Vec<ApiKey>,
    pub(in crate::domain) tokens: Vec<AdminToken>,
}

impl HeldCredentials {
    fn count(&self) -> CredentialCounts {
        CredentialCounts { keys: self.keys.len(), tokens: self.tokens.len() }
    }
}

impl Bitting {
    fn possessions(&self, connection: &mut AnyConnection, user: UserId) -> Result<HeldCredentials> {
        let now = self.time.now();
        let keys = keys::active_of(connection, user, now)?;
        Ok(HeldCredentials { keys, tokens: tokens::active_of(connection, user, now)? })
    }

    /// What disabling a user would touch.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn holdings_of(&self, principal: &Principal, user: UserId) -> Result<CredentialCounts> {
        require(principal.oversees())?;
        self.database.snapshot(|connection| Ok(self.possessions(connection, user)?.count()))
    }

    /// Disables a user; their keys and admin tokens are revoked, or handed to another user. Doing
    /// it twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::LastAdministrator`] or
    /// [`Error::Invalid`] when the other user cannot have them.
    pub fn disable_user(
        &self,
        principal: &Principal,
        id: UserId,
        transfer_to: Option<UserId>,
    ) -> Result<(User, CredentialCounts)> {
        let mut changed = false;
        let disabled = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let mut user = users::find(connection, id)?.ok_or(Error::NotFound)?;
            changed = user.disabled_at.is_none();
            if !changed {
                return Ok((user, HeldCredentials { keys: Vec::new(), tokens: Vec::new() }));
            }
            keep_an_administrator(connection, &user)?;
            AdvisoryLock::Keys.acquire(connection)?;
            let mut had = self.possessions(connection, id)?;
            let heir =
                transfer_to.map(|heir| find_heir(connection, &user, heir, &had)).transpose()?;
            if let Some(heir) = heir.as_ref().filter(|heir| heir.role == Role::Member) {
                let more = had.keys.iter().filter(|key| key.replaced_by.is_none()).count();
                self.require_room(connection, heir.id, more, "transfer_to")?;
            }
            match &heir {
                None => self.revoke_all(connection, principal, &mut had)?,
                Some(heir) => self.hand_over_all(connection, principal, heir, &mut had)?,
            }
            sessions::delete_all_of(connection, id)?;
            one_time_links::delete_all_of(connection, Some(id))?;
            let now = self.time.now();
            users::set_disabled(connection, id, Some(now))?;
            user.disabled_at = Some(now);
            let detail = json!({
                "user_id": id, "email": user.email, "keys": had.keys.len(),
                "tokens": had.tokens.len(), "transferred_to": heir.map(|heir| heir.id),
            });
            self.record_user(connection, principal, Action::UserDisabled, &detail)?;
            Result::Ok((user, had))
        });
        let attempt = json!({"attempt": "user.disabled", "user_id": id});
        let (user, had) = self.audit_denial(principal, None, &attempt, disabled)?;
        for key in &had.keys {
            self.took_effect(key.digest, key);
        }
        for token in &had.tokens {
            self.took_effect(token.digest, token);
        }
        if changed {
            log_change(Action::UserDisabled, id, &principal.origin);
        }
        Ok((user, had.count()))
    }

    fn revoke_all(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        had: &mut HeldCredentials,
    ) -> Result<()> {
        for key in &mut had.keys {
            self.revoke_in(connection, &principal.origin, key, Some(REASON.to_owned()))?;
        }
        for token in &mut had.tokens {
            self.revoke_token_in(connection, &principal.origin, token, Some(REASON.to_owned()))?;
        }
        Ok(())
    }

    pub(in crate::domain) fn hand_over_all(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        heir: &User,
        had: &mut HeldCredentials,
    ) -> Result<()> {
        let origin = &principal.origin;
        for key in &mut had.keys {
            self.hand_over_in(connection, origin, key, Some(heir.as_holder()))?;
        }
        for token in &mut had.tokens {
            let detail = json!({
                "token_id": token.id,
                "before": {"user_id": token.user}, "after": {"user_id": heir.id},
            });
            token.revision =
                self.record_token(connection, Action::TokenUpdated, origin, &detail)?;
            tokens::set_user(connection, token.number, heir.id, token.revision)?;
            token.user = Some(heir.id);
        }
        Ok(())
    }

    /// Revokes a user's admin tokens, and returns them to be applied to the index after the commit.
    pub(in crate::domain) fn revoke_tokens_of(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        user: UserId,
        reason: &str,
    ) -> Result<Vec<AdminToken>> {
        AdvisoryLock::Keys.acquire(connection)?;
        let mut active = tokens::active_of(connection, user, self.time.now())?;
        for token in &mut active {
            self.revoke_token_in(connection, &principal.origin, token, Some(reason.to_owned()))?;
        }
        Ok(active)
    }
}

/// The user who takes over the keys and tokens, if they may have them.
fn find_heir(
    connection: &mut AnyConnection,
    user: &User,
    heir: UserId,
    had: &HeldCredentials,
) -> Result<User> {
    let refused = |message: &str| Error::from(FieldErrors::one("transfer_to", message));
    let heir = users::find(connection, heir)?.ok_or_else(|| refused("must be a user"))?;
    if heir.id == user.id || heir.disabled_at.is_some() {
        return Err(refused("must be another user, who is not disabled"));
    }
    if !had.tokens.is_empty() && heir.role != Role::Admin {
        return Err(refused("must be an administrator, since there are admin tokens to hand over"));
    }
    if heir.role == Role::Auditor {
        return Err(refused("must not be an auditor, who cannot hold keys"));
    }
    Ok(heir)
}

//! Disabling a user: their sessions end, and their keys and admin tokens are revoked or handed to
//! somebody else, a hundred in each transaction, so that nobody waits long for one. The first one
//! disables the user, so that nothing is added afterwards.

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

/// How many keys and admin tokens are revoked or handed over in one transaction.
const CREDENTIALS_PER_TRANSACTION: usize = 100;

/// How many keys and admin tokens of a user are in use: what disabling them touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// What one transaction of disabling a user has done.
struct Part {
    user: User,
    /// Whether the user was enabled until then.
    disabled: bool,
    had: HeldCredentials,
    is_last: bool,
}

impl Bitting {
    fn possessions(
        &self,
        connection: &mut AnyConnection,
        user: UserId,
    ) -> Result<CredentialCounts> {
        let now = self.time.now();
        let keys = keys::count_active_by_user(connection, &[user], now)?.remove(&user);
        let keys = usize::try_from(keys.unwrap_or_default()).unwrap_or_default();
        Ok(CredentialCounts { keys, tokens: tokens::active_of(connection, user, now)?.len() })
    }

    /// Some of what a user has, the admin tokens first.
    fn some_possessions(
        &self,
        connection: &mut AnyConnection,
        user: UserId,
    ) -> Result<HeldCredentials> {
        let now = self.time.now();
        let mut tokens = tokens::active_of(connection, user, now)?;
        tokens.truncate(CREDENTIALS_PER_TRANSACTION);
        let room = CREDENTIALS_PER_TRANSACTION - tokens.len();
        Ok(HeldCredentials { keys: keys::active_of(connection, user, room as i64, now)?, tokens })
    }

    /// What disabling a user would touch.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn holdings_of(&self, principal: &Principal, user: UserId) -> Result<CredentialCounts> {
        require(principal.oversees())?;
        self.database.snapshot(|connection| self.possessions(connection, user))
    }

    /// Disables a user; their keys and admin tokens are revoked, or handed to another user. Doing
    /// it twice changes nothing, unless something went wrong before all of them were: then the second
    /// time does the rest.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::LastAdministrator`] or
    /// [`Error::Invalid`] when the other user cannot have them; nothing was changed then.
    /// [`Error::BrokenOff`] when something goes wrong after some parts.
    pub fn disable_user(
        &self,
        principal: &Principal,
        id: UserId,
        transfer_to: Option<UserId>,
    ) -> Result<(User, CredentialCounts)> {
        let mut done = CredentialCounts::default();
        let mut has_begun = false;
        loop {
            let part = self.disable_part(principal, id, transfer_to, has_begun);
            let part = if has_begun { part.map_err(broken_off) } else { part };
            let Part { user, had, is_last, .. } = part?;
            has_begun = true;
            done.keys += had.keys.len();
            done.tokens += had.tokens.len();
            if is_last {
                return Ok((user, done));
            }
        }
    }

    /// Disables a user, unless they are, and takes away some of what they have.
    fn disable_part(
        &self,
        principal: &Principal,
        id: UserId,
        transfer_to: Option<UserId>,
        has_begun: bool,
    ) -> Result<Part> {
        let disabled = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            // Whoever disables themselves has no rights from the second part on.
            if !(has_begun && principal.user_id() == Some(id)) {
                require(self.reload_rights(connection, principal)?.administers())?;
            }
            let user = users::find(connection, id)?.ok_or(Error::NotFound)?;
            // Who was enabled again meanwhile stays enabled, and keeps nothing all the same.
            let disabled = !has_begun && user.disabled_at.is_none();
            AdvisoryLock::Keys.acquire(connection)?;
            let all = self.possessions(connection, id)?;
            let mut part = Part { user, disabled, had: HeldCredentials::default(), is_last: true };
            if !disabled && all == CredentialCounts::default() {
                return Ok(part);
            }
            if disabled {
                keep_an_administrator(connection, &part.user)?;
            }
            let heir = transfer_to
                .map(|heir| self.find_heir(connection, &part.user, heir, all))
                .transpose()?;
            if disabled {
                self.shut_out(connection, principal, &mut part.user, heir.as_ref(), all)?;
            }
            part.had = self.some_possessions(connection, id)?;
            match &heir {
                None => self.revoke_all(connection, principal, &mut part.had)?,
                Some(heir) => self.hand_over_all(connection, principal, heir, &mut part.had)?,
            }
            part.is_last = part.had.count() == all;
            Result::Ok(part)
        });
        let attempt = json!({"attempt": "user.disabled", "user_id": id});
        let part = self.audit_denial(principal, None, &attempt, disabled)?;
        if part.disabled {
            log_change(Action::UserDisabled, id, &principal.origin);
        }
        let (of_keys, of_tokens) = match transfer_to {
            None => (Action::KeyRevoked, Action::TokenRevoked),
            Some(_) => (Action::KeyUpdated, Action::TokenUpdated),
        };
        for key in &part.had.keys {
            self.took_effect(key.digest, key);
            log_change(of_keys, key.id, &principal.origin);
        }
        for token in &part.had.tokens {
            self.took_effect(token.digest, token);
            log_change(of_tokens, token.id, &principal.origin);
        }
        Ok(part)
    }

    /// Keeps a user from signing in, and ends what they signed in with.
    fn shut_out(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        user: &mut User,
        heir: Option<&User>,
        had: CredentialCounts,
    ) -> Result<()> {
        sessions::delete_all_of(connection, user.id)?;
        one_time_links::delete_all_of(connection, Some(user.id))?;
        let now = self.time.now();
        users::set_disabled(connection, user.id, Some(now))?;
        user.disabled_at = Some(now);
        let detail = json!({
            "user_id": user.id, "email": user.email, "keys": had.keys,
            "tokens": had.tokens, "transferred_to": heir.map(|heir| heir.id),
        });
        self.record_user(connection, principal, Action::UserDisabled, &detail)
    }

    /// The user who takes over the keys and tokens, if they may have them.
    fn find_heir(
        &self,
        connection: &mut AnyConnection,
        user: &User,
        heir: UserId,
        had: CredentialCounts,
    ) -> Result<User> {
        let refused = |message: &str| Error::from(FieldErrors::one("transfer_to", message));
        let heir = users::find(connection, heir)?.ok_or_else(|| refused("must be a user"))?;
        if heir.id == user.id || heir.disabled_at.is_some() {
            return Err(refused("must be another user, who is not disabled"));
        }
        if had.tokens > 0 && heir.role != Role::Admin {
            return Err(refused(
                "must be an administrator, since there are admin tokens to hand over",
            ));
        }
        if heir.role == Role::Auditor {
            return Err(refused("must not be an auditor, who cannot hold keys"));
        }
        if heir.role == Role::Member {
            self.require_room(connection, &[heir.id, user.id], 0, "transfer_to")?;
        }
        Ok(heir)
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

fn broken_off(why: Error) -> Error {
    let done = "the user is disabled, but still has keys or admin tokens";
    Error::BrokenOff { done, why: Box::new(why) }
}

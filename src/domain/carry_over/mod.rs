//! After a backup was restored: taking away again whatever had been taken away since.
//!
//! What the database from before gave since is not carried over. Each step is a transaction of its
//! own and is done only where it changes something; so a run that was broken off is run again.

mod plan;

use serde_json::{Map, Value, json};

use super::Bitting;
use super::audit_log::log_change;
use super::error::{Error, Result};
use super::principal::{Principal, require};
use crate::model::audit::Action;
use crate::model::id::{KeyId, UserId};
use crate::model::time::format;
use crate::model::user::UserChange;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users::powers;
use crate::store::users::powers::{Powers, Reach};
use crate::store::users::{one_time_links, sessions};
use crate::store::{audit, keys, tokens, users};
pub use plan::{Held, Step};

/// The reason recorded for keys and tokens that are revoked.
const REASON: &str = "revoked before a backup was restored";

impl Bitting {
    /// What [`Self::carry_over`] has to do so that nobody may do here what they might not do there.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn plan_to_carry_over(&self, principal: &Principal, there: &Powers) -> Result<Vec<Step>> {
        require(principal.administers())?;
        let here = self.database.snapshot(powers::read)?;
        Ok(plan::plan(there, &here, self.time.now()))
    }

    /// Takes one thing away.
    ///
    /// # Errors
    ///
    /// [`Error::LastAdministrator`] where nobody would be left to administer.
    pub fn carry_over(&self, principal: &Principal, step: &Step) -> Result<()> {
        match step {
            Step::Revoke(Held::Key(id)) => {
                self.revoke_key(*id, Some(REASON), principal, None).map(drop)
            }
            Step::Revoke(Held::Token(id)) => {
                self.revoke_token(*id, Some(REASON), principal).map(drop)
            }
            Step::HandOver(held, heir, _) => self.hand_over(principal, *held, *heir),
            Step::NarrowKey(id, left) => {
                let Reach { scopes, expires_at, limits } = left.as_ref();
                let mut patch = object(json!(limits));
                patch.insert("scopes".to_owned(), json!(scopes));
                patch.insert("expires_at".to_owned(), json!(expires_at.map(format)));
                self.edit_key(*id, patch, principal).map(drop)
            }
            Step::Release(key) => self.release(principal, *key),
            Step::Disable(user, _) => self.disable_user(principal, *user, None).map(drop),
            Step::Narrow(user, _, role, may_grant) => {
                let change = UserChange { role: Some(*role), may_grant: Some(may_grant.clone()) };
                self.change_user(principal, *user, &change).map(drop)
            }
            Step::ForgetPassword(user, _) => self.forget_password(principal, *user),
            Step::RemoveConnection(handle) => self.remove_connection(principal, handle).map(drop),
            Step::SwitchOff(handle) => self.switch_connection(principal, handle, false).map(drop),
            Step::NarrowConnection(handle, left) => {
                self.edit_connection(principal, handle, object(json!(left))).map(drop)
            }
            Step::EndSessionsAndLinks => self.end_sessions_and_links(principal),
        }
    }

    /// Hands one key or admin token to another user.
    fn hand_over(&self, principal: &Principal, held: Held, heir: UserId) -> Result<()> {
        let had = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            AdvisoryLock::Keys.acquire(connection)?;
            let heir = users::find(connection, heir)?.ok_or(Error::NotFound)?;
            let mut had = super::users::disabling::HeldCredentials::default();
            match held {
                Held::Key(id) => had.keys.extend(keys::find(connection, id)?),
                Held::Token(id) => had.tokens.extend(tokens::find(connection, id)?),
            }
            self.hand_over_all(connection, principal, &heir, &mut had)?;
            Result::Ok(had)
        })?;
        had.keys.iter().for_each(|key| self.took_effect(key.digest, key));
        had.tokens.iter().for_each(|token| self.took_effect(token.digest, token));
        Ok(())
    }

    /// Takes a key from the user who has it.
    fn release(&self, principal: &Principal, id: KeyId) -> Result<()> {
        let key = self.database.write(|connection| {
            let (mut key, _) = self.find_to_change(connection, principal, id)?;
            self.hand_over_in(connection, &principal.origin, &mut key, None)?;
            Result::Ok(key)
        })?;
        self.took_effect(key.digest, &key);
        Ok(())
    }

    /// Takes a user's password away, so that they have to set one by a link; their sessions end. The
    /// last administrator's too: whoever made them change it may know the old one, and who carries
    /// over has the command line to set another.
    fn forget_password(&self, principal: &Principal, id: UserId) -> Result<()> {
        self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let user = users::find(connection, id)?.ok_or(Error::NotFound)?;
            users::set_password(connection, id, None)?;
            sessions::delete_all_of(connection, id)?;
            one_time_links::delete_all_of(connection, Some(id))?;
            let detail = json!({"user_id": id, "email": user.email});
            self.record_user(connection, principal, Action::UserPasswordForgotten, &detail)
        })?;
        log_change(Action::UserPasswordForgotten, id, &principal.origin);
        Ok(())
    }

    /// Ends every session and uses up every one-time link.
    fn end_sessions_and_links(&self, principal: &Principal) -> Result<()> {
        self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let (sessions, links) =
                (sessions::delete_all(connection)?, one_time_links::delete_all(connection)?);
            if sessions + links > 0 {
                let detail = json!({"sessions": sessions, "links": links});
                let (at, origin) = (self.time.now(), &principal.origin);
                audit::insert(connection, at, Action::LoginEnded, origin, None, &detail)?;
            }
            Ok(())
        })
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

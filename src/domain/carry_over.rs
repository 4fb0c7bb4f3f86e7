//! After a backup was restored: taking away again whatever had been taken away since.
//!
//! What the database from before gave since is not carried over. Each step is a transaction of its
//! own and is done only where it changes something; so a run that was broken off is run again.

use serde_json::json;

use super::Bitting;
use super::audit_log::log_change;
use super::error::{Error, Result};
use super::principal::{Principal, require};
use crate::model::audit::Action;
use crate::model::email::Email;
use crate::model::id::{KeyId, TokenId, UserId};
use crate::model::scope::ScopeSet;
use crate::model::time::{Moment, format};
use crate::model::user::{Role, User, UserChange};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users::powers;
use crate::store::users::powers::{Credential, Powers, Reach};
use crate::store::users::{one_time_links, sessions};
use crate::store::{audit, keys, tokens, users};

/// The reason recorded for keys and tokens that are revoked.
const REASON: &str = "revoked before a backup was restored";

/// A key or an admin token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// An API key.
    Key(KeyId),
    /// An admin token.
    Token(TokenId),
}

/// One right that is taken away again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key or token had been revoked.
    Revoke(Held),
    /// A key or token had been handed to another user.
    HandOver(Held, UserId, Email),
    /// A key's scopes or life had been narrowed; these are what is left.
    NarrowKey(KeyId, ScopeSet, Option<Moment>),
    /// A key had been taken from the user who has it here, and whoever has it there cannot here.
    Release(KeyId),
    /// A user had been disabled.
    Disable(UserId, Email),
    /// A user's role or limits had been narrowed; these are what is left.
    Narrow(UserId, Email, Role, ScopeSet),
    /// A user's password had been changed.
    ForgetPassword(UserId, Email),
    /// Nobody can tell which sessions and links had been ended or used up: all of them are ended.
    EndSessionsAndLinks,
}

/// What has to be done here so that nobody may do what they might not do there.
fn plan(there: &Powers, here: &Powers, now: Moment) -> Vec<Step> {
    let keys = here.keys.iter().map(|(id, key)| (Held::Key(*id), *key, there.keys.get(id)));
    let tokens =
        here.tokens.iter().map(|(id, token)| (Held::Token(*id), *token, there.tokens.get(id)));
    let mut held: Vec<Step> = keys
        .chain(tokens)
        .filter_map(|(held, here_is, there_was)| step_of(held, here_is, *there_was?, there, here))
        .chain(narrowed_keys(there, here, now))
        .collect();
    held.sort_by_key(order);
    let mut users: Vec<_> = here.users.values().collect();
    users.sort_by_key(|account| account.user.id);
    for account in users {
        let (id, email) = (account.user.id, account.user.email.clone());
        let Some(before) = there.users.get(&id) else { continue };
        if before.user.disabled_at.is_some() && account.user.disabled_at.is_none() {
            held.push(Step::Disable(id, email.clone()));
        }
        let (role, may_grant) = narrowed(&account.user, &before.user);
        if (role, &may_grant) != (account.user.role, &account.user.may_grant) {
            held.push(Step::Narrow(id, email.clone(), role, may_grant));
        }
        if account.password.is_some() && account.password != before.password {
            held.push(Step::ForgetPassword(id, email));
        }
    }
    held.push(Step::EndSessionsAndLinks);
    held
}

fn step_of(
    held: Held,
    here_is: Credential,
    there_was: Credential,
    there: &Powers,
    here: &Powers,
) -> Option<Step> {
    if here_is.revoked {
        return None;
    }
    if there_was.revoked {
        return Some(Step::Revoke(held));
    }
    if here_is.user == there_was.user {
        return None;
    }
    let active = |powers: &Powers, user: UserId| {
        let account = powers.users.get(&user).filter(|account| account.user.disabled_at.is_none());
        account.map(|account| account.user.email.clone())
    };
    let heir =
        there_was.user.and_then(|heir| Some((heir, active(there, heir).and(active(here, heir))?)));
    match (held, heir) {
        (_, Some((heir, email))) => Some(Step::HandOver(held, heir, email)),
        (Held::Key(id), None) => here_is.user.map(|_| Step::Release(id)),
        (Held::Token(_), None) => None,
    }
}

/// What is left of the keys that reached less far there; one that had ended there is revoked.
fn narrowed_keys<'a>(
    there: &'a Powers,
    here: &'a Powers,
    now: Moment,
) -> impl Iterator<Item = Step> + 'a {
    here.reach.iter().filter_map(move |(id, here_is)| {
        let there_was = there.reach.get(id)?;
        let revoked = |powers: &Powers| powers.keys.get(id).is_some_and(|key| key.revoked);
        let has_ended = here_is.expires_at.is_some_and(|end| end <= now);
        if here_is == there_was || has_ended || revoked(here) || revoked(there) {
            return None;
        }
        let scopes = |reach: &Reach| reach.scopes.parse::<ScopeSet>().unwrap_or_default();
        let (before, other) = (scopes(here_is), scopes(there_was));
        let left: ScopeSet = before.iter().filter(|scope| other.contains(scope)).cloned().collect();
        let ends = [here_is.expires_at, there_was.expires_at];
        let end = ends.into_iter().flatten().min();
        if left.is_empty() || end.is_some_and(|end| end <= now) {
            return Some(Step::Revoke(Held::Key(*id)));
        }
        let narrower = left != before || end != here_is.expires_at;
        narrower.then_some(Step::NarrowKey(*id, left, end))
    })
}

/// Keys before tokens, the oldest first, so that two runs say the same.
fn order(step: &Step) -> (u8, u128) {
    match step {
        Step::Revoke(Held::Key(id))
        | Step::HandOver(Held::Key(id), ..)
        | Step::NarrowKey(id, ..)
        | Step::Release(id) => (0, id.number()),
        Step::Revoke(Held::Token(id)) | Step::HandOver(Held::Token(id), ..) => (1, id.number()),
        _ => (2, 0),
    }
}

/// What is left of a user's rights when what they might not do there is taken away.
fn narrowed(here: &User, there: &User) -> (Role, ScopeSet) {
    match (here.role, there.role) {
        (Role::Admin | Role::Auditor | Role::Member, Role::Admin)
        | (Role::Auditor, Role::Auditor) => (here.role, here.may_grant.clone()),
        (Role::Admin, Role::Auditor) => (Role::Auditor, ScopeSet::EMPTY),
        (Role::Admin, Role::Member) => (Role::Member, there.may_grant.clone()),
        (Role::Member, Role::Member) => {
            let both = here.may_grant.iter().filter(|scope| there.may_grant.contains(scope));
            (Role::Member, both.cloned().collect())
        }
        // One may see everything, the other make keys: what both may do is to see their own.
        (Role::Member, Role::Auditor) | (Role::Auditor, Role::Member) => {
            (Role::Member, ScopeSet::EMPTY)
        }
    }
}

impl Bitting {
    /// What [`Self::carry_over`] has to do so that nobody may do here what they might not do there.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn plan_to_carry_over(&self, principal: &Principal, there: &Powers) -> Result<Vec<Step>> {
        require(principal.administers())?;
        let here = self.database.snapshot(powers::read)?;
        Ok(plan(there, &here, self.time.now()))
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
            Step::NarrowKey(id, scopes, end) => {
                let patch = json!({"scopes": scopes, "expires_at": end.map(format)});
                let patch = patch.as_object().cloned().unwrap_or_default();
                self.edit_key(*id, patch, principal).map(drop)
            }
            Step::Release(key) => self.release(principal, *key),
            Step::Disable(user, _) => self.disable_user(principal, *user, None).map(drop),
            Step::Narrow(user, _, role, may_grant) => {
                let change = UserChange { role: Some(*role), may_grant: Some(may_grant.clone()) };
                self.change_user(principal, *user, &change).map(drop)
            }
            Step::ForgetPassword(user, _) => self.forget_password(principal, *user),
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

    /// Takes a user's password away, so that they have to set one by a link; their sessions end.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::PublicId;

    fn user(role: Role, may_grant: &str) -> User {
        User {
            id: UserId::from_number(1),
            email: "ada@example.com".parse().unwrap(),
            role,
            may_grant: may_grant.parse().unwrap_or_default(),
            created_at: Moment::default(),
            disabled_at: None,
            last_login_at: None,
        }
    }

    #[test]
    fn rights_are_only_ever_narrowed() {
        let (member, admin, auditor) = (
            |scopes| user(Role::Member, scopes),
            || user(Role::Admin, ""),
            || user(Role::Auditor, ""),
        );
        let both = "calls:read calls:write";
        for (here, there, left) in [
            (admin(), admin(), admin()),
            (member("calls:read"), admin(), member("calls:read")),
            (auditor(), admin(), auditor()),
            (admin(), member("calls:read"), member("calls:read")),
            (admin(), auditor(), auditor()),
            (member(both), member("calls:read leads:read"), member("calls:read")),
            (member("calls:read"), member(both), member("calls:read")),
            (member(both), auditor(), member("")),
            (auditor(), member(both), member("")),
        ] {
            assert_eq!(narrowed(&here, &there), (left.role, left.may_grant), "{here:?} {there:?}");
        }
    }
}

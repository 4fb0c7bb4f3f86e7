//! Users: adding them, changing what they may do, and their passwords. How one is disabled is in
//! `disabling`, how one signs in in `login`.

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::keys::forms::{FormOutcome, by_form};
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::audit::Action;
use crate::model::email::Email;
use crate::model::id::{PublicId, UserId};
use crate::model::merge_patch::Edit;
use crate::model::password::Password;
use crate::model::random_secret::RandomSecret;
use crate::model::scope::ScopeSet;
use crate::model::table::NumberedPage;
use crate::model::user::{NewUser, Role, User, UserChange, UserFilter};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users::{one_time_links, sessions};
use crate::store::{AnyConnection, audit, keys, users};

impl Bitting {
    /// Adds a user; the first one is an administrator. Without a password, they set one by a link.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Invalid`] or [`Error::Busy`].
    pub fn add_user(
        &self,
        principal: &Principal,
        new: &NewUser,
        password: Option<&Password>,
    ) -> Result<User> {
        self.add_user_with(principal, new, password, |_, _| Ok(()))
    }

    /// Adds a user by the form with this nonce, unless the form has added one already.
    ///
    /// # Errors
    /// As [`Self::add_user`].
    pub fn add_user_by_form(
        &self,
        principal: &Principal,
        new: &NewUser,
        nonce: &RandomSecret,
    ) -> Result<FormOutcome<User, UserId>> {
        by_form(nonce, |first| self.add_user_with(principal, new, None, first))
    }

    /// [`Self::add_user`] with a step that runs in the transaction before the user is stored.
    fn add_user_with(
        &self,
        principal: &Principal,
        new: &NewUser,
        password: Option<&Password>,
        first: impl FnOnce(&mut AnyConnection, UserId) -> Result<()>,
    ) -> Result<User> {
        // Nothing is hashed for somebody who will be refused.
        let password = password.filter(|_| principal.administers());
        let hash = password.map(|password| self.hasher.hash(password)).transpose()?;
        let added = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let id = self.new_user_id();
            first(connection, id)?;
            self.insert_user_as(connection, principal, id, new, hash.as_deref())
        });
        let user =
            self.audit_denial(principal, None, &json!({"attempt": "user.created"}), added)?;
        log_change(Action::UserCreated, user.id, &principal.origin);
        Ok(user)
    }

    /// Stores a new user; the caller holds [`AdvisoryLock::Users`].
    pub(crate) fn insert_user(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        new: &NewUser,
        hash: Option<&str>,
    ) -> Result<User> {
        self.insert_user_as(connection, principal, self.new_user_id(), new, hash)
    }

    fn new_user_id(&self) -> UserId {
        UserId::from_number(self.next_id(self.time.now()))
    }

    fn insert_user_as(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        id: UserId,
        new: &NewUser,
        hash: Option<&str>,
    ) -> Result<User> {
        let role = match (users::count(connection)?, new.role) {
            (0, None | Some(Role::Admin)) => Role::Admin,
            (0, Some(Role::Member | Role::Auditor)) => {
                let message = "of the first user must be admin";
                return Err(FieldErrors::one("role", message).into());
            }
            (_, role) => role.unwrap_or(Role::Member),
        };
        check_limits(role, &new.may_grant)?;
        self.refuse_secrets_in([("email", new.email.as_str())])?;
        if users::find_by_email(connection, &new.email)?.is_some() {
            return Err(FieldErrors::one("email", "already belongs to a user").into());
        }
        let now = self.time.now();
        let user = User {
            id,
            email: new.email.clone(),
            role,
            may_grant: new.may_grant.clone(),
            created_at: now,
            disabled_at: None,
            last_login_at: None,
        };
        users::insert(connection, &user, hash)?;
        let detail = json!({
            "user_id": user.id, "email": user.email, "role": role, "may_grant": user.grants(&self.catalog),
        });
        self.record_user(connection, principal, Action::UserCreated, &detail)?;
        Ok(user)
    }

    /// Writes the audit event of a change to a user.
    pub(in crate::domain) fn record_user(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        action: Action,
        detail: &serde_json::Value,
    ) -> Result<()> {
        let (at, origin) = (self.time.now(), &principal.origin);
        audit::insert(connection, at, action, origin, None, detail)?;
        Ok(())
    }

    /// Whether there is a user at all.
    pub fn has_users(&self) -> Result<bool> {
        Ok(self.database.read(users::count)? > 0)
    }

    /// Every user, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn list_users(&self, principal: &Principal) -> Result<Vec<User>> {
        require(principal.oversees())?;
        Ok(self.database.read(users::list)?)
    }

    /// A page of users, the newest first, each with the number of their active keys; one beyond
    /// the last is the last.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn user_table(
        &self,
        principal: &Principal,
        filter: &UserFilter,
        page: usize,
    ) -> Result<NumberedPage<(User, i64)>> {
        require(principal.oversees())?;
        let now = self.time.now();
        self.database.read(|connection| {
            let NumberedPage { rows, place } = users::page(connection, filter, page)?;
            let ids: Vec<UserId> = rows.iter().map(|user| user.id).collect();
            let keys = keys::count_active_by_user(connection, &ids, now)?;
            let with_keys = |user: User| {
                let n = keys.get(&user.id).copied().unwrap_or_default();
                (user, n)
            };
            Ok(NumberedPage { rows: rows.into_iter().map(with_keys).collect(), place })
        })
    }

    /// The user with this id; everybody may look at themselves.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn find_user(&self, principal: &Principal, id: UserId) -> Result<User> {
        require(principal.oversees() || principal.user_id() == Some(id))?;
        self.database.read(|connection| users::find(connection, id))?.ok_or(Error::NotFound)
    }

    /// The user with this address.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn find_user_by_email(&self, principal: &Principal, email: &Email) -> Result<User> {
        require(principal.oversees())?;
        let found = self.database.read(|connection| users::find_by_email(connection, email))?;
        found.ok_or(Error::NotFound)
    }

    /// Changes a user's role and the scopes they may grant, from their next request on. Their keys
    /// stay as they are; the admin tokens of somebody who is no longer an administrator are
    /// revoked.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotFound`] or [`Error::LastAdministrator`].
    pub fn change_user(
        &self,
        principal: &Principal,
        id: UserId,
        change: &UserChange,
    ) -> Result<User> {
        self.change_user_by(principal, id, |_| Ok(change.clone()))
    }

    /// Changes a user as a form says it, which its author has filled in some time ago.
    ///
    /// # Errors
    ///
    /// As [`Self::change_user`], and [`Error::Invalid`].
    pub fn edit_user(&self, principal: &Principal, id: UserId, edit: Edit) -> Result<User> {
        self.change_user_by(principal, id, |user| {
            Ok(UserChange::of_edit(edit, user, &self.catalog)?)
        })
    }

    fn change_user_by(
        &self,
        principal: &Principal,
        id: UserId,
        change: impl FnOnce(&User) -> Result<UserChange>,
    ) -> Result<User> {
        let mut differs = false;
        let changed = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let before = users::find(connection, id)?.ok_or(Error::NotFound)?;
            let change = change(&before)?;
            let user = User {
                role: change.role.unwrap_or(before.role),
                may_grant: change.may_grant.clone().unwrap_or_else(|| before.may_grant.clone()),
                ..before.clone()
            };
            check_limits(user.role, &change.may_grant.clone().unwrap_or_default())?;
            differs = user != before;
            if !differs {
                return Ok((user, Vec::new()));
            }
            let demoted = before.role == Role::Admin && user.role != Role::Admin;
            if demoted {
                keep_an_administrator(connection, &before)?;
            }
            let rights =
                |role: Role, may_grant: &ScopeSet| json!({"role": role, "may_grant": may_grant});
            let detail = json!({
                "user_id": id, "email": user.email,
                "before": rights(before.role, &before.may_grant),
                "after": rights(user.role, &user.may_grant),
            });
            self.record_user(connection, principal, Action::UserUpdated, &detail)?;
            users::set_rights(connection, id, user.role, &user.may_grant)?;
            let revoked = if demoted {
                self.revoke_tokens_of(connection, principal, id, "user_demoted")?
            } else {
                Vec::new()
            };
            Result::Ok((user, revoked))
        });
        let attempt = json!({"attempt": "user.updated", "user_id": id});
        let (user, revoked) = self.audit_denial(principal, None, &attempt, changed)?;
        for token in &revoked {
            self.took_effect(token.digest, token);
        }
        if differs {
            log_change(Action::UserUpdated, id, &principal.origin);
        }
        Ok(user)
    }

    /// Lets a disabled user sign in again. What was revoked stays revoked.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn enable_user(&self, principal: &Principal, id: UserId) -> Result<User> {
        let mut changed = false;
        let enabled = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let mut user = users::find(connection, id)?.ok_or(Error::NotFound)?;
            changed = user.disabled_at.take().is_some();
            if changed {
                let detail = json!({"user_id": id, "email": user.email});
                self.record_user(connection, principal, Action::UserEnabled, &detail)?;
                users::set_disabled(connection, id, None)?;
            }
            Ok(user)
        });
        let attempt = json!({"attempt": "user.enabled", "user_id": id});
        let user = self.audit_denial(principal, None, &attempt, enabled)?;
        if changed {
            log_change(Action::UserEnabled, id, &principal.origin);
        }
        Ok(user)
    }

    /// Sets somebody else's password, and ends all their sessions.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotFound`] or [`Error::Busy`].
    pub fn set_password(
        &self,
        principal: &Principal,
        id: UserId,
        password: &Password,
    ) -> Result<()> {
        let hash = require(principal.administers()).and_then(|()| self.hasher.hash(password));
        let set = hash.and_then(|hash| {
            self.database.write(|connection| {
                AdvisoryLock::Users.acquire(connection)?;
                require(self.reload_rights(connection, principal)?.administers())?;
                let user = users::find(connection, id)?.ok_or(Error::NotFound)?;
                self.replace_password(connection, principal, &user, &hash)
            })
        });
        let attempt = json!({"attempt": "user.password_set", "user_id": id});
        self.audit_denial(principal, None, &attempt, set)?;
        log_change(Action::UserPasswordSet, id, &principal.origin);
        Ok(())
    }

    /// Stores a new password, ends every session and uses up every link of the user; the caller
    /// holds [`AdvisoryLock::Users`].
    pub(in crate::domain) fn replace_password(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        user: &User,
        hash: &str,
    ) -> Result<()> {
        users::set_password(connection, user.id, Some(hash))?;
        sessions::delete_all_of(connection, user.id)?;
        one_time_links::delete_all_of(connection, Some(user.id))?;
        let detail = json!({"user_id": user.id, "email": user.email});
        self.record_user(connection, principal, Action::UserPasswordSet, &detail)
    }
}

fn check_limits(role: Role, may_grant: &ScopeSet) -> Result<()> {
    Ok(role.bound_by(may_grant).map_err(|why| FieldErrors::one("may_grant", why))?)
}

/// Refuses to take away an administrator unless another one can sign in; the caller holds
/// [`AdvisoryLock::Users`]. Whether this one can does not matter: they may be the first, who has not
/// followed their link yet.
pub(in crate::domain) fn keep_an_administrator(
    connection: &mut AnyConnection,
    user: &User,
) -> Result<()> {
    let counts = user.role == Role::Admin && user.disabled_at.is_none();
    if counts && !users::has_other_administrator(connection, user.id)? {
        return Err(Error::LastAdministrator);
    }
    Ok(())
}

//! Links that are good once: the first administrator is made by one, and a user who is new or has
//! forgotten their password sets one by one. Only the digest of a link's secret is stored.

use chrono::Duration;
use serde_json::json;

use super::login::SignedIn;
use super::passwords::choose_password;
use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::actor::{Actor, ActorKind, ClientInfo};
use crate::model::audit::Action;
use crate::model::email::Email;
use crate::model::id::UserId;
use crate::model::password::Password;
use crate::model::random_secret::RandomSecret;
use crate::model::scope::ScopeSet;
use crate::model::user::{NewUser, Role, User};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users;
use crate::store::users::one_time_links;

/// How long a setup link is valid.
const SETUP_LINK: Duration = Duration::hours(1);
/// How long a link for setting a password is valid.
const PASSWORD_LINK: Duration = Duration::hours(24);

impl Bitting {
    /// A new random secret.
    pub(crate) fn random_secret(&self) -> Result<RandomSecret> {
        RandomSecret::generate().map_err(|why| Error::Randomness(why.to_string()))
    }

    /// Makes a link by which the first administrator is made; none if there is a user.
    pub fn make_setup_link(&self) -> Result<Option<RandomSecret>> {
        if self.has_users()? {
            return Ok(None);
        }
        let secret = self.random_secret()?;
        let expires_at = self.time.believed() + SETUP_LINK;
        self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            if users::count(connection)? > 0 {
                return Ok(None);
            }
            one_time_links::insert(connection, &secret.digest(), None, expires_at)?;
            Ok(Some(secret))
        })
    }

    /// Whether a setup link is still valid.
    pub fn is_setup_link(&self, secret: &RandomSecret) -> Result<bool> {
        let (digest, now) = (secret.digest(), self.time.believed());
        let found = self.database.read(|connection| one_time_links::find(connection, &digest, now));
        Ok(found? == Some(None))
    }

    /// Makes the first administrator by a setup link, and signs them in.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when the link is no good, [`Error::Invalid`] for the address or the
    /// password, or [`Error::Busy`].
    pub fn set_up(
        &self,
        secret: &RandomSecret,
        email: &str,
        password: &str,
        client: &ClientInfo,
    ) -> Result<SignedIn> {
        if !self.is_setup_link(secret)? {
            return Err(Error::NotFound);
        }
        let (new, password) = read_first(email, password)?;
        let hash = self.hasher.hash(&password)?;
        let session = self.random_secret()?;
        let actor = Actor { kind: ActorKind::User, id: None, name: new.email.to_string() };
        let principal = Principal::visitor(client.origin(actor));
        self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            let link = one_time_links::find(connection, &secret.digest(), self.time.believed())?;
            if link != Some(None) || users::count(connection)? > 0 {
                return Err(Error::NotFound);
            }
            one_time_links::delete_all_of(connection, None)?;
            let user = self.insert_user(connection, &principal, &new, Some(&hash))?;
            self.open_session(connection, &user, session, client)
        })
    }

    /// Makes the first administrator, unless there is a user already.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`].
    pub fn ensure_administrator(&self, email: &Email, password: &Password) -> Result<()> {
        if self.has_users()? {
            return Ok(());
        }
        let hash = self.hasher.hash(password)?;
        let new = first_user(email.clone());
        let principal = Principal::command_line("environment");
        self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            if users::count(connection)? == 0 {
                one_time_links::delete_all_of(connection, None)?;
                self.insert_user(connection, &principal, &new, Some(&hash))?;
            }
            Ok(())
        })
    }

    /// Makes a link by which a user sets a password. Earlier ones are no longer valid.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotFound`], or [`Error::Refused`] for somebody disabled.
    pub fn make_password_link(&self, principal: &Principal, id: UserId) -> Result<RandomSecret> {
        let secret = self.random_secret()?;
        let made = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            require(self.reload_rights(connection, principal)?.administers())?;
            let user = users::find(connection, id)?.ok_or(Error::NotFound)?;
            if user.disabled_at.is_some() {
                let why =
                    "This user is disabled, and no link would let them in. Enable them first.";
                return Err(Error::Refused(why.to_owned()));
            }
            one_time_links::delete_all_of(connection, Some(id))?;
            let expires_at = self.time.believed() + PASSWORD_LINK;
            one_time_links::insert(connection, &secret.digest(), Some(id), expires_at)?;
            let detail = json!({"user_id": id, "email": user.email});
            self.record_user(connection, principal, Action::UserLinkMade, &detail)?;
            Ok(secret)
        });
        let attempt = json!({"attempt": "user.link_made", "user_id": id});
        self.audit_denial(principal, None, &attempt, made)
    }

    /// The user whose password a link sets, if it is still valid.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn user_of_password_link(&self, secret: &RandomSecret) -> Result<User> {
        let (digest, now) = (secret.digest(), self.time.believed());
        self.database.read(|connection| {
            let link = one_time_links::find(connection, &digest, now)?.flatten();
            users::find(connection, link.ok_or(Error::NotFound)?)?.ok_or(Error::NotFound)
        })
    }

    /// Sets a password by a link, which is used up by that; every session of the user ends.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when the link is no good, [`Error::Invalid`] for the password, or
    /// [`Error::Busy`].
    pub fn use_password_link(
        &self,
        secret: &RandomSecret,
        password: &str,
        client: &ClientInfo,
    ) -> Result<User> {
        let user = self.user_of_password_link(secret)?;
        let hash = self.hasher.hash(&choose_password(password, &user.email)?)?;
        let (user, origin) = self.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            let link = one_time_links::find(connection, &secret.digest(), self.time.believed())?;
            let id = link.flatten().ok_or(Error::NotFound)?;
            let user = users::find(connection, id)?.ok_or(Error::NotFound)?;
            let principal = Principal::user(user.clone(), client);
            self.replace_password(connection, &principal, &user, &hash)?;
            Result::Ok((user, principal.origin))
        })?;
        log_change(Action::UserPasswordSet, user.id, &origin);
        Ok(user)
    }
}

fn first_user(email: Email) -> NewUser {
    NewUser { email, role: Some(Role::Admin), may_grant: ScopeSet::EMPTY }
}

fn read_first(email: &str, password: &str) -> Result<(NewUser, Password)> {
    let email = Email::choose(email).map_err(|message| FieldErrors::one("email", message))?;
    let password = choose_password(password, &email)?;
    Ok((first_user(email), password))
}

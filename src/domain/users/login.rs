//! Signing in and out, and the sessions between.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::login_throttle::Attempt;
use super::passwords::{choose_password, is_outdated};
use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::principal::Principal;
use crate::model::actor::{Actor, ActorKind, ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::email::Email;
use crate::model::id::{PublicId, SessionId, UserId};
use crate::model::password::Password;
use crate::model::random_secret::RandomSecret;
use crate::model::session::{MOST_SESSIONS, Session};
use crate::model::table::NumberedPage;
use crate::model::user::User;
use crate::store;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users::{one_time_links, sessions};
use crate::store::{AnyConnection, audit, users};

/// How many expired sessions are deleted at once.
const SWEPT_AT_ONCE: i64 = 500;
/// How much of a `User-Agent` is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// Somebody who has just signed in: the only moment at which the session's secret is known.
pub struct SignedIn {
    /// The user as they are now.
    pub user: User,
    /// The session that began.
    pub session: Session,
    /// The session's secret, for the browser's cookie.
    pub secret: RandomSecret,
}

impl Bitting {
    /// Signs somebody in. `replaced` is the session their browser had until now; it ends.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassword`], whatever was wrong, [`Error::TooManyAttempts`] or [`Error::Busy`].
    pub fn log_in(
        &self,
        email: &str,
        password: &str,
        client: &ClientInfo,
        replaced: Option<&RandomSecret>,
    ) -> Result<SignedIn> {
        let prepare = || self.random_secret();
        self.authenticated(email, password, client, prepare, |connection, user, secret| {
            if let Some(replaced) = replaced {
                self.end_replaced(connection, replaced, client)?;
            }
            self.open_session(connection, user, secret, client)
        })
    }

    /// Does something for whoever proves to be this user, in a transaction that checks that the
    /// proof still holds. `prepare` runs only after a right password: a wrong one must cost one
    /// hash and no more.
    fn authenticated<P, T>(
        &self,
        email: &str,
        password: &str,
        client: &ClientInfo,
        prepare: impl FnOnce() -> Result<P>,
        then: impl FnOnce(&mut AnyConnection, &User, P) -> Result<T>,
    ) -> Result<T> {
        let email = email.parse::<Email>().ok();
        let password = Password::presented(password);
        let name = email.as_ref().map_or("", Email::as_str);
        let admitted = self.admit(Attempt::new(name, client.address))?;
        let done = self.prove(name, &password).and_then(|proven| {
            let Some((user, hash)) = proven else { return Ok(None) };
            let renewed = if is_outdated(&hash) { self.renew(&password)? } else { None };
            let prepared = prepare()?;
            self.database.write(|connection| {
                AdvisoryLock::Users.acquire(connection)?;
                // Both may have changed while the password was hashed.
                let known = users::password(connection, user.id)? == Some(hash);
                let user = users::find(connection, user.id)?;
                let Some(user) = user.filter(|user| known && user.disabled_at.is_none()) else {
                    return Ok(None);
                };
                Self::reset_account(connection, &admitted)?;
                if let Some(hash) = &renewed {
                    users::set_password(connection, user.id, Some(hash))?;
                }
                then(connection, &user, prepared).map(Some)
            })
        });
        match done {
            Ok(Some(done)) => Ok(done),
            Ok(None) => {
                let who = email.as_ref().map(ToString::to_string).unwrap_or_default();
                self.note_failure(&who, admitted.failures(), client)?;
                Err(Error::WrongPassword)
            }
            Err(undecided) => {
                if let Err(why) = self.undo_failure(&admitted) {
                    tracing::warn!(%why, "a sign-in that could not be decided counts as failed");
                }
                Err(undecided)
            }
        }
    }

    /// Hashes a password with today's costs. `None` if many wait for theirs: it is renewed another
    /// time.
    fn renew(&self, password: &Password) -> Result<Option<String>> {
        match self.hasher.hash(password) {
            Err(Error::Busy) => Ok(None),
            hash => hash.map(Some),
        }
    }

    /// The user whose address and password these are, with the hash they were compared with. It
    /// costs one hash, whether or not there is such a user.
    fn prove(&self, email: &str, password: &Password) -> Result<Option<(User, String)>> {
        let found = self.database.read(|connection| users::find_to_sign_in(connection, email))?;
        let found = found.and_then(|(user, hash)| hash.map(|hash| (user, hash)));
        let right = self.hasher.verify(password, found.as_ref().map(|(_, hash)| hash.as_str()))?;
        Ok(found.filter(|_| right))
    }

    /// Begins a session; the caller holds [`AdvisoryLock::Users`].
    pub(crate) fn open_session(
        &self,
        connection: &mut AnyConnection,
        user: &User,
        secret: RandomSecret,
        client: &ClientInfo,
    ) -> Result<SignedIn> {
        let (now, begins) = (self.time.now(), self.time.believed());
        // A secret that was sent as a user agent must not be stored.
        let agent = client.user_agent.as_ref().filter(|agent| !self.may_hold_secret(agent));
        let session = Session {
            id: SessionId::from_number(self.next_id(now)),
            user: user.id,
            created_at: begins,
            last_seen_at: begins,
            address: client.address.map(|address| address.to_string()),
            user_agent: agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
        };
        sessions::insert(connection, &session, &secret.digest())?;
        users::set_last_login(connection, user.id, begins)?;
        let detail = json!({"session_id": session.id});
        let origin = client.origin(user.actor());
        audit::insert(connection, now, Action::LoginSucceeded, &origin, None, &detail)?;
        for oldest in sessions::live_beyond(connection, user.id, MOST_SESSIONS, begins)? {
            self.end(connection, user.id, oldest, &origin, Some("too_many"))?;
        }
        Ok(SignedIn { user: user.clone(), session, secret })
    }

    /// Ends the session that a browser had until now, whoever was signed in with it.
    fn end_replaced(
        &self,
        connection: &mut AnyConnection,
        secret: &RandomSecret,
        client: &ClientInfo,
    ) -> Result<()> {
        let found = sessions::find(connection, &secret.digest())?;
        let live = found.filter(|(session, _)| session.is_live(self.time.believed()));
        let Some((session, user)) = live else { return Ok(()) };
        let origin = client.origin(user.actor());
        self.end(connection, user.id, session.id, &origin, Some("replaced")).map(|_| ())
    }

    /// Ends a session of a user, and says whether it was live; the caller holds [`AdvisoryLock::Users`].
    fn end(
        &self,
        connection: &mut AnyConnection,
        user: UserId,
        session: SessionId,
        origin: &Origin,
        reason: Option<&str>,
    ) -> Result<bool> {
        let found = sessions::find_by_id(connection, session)?;
        let is_live = found.is_some_and(|session| session.is_live(self.time.believed()));
        // One that has ended by its time may be there still.
        if !sessions::delete(connection, user, session)? || !is_live {
            return Ok(false);
        }
        let mut detail = json!({"session_id": session});
        if let Some(reason) = reason {
            detail["reason"] = json!(reason);
        }
        audit::insert(connection, self.time.now(), Action::LoginEnded, origin, None, &detail)?;
        Ok(true)
    }

    /// Records a failed login. Those from one address are bounded by the throttle; from many
    /// addresses at once, only a number of them a minute are recorded one by one.
    fn note_failure(&self, name: &str, failures: i64, client: &ClientInfo) -> Result<()> {
        let now = self.time.now();
        // Strangers make up addresses: there is one bound for all of them.
        let Some(left_out) = self.failed_logins.admit("", now) else { return Ok(()) };
        // A key that was pasted into the wrong field must not be stored.
        let is_a_name = !name.is_empty() && !self.may_hold_secret(name);
        let name = if is_a_name { name } else { "unknown" };
        let actor = Actor { kind: ActorKind::User, id: None, name: name.to_owned() };
        let mut detail = json!({"failures": failures});
        if left_out > 0 {
            detail["others_not_noted"] = json!(left_out);
        }
        let written = self.database.write(|connection| {
            let origin = client.origin(actor);
            audit::insert(connection, now, Action::LoginFailed, &origin, None, &detail)
        });
        written.inspect_err(|_| self.failed_logins.put_back("", left_out))?;
        Ok(())
    }

    /// The session with this secret, and its user as they are now.
    pub fn find_session(&self, secret: &RandomSecret) -> Result<Option<(Session, User)>> {
        let (digest, now) = (secret.digest(), self.time.believed());
        let found = self.database.read(|connection| sessions::find(connection, &digest))?;
        let found =
            found.filter(|(session, user)| session.is_live(now) && user.disabled_at.is_none());
        if let Some((session, _)) = found.as_ref().filter(|(session, _)| session.is_seen_again(now))
        {
            let id = session.id;
            let noted =
                self.database.write(|connection| sessions::set_last_seen(connection, id, now));
            // Reading goes on while nothing can be written.
            if let Err(error) = noted {
                tracing::debug!(%error, "a session's last request was not recorded");
            }
        }
        Ok(found)
    }

    /// A page of a user's valid sessions, the newest first. A number beyond the last page gives the
    /// last one.
    pub fn session_table(&self, user: UserId, page: usize) -> Result<NumberedPage<Session>> {
        let now = self.time.believed();
        Ok(self.database.read(|connection| sessions::page(connection, user, now, page))?)
    }

    /// Ends one of a user's own sessions: the present one, to sign out, or another.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], also for somebody else's, which is recorded; [`Error::Ended`].
    pub fn end_session(&self, principal: &Principal, id: SessionId) -> Result<()> {
        let ended = self.database.write(|connection| {
            let principal = self.reload_rights(connection, principal)?;
            let user = principal.user_id().ok_or(Error::NotFound)?;
            if self.end(connection, user, id, &principal.origin, None)? {
                return Ok(());
            }
            let foreign = sessions::find_by_id(connection, id)?;
            Err(foreign.map_or(Error::NotFound, |_| Error::Foreign))
        });
        let attempt = json!({"attempt": "session.ended", "session_id": id});
        self.audit_denial(principal, None, &attempt, ended)
    }

    /// Ends all of a user's own sessions but one.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`].
    pub fn end_other_sessions(&self, principal: &Principal, kept: SessionId) -> Result<()> {
        self.database.write(|connection| {
            let principal = self.reload_rights(connection, principal)?;
            let user = principal.user_id().ok_or(Error::NotFound)?;
            for session in sessions::list(connection, user)? {
                if session != kept {
                    self.end(connection, user, session, &principal.origin, None)?;
                }
            }
            Ok(())
        })
    }

    /// Changes a user's own password. Every session of theirs ends; the answer is a new one. The new
    /// password is hashed last: a wrong present one must not keep others from signing in.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassword`] when the present one is wrong, throttled as signing in is;
    /// [`Error::Invalid`] for the new one, [`Error::Busy`] or [`Error::Ended`].
    pub fn change_password(
        &self,
        principal: &Principal,
        user: &User,
        (present, chosen): (&str, &str),
        client: &ClientInfo,
    ) -> Result<SignedIn> {
        let chosen = choose_password(chosen, &user.email)?;
        let prepare = || Ok((self.hasher.hash(&chosen)?, self.random_secret()?));
        let change = |connection: &mut AnyConnection, user: &User, (hash, secret): (String, _)| {
            let principal = self.reload_rights(connection, principal)?;
            self.replace_password(connection, &principal, user, &hash)?;
            self.open_session(connection, user, secret, client)
        };
        let signed_in =
            self.authenticated(user.email.as_str(), present, client, prepare, change)?;
        log_change(Action::UserPasswordSet, user.id, &principal.origin);
        Ok(signed_in)
    }

    /// Deletes some of what has expired: sessions, links and failed logins, and counts the sessions
    /// that are left. Returns whether there may be more to delete.
    pub fn sweep_accounts(&self) -> store::Result<bool> {
        let now = self.time.believed();
        let swept = self.background.write(|connection| {
            one_time_links::delete_expired(connection, now)?;
            sessions::delete_dead(connection, now, SWEPT_AT_ONCE)
        })?;
        let left = self.background.read(sessions::count)?;
        self.sessions.store(u64::try_from(left).unwrap_or(0), Ordering::Relaxed);
        Ok(self.forget_failures()? || swept as i64 == SWEPT_AT_ONCE)
    }
}

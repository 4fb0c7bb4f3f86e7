//! Signing in and out, and the sessions between.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::login_throttle::Attempt;
use super::one_time_links::choose_password;
use super::passwords::is_outdated;
use super::principal::Principal;
use super::{Bitting, Error, Result};
use crate::model::actor::{Actor, ActorKind, Visit};
use crate::model::audit::Action;
use crate::model::id::{PublicId, SessionId, UserId};
use crate::model::password::Password;
use crate::model::random_secret::RandomSecret;
use crate::model::session::Session;
use crate::model::user::{Email, User};
use crate::store::transaction::Exclusive;
use crate::store::{self, AnyConnection, audit, one_time_links, sessions, users};

/// How many dead sessions are deleted at once.
const SWEPT_AT_ONCE: i64 = 500;
/// How much of a browser's name of itself is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// Somebody who has just signed in: the only moment at which the session's secret is known.
pub struct SignedIn {
    /// Who it is.
    pub user: User,
    /// The session that began.
    pub session: Session,
    /// For the browser's cookie.
    pub secret: RandomSecret,
}

impl Bitting {
    /// Signs somebody in. `replaced` is the session their browser had until now; it ends.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], whatever was wrong, [`Error::TooManyAttempts`], [`Error::Busy`],
    /// or when the database fails.
    pub fn log_in(
        &self,
        email: &str,
        password: &str,
        visit: &Visit,
        replaced: Option<&RandomSecret>,
    ) -> Result<SignedIn> {
        let secret = self.random_secret()?;
        self.authenticated(email, password, visit, |connection, user| {
            if let Some(replaced) = replaced {
                sessions::delete_by_digest(connection, &replaced.digest())?;
            }
            self.open_session(connection, user, secret, visit)
        })
    }

    /// Does something for whoever proves to be this user, in the transaction that sees to it that
    /// they still are.
    fn authenticated<T>(
        &self,
        email: &str,
        password: &str,
        visit: &Visit,
        then: impl FnOnce(&mut AnyConnection, &User) -> Result<T>,
    ) -> Result<T> {
        let email = email.parse::<Email>().ok();
        let password = Password::presented(password);
        let name = email.as_ref().map_or("", Email::as_str);
        let attempt = Attempt::new(name, visit.address);
        let failures = self.admit(&attempt)?;
        let done = self.prove(name, &password).and_then(|proven| {
            let Some((user, hash)) = proven else { return Ok(None) };
            let renewed = is_outdated(&hash).then(|| self.hasher.hash(&password)).transpose()?;
            self.database.write(|connection| {
                Exclusive::Users.take(connection)?;
                // Both may have changed while the password was hashed.
                let known = users::password(connection, user.id)? == Some(hash);
                let user = users::find(connection, user.id)?;
                let Some(user) = user.filter(|user| known && user.disabled_at.is_none()) else {
                    return Ok(None);
                };
                Self::forgive(connection, &attempt)?;
                if let Some(hash) = &renewed {
                    users::set_password(connection, user.id, hash)?;
                }
                then(connection, &user).map(Some)
            })
        });
        match done {
            Ok(Some(done)) => Ok(done),
            Ok(None) => {
                self.note_failure(name, failures, visit)?;
                Err(Error::WrongPassword)
            }
            Err(undecided) => {
                self.take_back(&attempt)?;
                Err(undecided)
            }
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

    /// Begins a session; the caller holds [`Exclusive::Users`].
    pub(super) fn open_session(
        &self,
        connection: &mut AnyConnection,
        user: &User,
        secret: RandomSecret,
        visit: &Visit,
    ) -> Result<SignedIn> {
        let now = self.time.now();
        // A secret that was sent as a user agent must not be stored.
        let agent = visit.user_agent.as_ref().filter(|agent| !self.brand.may_occur_in(agent));
        let session = Session {
            id: SessionId::from_number(self.next_id(now)),
            user: user.id,
            created_at: now,
            last_seen_at: now,
            address: visit.address.map(|address| address.to_string()),
            user_agent: agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
        };
        sessions::insert(connection, &session, &secret.digest())?;
        users::set_last_login(connection, user.id, now)?;
        let detail = json!({"session_id": session.id});
        let origin = visit.origin(user.actor());
        audit::insert(connection, now, Action::LoginSucceeded, &origin, None, &detail)?;
        Ok(SignedIn { user: user.clone(), session, secret })
    }

    /// Notes a login that failed. What comes from one address is bounded by the throttle; of many
    /// addresses at once only so many a minute are noted one by one.
    fn note_failure(&self, name: &str, failures: i64, visit: &Visit) -> Result<()> {
        let now = self.time.now();
        let Some(unnoted) = self.failure_log.admit(now) else { return Ok(()) };
        let name = if name.is_empty() { "unknown" } else { name };
        let actor = Actor { kind: ActorKind::User, id: None, name: name.to_owned() };
        let mut detail = json!({"failures": failures});
        if unnoted > 0 {
            detail["others_not_noted"] = json!(unnoted);
        }
        self.database.write(|connection| {
            let origin = visit.origin(actor);
            audit::insert(connection, now, Action::LoginFailed, &origin, None, &detail)
        })?;
        Ok(())
    }

    /// Who is signed in with this secret, as they are now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_session(&self, secret: &RandomSecret) -> Result<Option<(Session, User)>> {
        let (digest, now) = (secret.digest(), self.time.now());
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
                tracing::debug!(%error, "a session's last request was not noted");
            }
        }
        Ok(found)
    }

    /// A user's own sessions that are still good, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list_sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let now = self.time.now();
        let mut found = self.database.read(|connection| sessions::list(connection, user))?;
        found.retain(|session| session.is_live(now));
        Ok(found)
    }

    /// Ends one of a user's own sessions: the present one, to sign out, or another.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database fails.
    pub fn end_session(&self, user: &User, id: SessionId, visit: &Visit) -> Result<()> {
        self.database.write(|connection| {
            if !sessions::delete(connection, user.id, id)? {
                return Err(Error::NotFound);
            }
            let (origin, detail) = (visit.origin(user.actor()), json!({"session_id": id}));
            let at = self.time.now();
            audit::insert(connection, at, Action::LoginEnded, &origin, None, &detail)?;
            Ok(())
        })
    }

    /// Ends all of a user's own sessions but one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_other_sessions(&self, user: &User, kept: SessionId, visit: &Visit) -> Result<()> {
        let (at, origin) = (self.time.now(), visit.origin(user.actor()));
        self.database.write(|connection| {
            for session in sessions::list(connection, user.id)? {
                if session.id != kept && sessions::delete(connection, user.id, session.id)? {
                    let detail = json!({"session_id": session.id});
                    audit::insert(connection, at, Action::LoginEnded, &origin, None, &detail)?;
                }
            }
            Ok(())
        })
    }

    /// Changes a user's own password. Every session of theirs ends; the answer is a new one.
    ///
    /// # Errors
    /// [`Error::WrongPassword`] when the present one is wrong, throttled as signing in is;
    /// [`Error::Invalid`] for the new one, [`Error::Busy`], or when the database fails.
    pub fn change_password(
        &self,
        user: &User,
        present: &str,
        chosen: &str,
        visit: &Visit,
    ) -> Result<SignedIn> {
        let chosen = choose_password(chosen, &user.email)?;
        let hash = self.hasher.hash(&chosen)?;
        let secret = self.random_secret()?;
        self.authenticated(user.email.as_str(), present, visit, |connection, user| {
            let principal = Principal::user(user.clone(), visit);
            self.replace_password(connection, &principal, user, &hash)?;
            self.open_session(connection, user, secret, visit)
        })
    }

    /// Deletes some of what is good no more: sessions, links, failed logins; and counts the sessions
    /// that are left. Says whether there may be more to delete.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sweep_accounts(&self) -> store::Result<bool> {
        let now = self.time.now();
        let swept = self.database.write(|connection| {
            one_time_links::delete_expired(connection, now)?;
            sessions::delete_dead(connection, now, SWEPT_AT_ONCE)
        })?;
        let left = self.database.read(sessions::count)?;
        self.sessions.store(u64::try_from(left).unwrap_or(0), Ordering::Relaxed);
        Ok(self.forget_failures()? || swept as i64 == SWEPT_AT_ONCE)
    }
}

/// Bounds the audit events of failed logins: so many a minute, and how many more there were.
#[derive(Default)]
pub(super) struct FailureLog(std::sync::Mutex<Noted>);

#[derive(Default)]
struct Noted {
    minute: i64,
    noted: u32,
    unnoted: u64,
}

/// How many failed logins are noted one by one in a minute, by each process.
const NOTED_A_MINUTE: u32 = 60;

impl FailureLog {
    /// Whether one more is to be noted, and how many before it were not.
    fn admit(&self, now: crate::model::time::Moment) -> Option<u64> {
        let mut log = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let minute = now.timestamp() / 60;
        if log.minute != minute {
            (log.minute, log.noted) = (minute, 0);
        }
        if log.noted == NOTED_A_MINUTE {
            log.unnoted += 1;
            return None;
        }
        log.noted += 1;
        Some(std::mem::take(&mut log.unnoted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_flood_of_failures_is_counted_and_not_written() {
        let log = FailureLog::default();
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let noted = (0..1000).filter(|_| log.admit(now).is_some()).count();
        assert_eq!(noted, NOTED_A_MINUTE as usize);
        let later = now + chrono::Duration::minutes(1);
        assert_eq!(log.admit(later), Some(940));
        assert_eq!(log.admit(later), Some(0));
    }
}

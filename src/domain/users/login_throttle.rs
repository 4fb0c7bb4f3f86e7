//! Slowing down whoever guesses passwords: by account and address, and by address alone.
//!
//! Nobody is locked out by strangers: what fails from one address closes nothing to others. An
//! attempt is counted before its password is looked at and taken back when it has not failed, so that
//! many at once are no more than so many one after the other. The counts are in the database, for
//! all servers.

use std::net::IpAddr;

use chrono::Duration;

use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::model::network::client_network;
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::store;
use crate::store::AnyConnection;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users::login_failures;
use crate::store::users::login_failures::Failures;

/// Failures with one account from one address before there is a wait.
const FREE_FOR_ACCOUNT: i64 = 5;
/// Failures from one address, with whatever accounts, before there is a wait.
const FREE_FOR_ADDRESS: i64 = 20;
/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::seconds(30);
/// The longest wait, however many failures there were.
const LONGEST_WAIT: Duration = Duration::hours(1);
/// After this time without a failure, those before are forgotten.
const MEMORY: Duration = Duration::hours(24);
/// How many subjects are forgotten at once.
const FORGOTTEN_AT_ONCE: i64 = 500;

/// The subjects that an attempt to sign in is counted under.
pub(in crate::domain) struct Attempt {
    account: Digest,
    address: Digest,
}

impl Attempt {
    /// An attempt with this account, whether or not it exists, from this address.
    pub(in crate::domain) fn new(account: &str, address: Option<IpAddr>) -> Self {
        let place =
            address.map_or("nowhere".to_owned(), |address| client_network(address).to_string());
        let subject = |parts: &str| Digest::of(parts.as_bytes());
        Self {
            account: subject(&format!("account {place} {account}")),
            address: subject(&format!("address {place}")),
        }
    }
}

/// A failure that was counted for a subject before it was known whether it is one.
struct Counted {
    subject: Digest,
    before: Option<Failures>,
    after: Failures,
}

/// An attempt that may go on, and is counted as failed until it is taken back.
pub(in crate::domain) struct Admitted {
    account: Counted,
    address: Counted,
}

impl Admitted {
    /// How often the account has failed from the address, this time included.
    pub(in crate::domain) fn failures(&self) -> i64 {
        self.account.after.failures
    }
}

/// When another attempt is allowed after so many failures.
fn free_again(noted: Failures, free: i64) -> Moment {
    let doublings = noted.failures.saturating_sub(free).min(20);
    let wait = match u32::try_from(doublings) {
        Ok(doublings) => (FIRST_WAIT * 2_i32.pow(doublings)).min(LONGEST_WAIT),
        Err(_none_yet) => Duration::zero(),
    };
    noted.last_at + wait
}

/// Refuses what has to wait; else counts one failure more.
fn count(
    connection: &mut AnyConnection,
    subject: Digest,
    free: i64,
    now: Moment,
) -> Result<Counted> {
    let noted = login_failures::find(connection, &subject)?;
    let before = noted.filter(|noted| now < noted.last_at + MEMORY);
    let wait = before.map_or(Duration::zero(), |before| free_again(before, free) - now);
    if wait > Duration::zero() {
        return Err(Error::TooManyAttempts { seconds: (wait.num_milliseconds() + 999) / 1000 });
    }
    let failures = before.map_or(0, |before| before.failures) + 1;
    let after = Failures { failures, last_at: now };
    login_failures::set(connection, &subject, after)?;
    Ok(Counted { subject, before, after })
}

/// Takes back what was counted, its time too: else those who sign in would prolong the wait that
/// others have caused. If others were counted meanwhile, theirs is the time that stays.
fn take_back(connection: &mut AnyConnection, counted: &Counted) -> Result<()> {
    let Counted { subject, before, after } = counted;
    let Some(noted) = login_failures::find(connection, subject)? else { return Ok(()) };
    let failures = noted.failures - 1;
    let left = if noted == *after { *before } else { Some(Failures { failures, ..noted }) };
    match left.filter(|left| left.failures > 0) {
        Some(left) => Ok(login_failures::set(connection, subject, left)?),
        None => Ok(login_failures::delete(connection, subject)?),
    }
}

impl Bitting {
    /// Counts an attempt as failed, before it is known how it ends.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`].
    pub(in crate::domain) fn admit(&self, attempt: Attempt) -> Result<Admitted> {
        let (Attempt { account, address }, now) = (attempt, self.time.believed());
        self.database.write(|connection| {
            AdvisoryLock::Logins.acquire(connection)?;
            let address = count(connection, address, FREE_FOR_ADDRESS, now)?;
            Ok(Admitted { account: count(connection, account, FREE_FOR_ACCOUNT, now)?, address })
        })
    }

    /// Takes an attempt back that was never decided.
    pub(in crate::domain) fn undo_failure(&self, admitted: &Admitted) -> Result<()> {
        self.database.write(|connection| {
            AdvisoryLock::Logins.acquire(connection)?;
            take_back(connection, &admitted.address)?;
            take_back(connection, &admitted.account)
        })
    }

    /// Forgets what failed with this account from this address, since now it was right. What
    /// failed with others from there stays: else one good account would open all others.
    pub(in crate::domain) fn reset_account(
        connection: &mut AnyConnection,
        admitted: &Admitted,
    ) -> Result<()> {
        AdvisoryLock::Logins.acquire(connection)?;
        take_back(connection, &admitted.address)?;
        Ok(login_failures::delete(connection, &admitted.account.subject)?)
    }

    /// Forgets some of what failed long ago; says whether there may be more.
    pub(in crate::domain) fn forget_failures(&self) -> store::Result<bool> {
        let since = self.time.believed() - MEMORY;
        let forgotten = self.background.write(|connection| {
            AdvisoryLock::Logins.acquire(connection)?;
            login_failures::delete_older(connection, since, FORGOTTEN_AT_ONCE)
        })?;
        Ok(forgotten as i64 == FORGOTTEN_AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::users::login_throttle::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn waits_begin_after_the_free_failures_and_double_up_to_an_hour() {
        let last_at = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let wait = |failures| {
            (free_again(Failures { failures, last_at }, FREE_FOR_ACCOUNT) - last_at).num_seconds()
        };
        let waits: Vec<i64> = (4..=14).map(wait).collect();
        assert_eq!(waits, [0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        assert_eq!(wait(i64::MAX), 3600);
    }

    #[test]
    fn an_attempt_is_told_by_account_and_network() {
        let attempt = |account, address: &str| Attempt::new(account, address.parse().ok());
        let first = attempt("a@example.com", "2001:db8::1");
        assert!(first.address == attempt("b@example.com", "2001:db8::2").address);
        assert!(first.address != attempt("a@example.com", "2001:db8:0:1::1").address);
        assert!(first.account == attempt("a@example.com", "2001:db8::2").account);
        assert!(first.account != attempt("b@example.com", "2001:db8::1").account);
        let v4 = attempt("a@example.com", "192.0.2.1");
        assert!(v4.address != attempt("a@example.com", "192.0.2.2").address);
        assert!(v4.address != v4.account);
    }
}

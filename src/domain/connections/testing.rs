//! Testing connections that there are: on demand, regularly, and after an answer that may mean that
//! the vendor no longer accepts the credential.

use chrono::Duration;
use serde_json::json;

use super::managing::find_present;
use super::probe::{ProbeResult, Subject, probe};
use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::domain::principal::{Principal, require};
use crate::model::actor::Origin;
use crate::model::audit::Action;
use crate::model::connections::{Connection, ConnectionTest, Handle, TestResult};
use crate::model::time::Moment;
use crate::model::warnings::Warning;
use crate::model::words::Word;
use crate::store::AnyConnection;
use crate::store::connections;
use crate::store::database::transaction::AdvisoryLock;

/// How often a connection is tested at most because of what its vendor has answered.
const SUSPICION: Duration = Duration::seconds(60);
/// How long after one that said nothing of the credential there is another test.
const AGAIN: Duration = Duration::minutes(5);

impl Bitting {
    /// Tests a connection now.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or [`Error::Locked`].
    pub fn test_connection(&self, principal: &Principal, handle: &Handle) -> Result<Connection> {
        require(principal.tests_connections())?;
        let connection = self.find_connection(principal, handle)?;
        self.test_and_record(&connection, &principal.origin)
    }

    /// Tests a connection after an answer that may mean that its credential is no longer accepted.
    /// There is no result when it was tested less than a minute ago, by whichever server, or when nobody
    /// has said what it is tested with.
    ///
    /// # Errors
    /// When the credential cannot be opened, or the database fails.
    pub fn test_suspected(&self, connection: &Connection) -> Result<Option<TestResult>> {
        let (now, number) = (self.time.believed(), connection.number);
        let has_test = connection.profile.test_target(connection.kind).is_some();
        if !has_test || !self.claim(number, now - SUSPICION)? {
            return Ok(None);
        }
        let tested = self.test_and_record(connection, &Origin::server())?;
        Ok(tested.test.map(|test| test.result))
    }

    /// Tests one connection that was not tested for long; says whether there may be another.
    ///
    /// # Errors
    /// When the database fails.
    pub fn test_due_connection(&self) -> Result<bool> {
        let every = Duration::from_std(self.connections.test_every).unwrap_or(Duration::MAX);
        let now = self.time.believed();
        let all = self.background.read(connections::list)?;
        let state = |each: &Connection| (each.handle.clone(), each.kind, self.state_of(each).0);
        self.connections.set_states(all.iter().map(state).collect());
        let usable = |each: &&Connection| {
            let has_test = each.profile.test_target(each.kind).is_some();
            has_test && each.disabled_at.is_none() && self.lock_of(each).is_none()
        };
        for connection in all.iter().filter(usable) {
            let last = connection.test.as_ref().map_or(connection.created_at, |test| test.at);
            // What may be otherwise in a moment is looked at again sooner.
            let passing = connection.test.as_ref().is_some_and(|test| {
                matches!(test.result, TestResult::Unreachable | TestResult::Unexpected)
            });
            let due = now - if passing { every.min(AGAIN) } else { every };
            if last > due || !self.claim(connection.number, due)? {
                continue;
            }
            return match self.test_and_record(connection, &Origin::server()) {
                Ok(_) | Err(Error::NotFound | Error::Locked(_)) => Ok(true),
                Err(why) => Err(why),
            };
        }
        Ok(false)
    }

    /// Takes a connection for a test, unless it was taken since then. It is only read first: whoever
    /// provokes suspicious answers must not keep the database writing.
    fn claim(&self, number: u8, not_since: Moment) -> Result<bool> {
        let last = self.background.read(|connection| connections::tested_at(connection, number))?;
        if last.is_some_and(|last| last > not_since) {
            return Ok(false);
        }
        let now = self.time.believed();
        Ok(self.background.write(|connection| {
            // Who changes a connection writes down all of what they read of it.
            AdvisoryLock::Keys.acquire(connection)?;
            connections::claim_for_test(connection, number, not_since, now)
        })?)
    }

    fn test_and_record(&self, connection: &Connection, by: &Origin) -> Result<Connection> {
        let database = self.database.read(connections::database_id)?;
        let allowed = self.connections.require_allowed(connection.kind, &connection.origin);
        let credential = allowed.and_then(|()| self.unseal(connection, &database));
        let credential = credential.map_err(Error::Locked)?;
        let Connection { kind, origin, form, profile, .. } = connection;
        let subject = Subject::of(*kind, origin, profile)?;
        let form = std::slice::from_ref(form);
        let found = probe(&self.connections.connector, &subject, form, &credential);
        self.connections.tests.count(*kind, found.result);
        self.record_test(connection, by, found)
    }

    /// Stores what a test has found. That the vendor does not accept the credential is an event, and
    /// that it does again another; only a success ends it.
    fn record_test(
        &self,
        tested: &Connection,
        by: &Origin,
        found: ProbeResult,
    ) -> Result<Connection> {
        let mut event = None;
        let there = self.background.write(|connection| {
            AdvisoryLock::Keys.acquire(connection)?;
            let mut there = find_present(connection, &tested.handle)?;
            if there.sealed != tested.sealed {
                // Another credential was set meanwhile, of which this says nothing.
                return Ok(there);
            }
            let before = there.test.as_ref().map(|test| test.result);
            let found = found.into_test(self.time.believed(), by);
            there.test = Some(after(there.test.take(), found));
            let result = there.test.as_ref().map(|test| test.result);
            event = match (before, result) {
                (Some(TestResult::Rejected), Some(TestResult::Ok)) => {
                    Some(Action::ConnectionRecovered)
                }
                (Some(TestResult::Rejected), _) => None,
                (_, Some(TestResult::Rejected)) => Some(Action::ConnectionRejected),
                _ => None,
            };
            if let Some(action) = event {
                there.revision = self.record_result(connection, action, by, &there)?;
            }
            if event == Some(Action::ConnectionRejected) {
                let warning = Warning::connection_rejected(&there, self.time.now());
                self.store_messages(connection, &warning)?;
            }
            connections::update(connection, &there)?;
            Result::Ok(there)
        })?;
        if let Some(action) = event {
            self.connection_took_effect(&there);
            tell(action, &there);
        }
        Ok(there)
    }

    pub(super) fn record_result(
        &self,
        connection: &mut AnyConnection,
        action: Action,
        by: &Origin,
        there: &Connection,
    ) -> Result<i64> {
        let why = there.test.as_ref().and_then(|test| test.detail.as_deref());
        let detail = json!({"connection_id": there.id, "handle": there.handle, "detail": why});
        self.record_change(connection, action, by, None, &detail)
    }
}

/// What stands between why a credential was rejected and what else a test has found since.
const LAST: &str = "; the last test says ";

/// A test after another one: what is found again is so since then, and only a success ends that the
/// credential is rejected.
fn after(before: Option<ConnectionTest>, found: ConnectionTest) -> ConnectionTest {
    let Some(before) = before else { return found };
    if before.result == found.result {
        return ConnectionTest { since: before.since, ..found };
    }
    if before.result != TestResult::Rejected || found.result == TestResult::Ok {
        return found;
    }
    let why = before.detail.unwrap_or_default();
    let why = why.split(LAST).next().unwrap_or_default();
    let (result, said) = (found.result.as_str(), found.detail.unwrap_or_default());
    let detail = Some(format!("{why}{LAST}{result}: {said}"));
    ConnectionTest { result: before.result, since: before.since, detail, ..found }
}

/// Logs once that a credential is no longer accepted, and once that it is again.
pub(super) fn tell(action: Action, there: &Connection) {
    let handle = there.handle.as_str();
    if action == Action::ConnectionRejected {
        tracing::warn!(
            connection = handle,
            "the vendor does not accept the credential of a connection; enter another with `bitting \
             connection set-credential`"
        );
    } else {
        tracing::info!(connection = handle, action = action.as_str(), "tested");
    }
}

//! One admission for every front door: a request is judged, and counted once, when its status is
//! known.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::Gate;
use super::caller::Caller;
use super::decision::{Decision, Refusal};
use super::indexed_credential::Holder;
use super::key_use::{Now, Remaining};
use super::limiter::{Account, Standing};
use super::presented_key::{Presented, Unusable};
use super::route::Route;
use super::worker_tally::WorkerTally;
use crate::model::catalog::ResourceNumber;
use crate::model::failed_request::FailedRequest;
use crate::model::id::TokenId;
use crate::model::key::KeyNumber;
use crate::model::scope::Access;
use crate::model::time::{Moment, Timestamp};
use crate::model::usage::{Cell, Outcome};

/// The status of an answer that says nothing about the request: it is not counted.
const SERVICE_UNAVAILABLE: u16 = 503;

/// One worker's way through the gate, with what it counts.
pub struct Door {
    gate: Arc<Gate>,
    tally: Arc<WorkerTally>,
}

/// A request that has been judged.
pub struct Admission {
    /// The caller, or why the request is refused.
    pub verdict: Result<Caller, Refusal>,
    /// The admin token that may only read, and was sent to change something.
    pub overreaching: Option<TokenId>,
    /// Counts the request, once [`PendingCount::finish`] is given its status.
    pub count: PendingCount,
}

/// A request of an API key that is counted when its status is known; when its client goes away
/// before that, as this is dropped. Requests with admin tokens are not counted.
pub struct PendingCount {
    door: Rc<Door>,
    key: Option<KeyNumber>,
    resource: Option<ResourceNumber>,
    access: Access,
    /// When the request was judged, as far as the clock is believed: the moment it is counted under.
    at: Timestamp,
    /// The outcome to count, if the status does not tell it.
    outcome: Option<Outcome>,
    /// Whether it is counted, or its key only noted as used.
    counted: bool,
    standing: Option<Standing>,
}

/// What a request counts as that only asks about another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedAs {
    /// The route of the other.
    pub route: Route,
    /// How that would have ended.
    pub outcome: Outcome,
}

impl Door {
    /// A door of this gate that counts in this tally.
    pub fn new(gate: Arc<Gate>, tally: Arc<WorkerTally>) -> Self {
        Self { gate, tally }
    }

    /// Judges a request from memory. `None`: its credential is not known here yet, so that only
    /// [`Self::admit_after_feed`] can tell.
    pub fn admit(
        self: &Rc<Self>,
        presented: &Result<Presented, Unusable>,
        route: Route,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Option<Admission> {
        let now = self.gate.now();
        let decision = self.gate.judge(presented, route, now, address)?;
        Some(self.admission(decision, route, now))
    }

    /// Judges a request after the next read of the feed, which may bring its credential.
    pub async fn admit_after_feed(
        self: &Rc<Self>,
        presented: &Result<Presented, Unusable>,
        route: Route,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Admission {
        let (decision, now) = self.gate.judge_after_feed(presented, route, address).await;
        self.admission(decision, route, now)
    }

    fn remaining(&self, account: Account, at: Timestamp) -> Remaining {
        self.gate.index.limiter.remaining(account, self.gate.both_clocks(at))
    }

    fn admission(self: &Rc<Self>, mut decision: Decision, route: Route, now: Now) -> Admission {
        let now = self.gate.believed(now);
        let standing = if route.is_question() { None } else { self.gate.limit(&mut decision, now) };
        let at = now.at;
        let Decision { holder, verdict } = decision;
        let lacks_scope = matches!(verdict, Err(Refusal::InsufficientScope { .. }));
        let overreaching = token_of(holder).filter(|_| lacks_scope);
        let (key, outcome) = match &verdict {
            Err(Refusal::Unavailable) => (None, None),
            Err(Refusal::KeyRevoked | Refusal::KeyExpired) => {
                (key_of(holder), Some(Outcome::Retired))
            }
            Err(
                Refusal::MultipleCredentials
                | Refusal::MissingKey
                | Refusal::InvalidKey
                | Refusal::WrongCredential(_)
                | Refusal::NotFound
                | Refusal::Unmapped(_)
                | Refusal::NotOffered
                | Refusal::MethodNotAllowed
                | Refusal::InsufficientScope { .. }
                | Refusal::AddressNotAllowed
                | Refusal::RateLimited { .. }
                | Refusal::QuotaExceeded { .. },
            )
            | Ok(Caller::Key(_)) => (key_of(holder), None),
            Ok(Caller::Token(token)) => {
                self.tally.note_token(token.number(), at);
                (None, None)
            }
        };
        let (door, resource, access) = (self.clone(), route.counted_under(), route.access());
        Admission {
            verdict,
            overreaching,
            count: PendingCount {
                door,
                key,
                resource,
                access,
                at,
                outcome,
                counted: true,
                standing,
            },
        }
    }
}

fn token_of(holder: Option<Holder>) -> Option<TokenId> {
    match holder {
        Some(Holder::AdminToken { id, .. }) => Some(id),
        Some(Holder::ApiKey { .. }) | None => None,
    }
}

fn key_of(holder: Option<Holder>) -> Option<KeyNumber> {
    match holder {
        Some(Holder::ApiKey { number, .. }) => Some(number),
        Some(Holder::AdminToken { .. }) | None => None,
    }
}

impl PendingCount {
    /// Only notes its key as used, whatever becomes of the request.
    pub fn leave_uncounted(&mut self) {
        self.counted = false;
    }

    /// Counts the request as refused for a limit that is not its key's, of which it takes nothing.
    pub fn refused_for_another_limit(&mut self) {
        self.outcome = Some(Outcome::RateLimited);
        if let Some(standing) = self.standing.as_mut().filter(|standing| standing.taken) {
            self.door.gate.index.limiter.give_back_rate(standing.account);
            standing.remaining = self.door.remaining(standing.account, self.at);
        }
    }

    /// Counts the request as one of a credential that had ended already: it did so while the
    /// request was still coming in.
    pub fn ended_meanwhile(&mut self) {
        self.outcome = Some(Outcome::Retired);
    }

    /// Counts the request as another one that it only asks about.
    pub fn count_as(&mut self, other: CountedAs) {
        let CountedAs { route, outcome } = other;
        (self.resource, self.access) = (route.counted_under(), route.access());
        self.outcome = Some(outcome);
    }

    /// Counts the request by this status, whatever it is, since somebody else's API answered with it.
    pub fn answered_elsewhere(&mut self, status: u16) {
        self.outcome = Some(Outcome::of_status(status));
    }

    /// Keeps what there is to say of a request that was refused or failed.
    pub fn record_failure(&self, failed: impl FnOnce(Moment) -> FailedRequest) {
        if let Some(key) = self.key.filter(|_| self.counted) {
            self.door.tally.note_error(key, failed(self.at.moment()));
        }
    }

    /// Leaves the request uncounted, since another door will judge and count it.
    pub fn discard(mut self) {
        self.key = None;
        if let Some(standing) = self.standing.filter(|standing| standing.taken) {
            self.door.gate.index.limiter.give_back(standing.account, self.at);
        }
    }

    /// Counts the request by the status of its answer. What the client calls itself is asked for
    /// when its address may have to be recorded. Returns what is left of the key's limits on its
    /// requests, if it has any.
    pub fn finish<'a>(
        mut self,
        status: u16,
        address: Option<IpAddr>,
        user_agent: impl FnOnce() -> Option<&'a str>,
    ) -> Option<Standing> {
        let Some(key) = self.key.take() else { return self.standing };
        let is_told = status != SERVICE_UNAVAILABLE || self.outcome.is_some();
        let cell = self.cell(self.outcome.unwrap_or_else(|| Outcome::of_status(status)));
        if is_told {
            let n = u32::from(self.counted);
            self.door.tally.add(n, (key, cell), self.at, address, user_agent);
        }
        let standing = self.standing.as_mut().filter(|standing| standing.taken);
        if let Some(standing) = standing.filter(|_| !is_told || !cell.outcome().is_accepted()) {
            self.door.gate.index.limiter.give_back_quota(standing.account, self.at);
            standing.remaining = self.door.remaining(standing.account, self.at);
        }
        self.standing
    }

    fn cell(&self, outcome: Outcome) -> Cell {
        Cell::new(self.resource, self.access, outcome)
    }
}

/// Counts a request that was never finished: its client went away before the answer.
impl Drop for PendingCount {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let cell = self.cell(Outcome::ClientError);
            let n = u32::from(self.counted);
            self.door.tally.add(n, (key, cell), self.at, None, || None);
        }
    }
}

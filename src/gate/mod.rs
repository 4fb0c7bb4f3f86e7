//! The gate: who is calling, and may they. The one decision shared by every front door, made from
//! memory alone.
//!
//! A front door hands in what was presented and what its route needs, and is told either who the
//! caller is or why not. Nothing here knows a database, SQL or HTTP's types, so that a request waits
//! for none of them: what memory does not know is read by others, and only waited for.

pub mod admission;
pub mod advice;
pub mod budget;
pub mod caller;
pub mod connection_limits;
pub mod decision;
pub mod freshness;
pub mod identities;
pub mod indexed_credential;
pub mod key_index;
pub mod key_use;
pub mod last_errors;
pub mod limiter;
pub mod policies;
pub mod presented_key;
pub mod refusal;
pub mod route;
pub mod row_numbers;
mod slot;
mod slots;
pub mod timekeeper;
pub mod window;
pub mod worker_tally;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::catalog::Catalog;
use crate::model::secret::Brand;
use crate::model::time::Timestamp;

use connection_limits::ConnectionLimits;
use decision::{Decision, Lookup, Refusal, decide};
use freshness::Freshness;
use indexed_credential::Holder;
use key_index::KeyIndex;
use key_use::{Exhausted, Now, Remaining};
use limiter::Standing;
use presented_key::{Expected, Presented, Unusable};
use route::Route;
use timekeeper::Timekeeper;

/// Everything that requests are judged by, in memory.
pub struct Gate {
    /// Every key and admin token.
    pub index: KeyIndex,
    /// What is used up of the limits of connections.
    pub connection_limits: ConnectionLimits,
    /// How recent the index is.
    pub freshness: Freshness,
    catalog: Arc<Catalog>,
    brand: Brand,
    time: Arc<Timekeeper>,
}

impl Gate {
    /// A gate that knows no credential yet.
    pub fn new(
        catalog: Arc<Catalog>,
        brand: Brand,
        time: Arc<Timekeeper>,
        max_staleness: Duration,
    ) -> Self {
        let index = KeyIndex::new(catalog.clone());
        let (freshness, connection_limits) =
            (Freshness::new(max_staleness), ConnectionLimits::default());
        Self { index, connection_limits, freshness, catalog, brand, time }
    }

    /// The credential among the headers of a request.
    ///
    /// # Errors
    /// Why there is not exactly one that can be looked up.
    pub fn read<'a>(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Presented, Unusable> {
        let foreign = self.index.holds_imported();
        presented_key::read(headers, Expected { brand: &self.brand, foreign })
    }

    /// Looks the credential up in memory, and decides as of `now`, a moment ago. `None`: it is not known
    /// here yet, so that only [`Self::judge_after_feed`] can tell.
    ///
    /// One of foreign form has no checksum that would tell a made-up one, and causes no read: a flood
    /// of them costs a hash each, and an imported key is known once the feed has brought it.
    pub fn judge(
        &self,
        presented: &Result<Presented, Unusable>,
        route: Route,
        now: Now,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Option<Decision> {
        let fresh = self.is_fresh(now);
        let lookup = match presented {
            Err(_) => Lookup::Unknown,
            Ok(presented) => match self.index.find(&presented.digest) {
                Some(credential) => Lookup::Found(credential),
                None if presented.foreign && fresh => Lookup::Unknown,
                None if presented.foreign => Lookup::Unavailable,
                None => return None,
            },
        };
        let inside = route.is_question() || self.is_inside(&lookup, address);
        Some(decide(presented, lookup, fresh, inside, now.at, route, &self.catalog))
    }

    /// Decides about a credential that memory does not know: it may have been made elsewhere a
    /// moment ago, so the next read of the feed is waited for.
    pub async fn judge_after_feed(
        &self,
        presented: &Result<Presented, Unusable>,
        route: Route,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> (Decision, Now) {
        let read = self.freshness.next_read().await;
        let now = self.now();
        let fresh = self.is_fresh(now);
        let found = presented.as_ref().ok().and_then(|p| self.index.find(&p.digest));
        let lookup = match (found, read) {
            (Some(credential), _) => Lookup::Found(credential),
            (None, Ok(())) => Lookup::Unknown,
            (None, Err(_)) => Lookup::Unavailable,
        };
        let inside = route.is_question() || self.is_inside(&lookup, address);
        (decide(presented, lookup, fresh, inside, now.at, route, &self.catalog), now)
    }

    /// Decides about another request than the one that presents the credential, and holds it to the
    /// key's limits. `takes`: whether it uses them up.
    pub fn answer(
        &self,
        presented: &Result<Presented, Unusable>,
        route: Route,
        address: impl FnOnce() -> Option<IpAddr>,
        takes: bool,
    ) -> Option<(Decision, Option<Standing>)> {
        let now = self.now();
        let mut decision = self.judge(presented, route, now, address)?;
        let now = self.believed(now);
        let mut standing = self.limit(&mut decision, now);
        if let Some(standing) = &mut standing
            && standing.taken
            && !takes
        {
            let limiter = &self.index.limiter;
            limiter.give_back(standing.account, now.at);
            standing.remaining = limiter.remaining(standing.account, now);
        }
        Some((decision, standing))
    }

    /// Whether the client is where a credential may be used.
    fn is_inside(&self, lookup: &Lookup, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        let Lookup::Found(credential) = lookup else { return true };
        let limits = credential.policy.limits;
        !limits.is_some() || self.index.limiter.limits(limits).is_none_or(|l| l.admit(address))
    }

    /// Holds a request that is decided to its key's limits: it takes one from what is left if it is
    /// accepted, and is refused if nothing is. Returns what is left for a live key that has limits
    /// on its requests.
    fn limit(&self, decision: &mut Decision, now: Now) -> Option<Standing> {
        let Some(Holder::ApiKey { account, .. }) = decision.holder else { return None };
        if !account.limits.is_some() {
            return None;
        }
        let limiter = &self.index.limiter;
        let remaining = match &decision.verdict {
            Err(Refusal::KeyRevoked | Refusal::KeyExpired | Refusal::Unavailable) => return None,
            Err(_) => limiter.remaining(account, now),
            Ok(_) => limiter.take(account, now).unwrap_or_else(|(why, remaining)| {
                decision.verdict = Err(match why {
                    Exhausted::Rate { seconds } => Refusal::RateLimited { seconds },
                    Exhausted::Quota { seconds } => Refusal::QuotaExceeded { seconds },
                });
                remaining
            }),
        };
        let taken = decision.verdict.is_ok();
        (remaining != Remaining::default()).then_some(Standing { account, remaining, taken })
    }

    /// What both clocks say.
    pub fn now(&self) -> Now {
        self.both_clocks(self.time.timestamp())
    }

    /// The same moment as far as the clock is believed: the one that requests are counted under.
    pub fn believed(&self, now: Now) -> Now {
        Now { at: self.time.high_water_timestamp(), ..now }
    }

    /// A time of day, and nanoseconds that never go back.
    fn both_clocks(&self, at: Timestamp) -> Now {
        let uptime = i64::try_from(self.time.uptime().as_nanos()).unwrap_or(i64::MAX);
        Now { at, uptime }
    }

    /// Whether the index is recent enough at a time before the look-up: afterwards the answer could be
    /// about a read that the look-up has not seen.
    fn is_fresh(&self, now: Now) -> bool {
        self.freshness.is_fresh(Duration::from_nanos(now.uptime.unsigned_abs()))
    }
}

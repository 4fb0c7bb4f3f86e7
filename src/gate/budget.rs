//! Limits on the number of requests, in the units that each request is held to. What is used up of
//! them is not kept here.

use crate::model::limits::{KeyLimits, Quota, RateLimit};

/// How many requests limits allow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) bucket: Option<Bucket>,
    pub(super) quota: Option<Quota>,
}

impl Budget {
    /// That of limits; none where they allow any number of requests.
    pub(super) fn of(limits: &KeyLimits) -> Option<Self> {
        let &KeyLimits { rate_limit, quota, .. } = limits;
        let counted = rate_limit.is_some() || quota.is_some();
        counted.then(|| Self { bucket: rate_limit.map(Bucket::of), quota })
    }

    /// That of a rate limit alone.
    pub(super) fn of_rate(limit: RateLimit) -> Self {
        Self { bucket: Some(Bucket::of(limit)), quota: None }
    }
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many requests are accepted now.
    pub requests: u32,
    /// Seconds, rounded up, until all of them are again.
    pub reset: u32,
}

impl Left {
    /// Of a quota of which so many are used, and which begins anew after so many seconds.
    pub(super) fn of_quota(quota: Quota, used: u64, reset: u32) -> Self {
        let requests = u64::from(quota.requests).saturating_sub(used);
        Self { requests: u32::try_from(requests).unwrap_or(u32::MAX), reset }
    }
}

/// A rate limit as a bucket that fills evenly (GCRA), in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// What one request takes: rounded up, so that a limit is never exceeded. Over a million requests a
    /// second, which no server serves, a limit grants less than it says by that.
    pub(super) cost: i64,
    /// What it holds: so many requests as the limit names.
    pub(super) size: i64,
}

impl Bucket {
    fn of(limit: RateLimit) -> Self {
        let period = i64::from(limit.per.seconds()) * 1_000_000_000;
        let requests = i64::from(limit.requests);
        let cost = (period + requests - 1) / requests;
        Self { cost, size: cost * requests }
    }

    /// What is left of one that is full at a time.
    pub(super) fn left(self, full_at: i64, now: i64) -> Left {
        let missing = (full_at - now).max(0);
        // Both are positive, and without a sign the division is cheaper.
        let requests = (self.size - missing).max(0).unsigned_abs() / self.cost.unsigned_abs();
        Left { requests: u32::try_from(requests).unwrap_or(u32::MAX), reset: seconds(missing) }
    }
}

/// Nanoseconds as seconds, rounded up.
pub(super) fn seconds(nanoseconds: i64) -> u32 {
    u32::try_from((nanoseconds.max(0) as u64).div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

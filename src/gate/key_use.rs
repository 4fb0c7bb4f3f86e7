//! What is used up of one key's limits, in memory: a bucket that fills evenly (GCRA), and a count of
//! the requests in the current day or month.
//!
//! Both are one atomic number, so that however many workers ask at once, no request is accepted
//! beyond a limit and none waits for another.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use super::budget::{Bucket, Budget, Left, seconds};
use super::window::{Window, period_of_window};
use crate::model::limits::Quota;
use crate::model::time::Timestamp;
use crate::model::usage::Minute;

/// What is owed for requests on other servers is worked off for this long at most, and for as long
/// as the limit's own period if that is longer.
const LONGEST_DEBT: i64 = 10_000_000_000;

/// When a request is judged, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The time of day.
    pub at: Timestamp,
    /// Nanoseconds that never go back.
    pub uptime: i64,
}

/// What is left of each of a key's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Of the rate limit.
    pub rate: Option<Left>,
    /// Of the quota.
    pub quota: Option<Left>,
}

/// Which limit is used up, and for how many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The rate limit.
    Rate {
        /// Until one request is accepted again.
        seconds: u32,
    },
    /// The quota.
    Quota {
        /// Until its day or month is over.
        seconds: u32,
    },
}

/// The bits that hold a count of requests; those above hold the number of the window.
const COUNT_BITS: u32 = 40;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// How many requests of a window are counted in a packed number.
fn counted(packed: u64, window: &Window) -> u64 {
    if packed >> COUNT_BITS == u64::from(window.number) { packed & COUNT_MASK } else { 0 }
}

fn pack(count: u64, window: &Window) -> u64 {
    u64::from(window.number) << COUNT_BITS | count.min(COUNT_MASK)
}

/// What the database was last known to hold of a key. No request looks at it.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The number of the window that it is about.
    window: u32,
    /// Requests that other servers, or this one before it was started, have accepted.
    others: i64,
    /// Requests that this process has accepted and written.
    own: i64,
    /// When it was read; none before the first time.
    at: Option<i64>,
}

impl Reading {
    fn turn_to(&mut self, window: &Window) {
        if self.window != window.number {
            // From one kind of window to another, what is new is not what was used since.
            let same_kind = period_of_window(self.window) == period_of_window(window.number);
            let at = self.at.filter(|_| same_kind);
            *self = Self { window: window.number, at, ..Self::default() };
        }
    }
}

/// What is used up of a key's limits. Keys are used in any order, so that each request waits for memory
/// here; keep it at 32 bytes.
#[derive(Debug)]
pub struct KeyUse {
    /// What the key's requests are counted under.
    pub key: u32,
    /// The number of the limits it has.
    pub(super) current: AtomicU32,
    /// The number of those that `full_at` was last changed under.
    limits: AtomicU32,
    /// The uptime at which the bucket is full, in nanoseconds.
    full_at: AtomicI64,
    /// How many requests were accepted in a window, and its number; in a day's without a quota.
    used: AtomicU64,
}

const _: () = assert!(size_of::<KeyUse>() == 32);

impl KeyUse {
    /// Of a key that has not been used.
    pub(super) fn new(key: u32) -> Self {
        Self {
            key,
            current: AtomicU32::new(0),
            limits: AtomicU32::new(0),
            full_at: AtomicI64::new(0),
            used: AtomicU64::new(0),
        }
    }

    /// Takes one request from what is left.
    pub(super) fn take(&self, budget: &Budget, now: Now) -> Result<Remaining, Exhausted> {
        let &Budget { bucket, quota } = budget;
        // Looked at first, so that a request that is over the quota takes nothing from the bucket.
        let window = Window::of(quota, now.at);
        if let Some(quota) = quota
            && counted(self.used.load(Ordering::Relaxed), &window) >= quota.requests.into()
        {
            return Err(Exhausted::Quota { seconds: window.seconds_left(now.at) });
        }
        let rate = bucket.map(|bucket| self.take_from_bucket(bucket, now.uptime));
        let rate = rate.transpose()?;
        // Another worker may have taken the last one meanwhile.
        let quota = self.take_from_quota(quota, &window, now.at);
        let quota = quota.inspect_err(|_| self.give_back_to_bucket(budget))?;
        Ok(Remaining { rate, quota })
    }

    fn take_from_bucket(&self, bucket: Bucket, now: i64) -> Result<Left, Exhausted> {
        // Relaxed: the number stands for itself, and nothing else is read by it.
        let after = |full_at: i64| full_at.max(now) + bucket.cost;
        let taken = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(after(full_at)).filter(|after| after - now <= bucket.size)
        });
        match taken {
            Ok(before) => Ok(bucket.left(after(before), now)),
            Err(full_at) => {
                Err(Exhausted::Rate { seconds: seconds(after(full_at) - now - bucket.size).max(1) })
            }
        }
    }

    /// Also counts where there is no quota: one that the key gets later that day begins with these.
    fn take_from_quota(
        &self,
        quota: Option<Quota>,
        window: &Window,
        now: Timestamp,
    ) -> Result<Option<Left>, Exhausted> {
        let most = quota.map_or(COUNT_MASK, |quota| quota.requests.into());
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            let count = counted(packed, window);
            (count < most).then(|| pack(count + 1, window))
        });
        let seconds = || window.seconds_left(now);
        match taken {
            Ok(before) => {
                let used = counted(before, window) + 1;
                Ok(quota.map(|quota| Left::of_quota(quota, used, seconds())))
            }
            Err(_) => Err(Exhausted::Quota { seconds: seconds() }),
        }
    }

    /// Gives one request back that was taken at a time.
    pub(super) fn give_back(&self, budget: &Budget, at: Timestamp) {
        self.give_back_to_bucket(budget);
        self.give_back_quota(budget, at);
    }

    pub(super) fn give_back_to_bucket(&self, budget: &Budget) {
        if let Some(bucket) = budget.bucket {
            self.full_at.fetch_sub(bucket.cost, Ordering::Relaxed);
        }
    }

    /// Gives one request back to the quota alone.
    pub(super) fn give_back_quota(&self, budget: &Budget, at: Timestamp) {
        let window = Window::of(budget.quota, at);
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            counted(packed, &window).checked_sub(1).map(|count| pack(count, &window))
        });
    }

    /// What is left, without taking anything.
    pub(super) fn remaining(&self, budget: &Budget, now: Now) -> Remaining {
        let full_at = self.full_at.load(Ordering::Relaxed);
        let quota = budget.quota.map(|quota| {
            let window = Window::of(Some(quota), now.at);
            let used = counted(self.used.load(Ordering::Relaxed), &window);
            Left::of_quota(quota, used, window.seconds_left(now.at))
        });
        let rate = budget.bucket.map(|bucket| bucket.left(full_at, now.uptime));
        Remaining { rate, quota }
    }

    /// The number of the limits that it was last used under.
    pub(super) fn used_under(&self) -> u32 {
        self.limits.load(Ordering::Relaxed)
    }

    /// Goes over to other limits: as many requests as were missing from the old bucket are missing
    /// from the new one, as far as it holds so many.
    pub(super) fn change(&self, number: u32, old: Option<&Budget>, new: &Budget, now: i64) {
        // Without a rate limit in between, the bucket stays what it was under the one before.
        let Some(new) = new.bucket else { return };
        if self.limits.swap(number, Ordering::Relaxed) == number {
            return;
        }
        if let Some(old) = old.and_then(|budget| budget.bucket) {
            let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let missing = ((full_at - now).max(0) + old.cost - 1) / old.cost;
                Some(now + missing.saturating_mul(new.cost).min(new.size))
            });
        }
    }

    /// Notes that a request this process accepted in a minute is written, `n` times: also while there is
    /// no quota, since there may have been one when it was accepted. What it accepted before there was an
    /// account of the window is learnt like what others have.
    pub(super) fn note_written(
        &self,
        reading: &mut Reading,
        quota: Option<Quota>,
        minute: Minute,
        n: i64,
    ) {
        let used = self.used.load(Ordering::Relaxed);
        let used_in = || period_of_window((used >> COUNT_BITS) as u32);
        let period = quota.map_or_else(used_in, |quota| quota.per);
        let window = Window::of_period(period, Timestamp(minute.start_ms()));
        if reading.window < window.number || period_of_window(reading.window) != period {
            reading.turn_to(&window);
        }
        if reading.window == window.number {
            let taken = counted(used, &window) as i64 - reading.others;
            reading.own = (reading.own + n).min(taken.max(0));
        }
    }

    /// Learns how many requests the database holds of a window, whoever accepted them: what others
    /// have accepted since the last time is taken from what is left.
    pub(super) fn learn(
        &self,
        reading: &mut Reading,
        budget: &Budget,
        window: &Window,
        total: i64,
        (quiet_until, now): (Option<i64>, i64),
    ) {
        reading.turn_to(window);
        let more = total - reading.own - reading.others;
        reading.others += more;
        let since = reading.at.replace(now).map(|at| at.max(quiet_until.unwrap_or(at)));
        let all = reading.others;
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            let here = packed >> COUNT_BITS == u64::from(window.number);
            let more = if here { more } else { all };
            let count = counted(packed, window).saturating_add_signed(more);
            (more != 0).then(|| pack(count, window))
        });
        if let (Some(bucket), Some(since)) = (budget.bucket, since) {
            self.charge(bucket, more, since, now);
        }
    }

    /// Takes requests from the bucket that were accepted elsewhere since a time. It may owe some
    /// afterwards: else every server would accept the whole limit for itself.
    fn charge(&self, bucket: Bucket, requests: i64, since: i64, now: i64) {
        let most = now + bucket.size + bucket.size.max(LONGEST_DEBT);
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let taken = requests.saturating_mul(bucket.cost);
            let charged = full_at.max(since).saturating_add(taken);
            (requests != 0).then(|| charged.min(most.max(full_at)))
        });
    }
}

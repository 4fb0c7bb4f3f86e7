//! What is used up of one key's limits, in memory: a bucket that fills evenly (GCRA), and a count of
//! the requests in the current day or month.
//!
//! Both are one atomic number, so that however many workers ask at once, no request is accepted
//! beyond a limit and none waits for another.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use chrono::{Datelike, Months, NaiveDate};

use crate::model::limits::{KeyLimits, Quota, QuotaPeriod, RateLimit};
use crate::model::time::Moment;
use crate::model::usage::{Hour, Minute};

/// What is owed for requests on other servers is worked off for this long at most, and for as long
/// as the limit's own period if that is longer.
const LONGEST_DEBT: i64 = 10_000_000_000;

/// When a request is judged, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The time of day.
    pub moment: Moment,
    /// Nanoseconds that never go back.
    pub uptime: i64,
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many requests are accepted now.
    pub requests: u32,
    /// Seconds, rounded up, until all of them are again.
    pub reset: u32,
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

/// A rate limit in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// What one request takes: rounded up, so that a limit is never exceeded. Over a million requests a
    /// second, which no server serves, a limit grants less than it says by that.
    cost: i64,
    /// What it holds: so many requests as the limit names.
    size: i64,
}

impl Bucket {
    fn of(limit: RateLimit) -> Self {
        let (period, requests) = (period_of(limit), i64::from(limit.requests));
        let cost = (period + requests - 1) / requests;
        Self { cost, size: cost * requests }
    }

    fn left(self, full_at: i64, now: i64) -> Left {
        let missing = (full_at - now).max(0);
        let requests = (self.size - missing).max(0) / self.cost;
        Left { requests: u32::try_from(requests).unwrap_or(u32::MAX), reset: seconds(missing) }
    }
}

fn period_of(limit: RateLimit) -> i64 {
    i64::from(limit.per.seconds()) * 1_000_000_000
}

fn seconds(nanoseconds: i64) -> u32 {
    u32::try_from((nanoseconds.max(0) as u64).div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

/// The bit of a window's number that tells a month from a day.
const MONTH: u32 = 1;

fn period_of_window(number: u32) -> QuotaPeriod {
    if number & MONTH == 0 { QuotaPeriod::Day } else { QuotaPeriod::Month }
}

/// A day or a month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tells it from every other day and month.
    number: u32,
    /// Its first minute.
    pub start: Minute,
    /// The first minute after it.
    end: Minute,
}

impl Window {
    /// That of a quota, or a day where there is none.
    pub fn of(quota: Option<Quota>, moment: Moment) -> Self {
        Self::of_period(quota.map_or(QuotaPeriod::Day, |quota| quota.per), moment)
    }

    fn of_period(period: QuotaPeriod, moment: Moment) -> Self {
        let today = moment.date_naive();
        match period {
            QuotaPeriod::Day => {
                let (number, start) =
                    (today.num_days_from_ce().unsigned_abs() << 1, midnight(today));
                Self { number, start, end: Minute(start.0 + MINUTES_A_DAY) }
            }
            QuotaPeriod::Month => {
                let number = (today.year().unsigned_abs() * 12 + today.month0()) << 1 | MONTH;
                let first = today.with_day(1).unwrap_or(today);
                let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
                Self { number, start: midnight(first), end: midnight(next) }
            }
        }
    }

    /// Its first hour.
    pub fn first_hour(&self) -> Hour {
        self.start.hour()
    }

    /// Whether a moment lies in it.
    pub fn holds(&self, moment: Moment) -> bool {
        (self.start..self.end).contains(&Minute::of(moment))
    }

    fn seconds_left(&self, now: Moment) -> u32 {
        let left = (self.end.start_ms() - now.timestamp_millis()).max(0) as u64;
        u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

const MINUTES_A_DAY: i64 = 24 * 60;

fn midnight(day: NaiveDate) -> Minute {
    Minute(i64::from(day.to_epoch_days()) * MINUTES_A_DAY)
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
    pub(super) fn take(&self, limits: &KeyLimits, now: Now) -> Result<Remaining, Exhausted> {
        // Looked at first, so that a request that is over the quota takes nothing from the bucket.
        let window = Window::of(limits.quota, now.moment);
        if let Some(quota) = limits.quota
            && counted(self.used.load(Ordering::Relaxed), &window) >= quota.requests.into()
        {
            return Err(Exhausted::Quota { seconds: window.seconds_left(now.moment) });
        }
        let rate = limits.rate_limit.map(|limit| self.take_from_bucket(limit, now.uptime));
        let rate = rate.transpose()?;
        // Another worker may have taken the last one meanwhile.
        let quota = self.take_from_quota(limits.quota, &window, now.moment);
        let quota = quota.inspect_err(|_| self.give_back_to_bucket(limits))?;
        Ok(Remaining { rate, quota })
    }

    fn take_from_bucket(&self, limit: RateLimit, now: i64) -> Result<Left, Exhausted> {
        let bucket = Bucket::of(limit);
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
        now: Moment,
    ) -> Result<Option<Left>, Exhausted> {
        let most = quota.map_or(COUNT_MASK, |quota| quota.requests.into());
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            let count = counted(packed, window);
            (count < most).then(|| pack(count + 1, window))
        });
        let seconds = window.seconds_left(now);
        match taken {
            Ok(before) => {
                Ok(quota.map(|quota| left_of(quota, counted(before, window) + 1, seconds)))
            }
            Err(_) => Err(Exhausted::Quota { seconds }),
        }
    }

    /// Gives one request back that was taken at a moment.
    pub(super) fn give_back(&self, limits: &KeyLimits, moment: Moment) {
        self.give_back_to_bucket(limits);
        self.give_back_quota(limits, moment);
    }

    pub(super) fn give_back_to_bucket(&self, limits: &KeyLimits) {
        if let Some(limit) = limits.rate_limit {
            self.full_at.fetch_sub(Bucket::of(limit).cost, Ordering::Relaxed);
        }
    }

    /// Gives one request back to the quota alone.
    pub(super) fn give_back_quota(&self, limits: &KeyLimits, moment: Moment) {
        let window = Window::of(limits.quota, moment);
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            counted(packed, &window).checked_sub(1).map(|count| pack(count, &window))
        });
    }

    /// What is left, without taking anything.
    pub(super) fn remaining(&self, limits: &KeyLimits, now: Now) -> Remaining {
        let full_at = self.full_at.load(Ordering::Relaxed);
        let quota = limits.quota.map(|quota| {
            let window = Window::of(Some(quota), now.moment);
            let used = counted(self.used.load(Ordering::Relaxed), &window);
            left_of(quota, used, window.seconds_left(now.moment))
        });
        let rate = limits.rate_limit.map(|limit| Bucket::of(limit).left(full_at, now.uptime));
        Remaining { rate, quota }
    }

    /// The number of the limits that it was last used under.
    pub(super) fn used_under(&self) -> u32 {
        self.limits.load(Ordering::Relaxed)
    }

    /// Goes over to other limits: as many requests as were missing from the old bucket are missing
    /// from the new one, as far as it holds so many.
    pub(super) fn change(&self, number: u32, old: Option<&KeyLimits>, new: &KeyLimits, now: i64) {
        // Without a rate limit in between, the bucket stays what it was under the one before.
        if new.rate_limit.is_none() || self.limits.swap(number, Ordering::Relaxed) == number {
            return;
        }
        let old = old.and_then(|limits| limits.rate_limit).map(Bucket::of);
        if let (Some(old), Some(limit)) = (old, new.rate_limit) {
            let new = Bucket::of(limit);
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
        let window = Window::of_period(period, minute.start());
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
        limits: &KeyLimits,
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
        if let (Some(limit), Some(since)) = (limits.rate_limit, since) {
            self.charge(limit, more, since, now);
        }
    }

    /// Takes requests from the bucket that were accepted elsewhere since a time. It may owe some
    /// afterwards: else every server would accept the whole limit for itself.
    fn charge(&self, limit: RateLimit, requests: i64, since: i64, now: i64) {
        let (bucket, longest) = (Bucket::of(limit), period_of(limit).max(LONGEST_DEBT));
        let most = now + bucket.size + longest;
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let taken = requests.saturating_mul(bucket.cost);
            let charged = full_at.max(since).saturating_add(taken);
            (requests != 0).then(|| charged.min(most.max(full_at)))
        });
    }
}

fn left_of(quota: Quota, used: u64, reset: u32) -> Left {
    let requests = u64::from(quota.requests).saturating_sub(used);
    Left { requests: u32::try_from(requests).unwrap_or(u32::MAX), reset }
}

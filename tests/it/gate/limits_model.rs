//! The limiter against a token bucket and a counter that reckon exactly, with fractions.

use std::collections::BTreeMap;

use bitting::gate::key_index::{Holder, KeyIndex};
use bitting::gate::key_use::{Exhausted, Now};
use bitting::model::id::{KeyId, PublicId};
use bitting::model::key::{KeyChange, KeyNumber};
use bitting::model::limits::{KeyLimits, Quota, RateLimit};
use bitting::model::scope::ScopeSet;
use bitting::model::secret::Digest;
use bitting::model::time::{Moment, Timestamp, parse_rfc3339};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn limits(rate: Option<RateLimit>, quota: Option<Quota>) -> KeyLimits {
    KeyLimits { rate_limit: rate, quota, allowed_networks: None }
}

/// One key in an index of its own.
struct Limited {
    index: KeyIndex,
    revision: i64,
}

impl Limited {
    fn to(limits: KeyLimits) -> Self {
        let mut limited = Self { index: KeyIndex::default(), revision: 0 };
        limited.change(limits);
        limited
    }

    fn change(&mut self, limits: KeyLimits) {
        self.revision += 1;
        let key = KeyChange {
            digest: Digest::of(b"key"),
            number: KeyNumber(7),
            id: KeyId::from_number(7),
            scopes: ScopeSet::default(),
            limits,
            expires_at: None,
            revoked: false,
            imported: false,
            revision: self.revision,
        };
        self.index.apply(key.digest, self.index.entry(&key));
    }

    fn take(&self, uptime: i64) -> Result<Option<u32>, Exhausted> {
        let at = Timestamp::of(start() + chrono::Duration::nanoseconds(uptime));
        let Some(Holder::ApiKey { account, .. }) =
            self.index.find(&Digest::of(b"key")).map(|entry| entry.holder())
        else {
            panic!("the key is there")
        };
        let taken = self.index.limiter.take(account, Now { at, uptime });
        taken.map(|left| left.rate.map(|left| left.requests)).map_err(|(why, _)| why)
    }
}

fn start() -> Moment {
    parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
}

/// A bucket that holds `size` tokens of `period` parts each and gets `size` parts a nanosecond.
struct Bucket {
    size: i128,
    period: i128,
    parts: i128,
    at: i64,
}

impl Bucket {
    fn of(limit: RateLimit) -> Self {
        let (size, period) =
            (limit.requests.into(), i128::from(limit.per.seconds()) * 1_000_000_000);
        Self { size, period, parts: size * period, at: 0 }
    }

    /// The same with the next longer period of which each token takes a whole number of nanoseconds.
    fn rounded(limit: RateLimit) -> Self {
        let Self { size, period, .. } = Self::of(limit);
        let period = (period + size - 1) / size * size;
        Self { size, period, parts: size * period, at: 0 }
    }

    /// Whether a token is there; it is taken then.
    fn take(&mut self, at: i64) -> bool {
        self.parts += i128::from(at - self.at) * self.size;
        self.parts = self.parts.min(self.size * self.period);
        self.at = at;
        let there = self.parts >= self.period;
        if there {
            self.parts -= self.period;
        }
        there
    }
}

fn rate() -> impl Strategy<Value = RateLimit> {
    // Those whose requests take a whole number of nanoseconds: others lose a fraction of one.
    let even = prop_oneof![Just(1u32), Just(2), Just(5), Just(20), Just(100), Just(1000)];
    let per = prop_oneof![Just("second"), Just("minute"), Just("hour")];
    (even, per).prop_map(|(requests, per)| format!("{requests}/{per}").parse().unwrap())
}

proptest! {
    /// At every moment it accepts what the bucket has, and nothing else.
    #[test]
    fn a_rate_limit_is_a_token_bucket(
        limit in rate(),
        waits in prop::collection::vec(prop_oneof![Just(0i64), 0..SECOND / 100, 0..100 * SECOND], 1..300),
    ) {
        let limited = Limited::to(limits(Some(limit), None));
        let (mut bucket, mut now) = (Bucket::of(limit), 0);
        for wait in waits {
            now += wait;
            let taken = limited.take(now);
            prop_assert_eq!(taken.is_ok(), bucket.take(now), "at {} of {}", now, limit);
            if let Ok(left) = taken {
                prop_assert_eq!(left.map(i128::from), Some(bucket.parts / bucket.period));
            }
        }
    }

    /// Where a request takes no whole number of nanoseconds, the next larger one counts: none is
    /// ever accepted too many or too few, and whoever waits as long as is said is accepted.
    #[test]
    fn any_rate_limit_is_never_exceeded(
        requests in prop_oneof![1u32..50, 1u32..1_000_000], per in 0usize..3,
        waits in prop::collection::vec(prop_oneof![Just(0i64), 0..1000i64, 0..SECOND], 50..200),
    ) {
        let per = ["second", "minute", "hour"][per];
        let limit: RateLimit = format!("{requests}/{per}").parse().unwrap();
        let limited = Limited::to(limits(Some(limit), None));
        let (mut bucket, mut rounded, mut now) = (Bucket::of(limit), Bucket::rounded(limit), 0);
        for wait in waits {
            now += wait;
            let taken = limited.take(now);
            prop_assert_eq!(taken.is_ok(), rounded.take(now), "at {} of {}", now, limit);
            match taken {
                Ok(_) => prop_assert!(bucket.take(now)),
                Err(Exhausted::Rate { seconds }) => {
                    now += i64::from(seconds) * SECOND;
                    prop_assert!(limited.take(now).is_ok());
                    prop_assert!(bucket.take(now) && rounded.take(now));
                }
                Err(other) => prop_assert!(false, "{:?}", other),
            }
        }
    }

    /// A quota is counted by the days and months of the calendar.
    #[test]
    fn a_quota_is_so_many_requests_of_a_day_or_month(
        requests in 1u32..20, monthly: bool,
        waits in prop::collection::vec(0..200_000i64, 1..200),
    ) {
        let per = if monthly { "month" } else { "day" };
        let quota: Quota = format!("{requests}/{per}").parse().unwrap();
        let limited = Limited::to(limits(None, Some(quota)));
        let (mut used, mut seconds) = (BTreeMap::<String, u32>::new(), 0);
        for wait in waits {
            seconds += wait;
            let now = start() + chrono::Duration::seconds(seconds);
            let window = now.format(if monthly { "%Y-%m" } else { "%Y-%m-%d" }).to_string();
            let used = used.entry(window).or_default();
            let accepted = limited.take(seconds * SECOND).is_ok();
            prop_assert_eq!(accepted, *used < requests);
            *used += u32::from(accepted);
        }
    }
}

#[test]
fn a_request_that_is_over_the_quota_takes_nothing_from_the_rate_limit() {
    let limited = Limited::to(limits("9/hour".parse().ok(), "2/day".parse().ok()));
    assert_eq!(limited.take(0), Ok(Some(8)));
    assert_eq!(limited.take(0), Ok(Some(7)));
    for _ in 0..20 {
        assert_eq!(limited.take(0), Err(Exhausted::Quota { seconds: 43_200 }));
    }
    assert_eq!(limited.take(12 * 3600 * SECOND), Ok(Some(8)));
}

#[test]
fn other_limits_count_what_was_used_before() {
    let rate = |text: &str| limits(text.parse().ok(), None);
    let mut limited = Limited::to(rate("10/hour"));
    (0..4).for_each(|_| assert!(limited.take(0).is_ok()));
    limited.change(rate("20/minute"));
    assert_eq!(limited.take(0), Ok(Some(15)));
    limited.change(rate("3/second"));
    assert_eq!(limited.take(0), Err(Exhausted::Rate { seconds: 1 }));
    assert_eq!(limited.take(SECOND / 3 + 1), Ok(Some(0)));
    limited.change(KeyLimits::default());
    (0..50).for_each(|_| assert_eq!(limited.take(SECOND), Ok(None)));
}

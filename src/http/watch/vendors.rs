//! What vendors answered, by the kind of the connection: how often, and how soon.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::connections::Kind;
use crate::model::words::Word;

/// What an answer was: the class of its status, or none at all.
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// Upper bounds of the time to the first byte, in seconds; one more bucket has none.
const BOUNDS: [f64; 8] = [0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

type Counts<const N: usize> = [AtomicU64; N];

struct OfKind {
    answers: Counts<{ CLASSES.len() }>,
    took: Counts<{ BOUNDS.len() + 1 }>,
    microseconds: AtomicU64,
}

/// The counters of every kind.
pub struct Vendors([OfKind; Kind::ALL.len()]);

impl Default for Vendors {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OfKind {
            answers: zeros(),
            took: zeros(),
            microseconds: AtomicU64::new(0),
        }))
    }
}

fn zeros<const N: usize>() -> Counts<N> {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Vendors {
    /// Counts an answer, and how long its first byte took.
    pub fn answered(&self, kind: Kind, status: u16, took: Duration) {
        let counts = &self.0[kind as usize];
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        add(&counts.answers[class], 1);
        let seconds = took.as_secs_f64();
        add(&counts.took[BOUNDS.partition_point(|bound| *bound < seconds)], 1);
        add(&counts.microseconds, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a request that was not answered.
    pub fn not_answered(&self, kind: Kind) {
        add(&self.0[kind as usize].answers[CLASSES.len() - 1], 1);
    }

    /// The answers of a kind so far, by [`CLASSES`].
    pub fn answers(&self, kind: Kind) -> [u64; CLASSES.len()] {
        let counts = &self.0[kind as usize].answers;
        std::array::from_fn(|class| counts[class].load(Ordering::Relaxed))
    }

    /// How long the first bytes of a kind took: their sum in seconds, their number, and how many are in
    /// each bucket.
    pub fn first_bytes(&self, kind: Kind) -> (f64, u64, Vec<(f64, u64)>) {
        let counts = &self.0[kind as usize];
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let took = counts.took.iter().map(|n| n.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(took).collect();
        let count = buckets.iter().map(|(_, n)| n).sum();
        (counts.microseconds.load(Ordering::Relaxed) as f64 / 1e6, count, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_kind_class_and_time() {
        let vendors = Vendors::default();
        vendors.answered(Kind::Aircall, 204, Duration::from_millis(25));
        vendors.answered(Kind::Aircall, 599, Duration::from_secs(61));
        vendors.not_answered(Kind::Aircall);
        assert_eq!(vendors.answers(Kind::Aircall), [0, 1, 0, 0, 1, 1]);
        assert_eq!(vendors.answers(Kind::Clari), [0; 6]);
        let (sum, count, buckets) = vendors.first_bytes(Kind::Aircall);
        assert_eq!((sum, count, buckets[0], buckets[8].1), (61.025, 2, (0.025, 1), 1));
    }
}

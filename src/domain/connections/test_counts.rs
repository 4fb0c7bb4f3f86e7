//! How many tests of connections this process has made, and what they found.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::connections::{Kind, TestResult};
use crate::model::words::Word;

/// Every result, in the order in which they are counted.
pub const TEST_RESULTS: [TestResult; 4] =
    [TestResult::Ok, TestResult::Rejected, TestResult::Unreachable, TestResult::Unexpected];

/// Tests, by kind and result.
#[derive(Default)]
pub struct TestCounts([[AtomicU64; TEST_RESULTS.len()]; Kind::ALL.len()]);

impl TestCounts {
    /// Counts a test.
    pub(super) fn count(&self, kind: Kind, result: TestResult) {
        self.0[kind as usize][result as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were of a kind, by [`TEST_RESULTS`].
    pub fn so_far(&self, kind: Kind) -> [u64; TEST_RESULTS.len()] {
        let counts = &self.0[kind as usize];
        TEST_RESULTS.map(|result| counts[result as usize].load(Ordering::Relaxed))
    }
}

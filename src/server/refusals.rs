//! Telling of refused requests in one line a minute, however many there were.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::error::Code;
use crate::http::state::HttpSettings;
use crate::http::watch::{RefusalCounts, malformed};

/// How often refusals are logged, if there were any.
const INTERVAL: Duration = Duration::from_secs(60);

/// Logs how many requests were refused, at regular intervals.
pub(super) struct RefusalSummary {
    shared: Arc<HttpSettings>,
    told: (RefusalCounts, u64),
    told_at: Instant,
}

impl RefusalSummary {
    pub(super) fn new(shared: Arc<HttpSettings>) -> Self {
        let told = (shared.watch.refusals(), malformed::count());
        Self { shared, told, told_at: Instant::now() }
    }

    /// Logs the refusals since the last time, when it is time.
    pub(super) fn look(&mut self) {
        if self.told_at.elapsed() >= INTERVAL {
            self.tell();
        }
    }

    /// Logs the refusals since the last time, if there were any.
    pub(super) fn tell(&mut self) {
        let (now, before) = ((self.shared.watch.refusals(), malformed::count()), self.told);
        let seconds = self.told_at.elapsed().as_secs();
        (self.told, self.told_at) = (now, Instant::now());
        if now == before {
            return;
        }
        // What there was none of is left out of the line.
        let some = |n: u64| Some(n).filter(|n| *n > 0);
        let of = |code: Code| some(now.0[code as usize] - before.0[code as usize]);
        tracing::info!(
            seconds,
            malformed = some(now.1 - before.1),
            multiple_credentials = of(Code::MultipleCredentials),
            missing_key = of(Code::MissingKey),
            invalid_key = of(Code::InvalidKey),
            key_revoked = of(Code::KeyRevoked),
            key_expired = of(Code::KeyExpired),
            unavailable = of(Code::Unavailable),
            wrong_credential = of(Code::WrongCredential),
            not_found = of(Code::NotFound),
            method_not_allowed = of(Code::MethodNotAllowed),
            insufficient_scope = of(Code::InsufficientScope),
            "refused requests"
        );
    }
}

//! Telling of work in the background that fails, however often it is tried.

use std::fmt::Display;

/// Logs once that something began to fail, and once that it works again.
pub(super) struct Health {
    what: &'static str,
    failing: bool,
}

impl Health {
    /// For what is named so in the log.
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, failing: false }
    }

    /// Notes how it went; returns what came of it.
    pub(super) fn note<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("{} works again", self.what);
                }
                Some(value)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "{} failed; it will be retried until it succeeds", self.what);
                }
                None
            }
        }
    }
}

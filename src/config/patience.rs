//! How long a server waits for slow clients.

use std::time::Duration;

/// How long slow clients are waited for. Not an option: tests shorten it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a request's headers may take.
    pub headers: Duration,
    /// How long a request's body may take.
    pub body: Duration,
    /// How long a client may take nothing of its answer.
    pub answer: Duration,
    /// How long a client may be silent before the system asks for a sign of life.
    pub silence: Duration,
    /// How long a connection is kept on which nothing is asked: longer than proxies keep theirs, so
    /// that they close first.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [headers, body, answer, silence, idle] = [5, 30, 60, 60, 75].map(Duration::from_secs);
        Self { headers, body, answer, silence, idle }
    }
}

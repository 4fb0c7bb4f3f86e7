//! What is counted for whoever watches the server: refusals always, since the log reports them;
//! requests where there are metrics.
//!
//! Nothing here knows whose a request was: no counter grows with the number of keys or clients.

pub mod exposition;
pub mod malformed;
pub mod requests;
pub mod vendors;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::Code;
use crate::model::words::Word;
use requests::Requests;
use vendors::Vendors;

/// How many requests were refused, by code and in the order of [`Code::ALL`].
pub type RefusalCounts = [u64; Code::ALL.len()];

/// Something that is logged at most once a minute, however often it happens.
#[derive(Default)]
pub(super) struct OncePerMinute(Mutex<Option<(Instant, u64)>>);

impl OncePerMinute {
    /// Whether to log it now: if so, how often it happened without being logged.
    pub(super) fn admit(&self) -> Option<u64> {
        let mut last = self.0.lock();
        match &mut *last {
            Some((told, untold)) if told.elapsed() < Duration::from_secs(60) => {
                *untold += 1;
                None
            }
            last => Some(last.replace((Instant::now(), 0)).map_or(0, |(_, untold)| untold)),
        }
    }
}

/// The counters of one server.
pub struct Watch {
    refusals: [AtomicU64; Code::ALL.len()],
    connections: AtomicUsize,
    most_connections: usize,
    full: AtomicBool,
    requests: Option<Requests>,
    /// What vendors answered through connections.
    pub(super) vendors: Vendors,
    /// Requests for which a trusted proxy names no address.
    pub(super) unnamed_clients: OncePerMinute,
    /// Requests that were not answered, or not to the end: at 0 by the gateway's upstream, and
    /// at the number of each connection by its vendor.
    faults: Box<[OncePerMinute]>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(usize::MAX, None)
    }
}

impl Watch {
    /// Counters for a server that takes so many connections at once.
    pub fn new(most_connections: usize, requests: Option<Requests>) -> Self {
        Self {
            refusals: std::array::from_fn(|_| AtomicU64::new(0)),
            connections: AtomicUsize::new(0),
            most_connections,
            full: AtomicBool::new(false),
            requests,
            vendors: Vendors::default(),
            unnamed_clients: OncePerMinute::default(),
            faults: (0..=u8::MAX).map(|_| OncePerMinute::default()).collect(),
        }
    }

    /// The faults of a connection with this number, or of the gateway's upstream.
    pub(super) fn faults_at(&self, connection: Option<u8>) -> &OncePerMinute {
        &self.faults[usize::from(connection.unwrap_or_default())]
    }

    /// The counters of requests, where there are metrics.
    pub fn requests(&self) -> Option<&Requests> {
        self.requests.as_ref()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many connections can be open at once.
    pub fn most_connections(&self) -> usize {
        self.most_connections
    }

    /// Counts a decision that was a refusal.
    pub(super) fn refused(&self, code: Code) {
        self.refusals[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many decisions were refusals so far.
    pub fn refusals(&self) -> RefusalCounts {
        std::array::from_fn(|place| self.refusals[place].load(Ordering::Relaxed))
    }

    /// Counts a connection that was opened; logs once when there are as many as can be.
    pub fn connected(&self) {
        let open = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        if open >= self.most_connections && !self.full.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                connections = open,
                "as many connections as there are descriptors for; those that have been idle or \
                 unfinished for longest are closed to make room"
            );
        }
    }

    /// Counts a connection that was closed.
    pub fn disconnected(&self) {
        let open = self.connections.fetch_sub(1, Ordering::Relaxed) - 1;
        // Said again only after there was room for many: near the limit it goes up and down.
        if open < self.most_connections / 2 {
            self.full.store(false, Ordering::Relaxed);
        }
    }
}

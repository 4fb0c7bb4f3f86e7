//! Warnings: which are due, and the messages about them that wait to be sent.

mod expiring;
mod outbox;
mod sightings;
mod used;

use std::sync::atomic::{AtomicI64, AtomicU64};

use crate::model::time::Moment;
use crate::model::usage::Count;
use crate::model::warnings::Channels;

use sightings::Sightings;

/// What is known of warnings without the database.
#[derive(Debug, Default)]
pub struct Warnings {
    /// The channels on which this server sends.
    pub channels: Channels,
    /// Attempts at sending that arrived.
    pub delivered: AtomicU64,
    /// Attempts at sending that failed.
    pub failed: AtomicU64,
    /// Messages that were given up.
    pub given_up: AtomicU64,
    /// How many keys expire soon, as last counted.
    pub expiring: AtomicU64,
    /// How many messages wait, as last counted.
    pub waiting: AtomicU64,
    sightings: Sightings,
    /// When the keys were last looked through for those that are about to expire, in milliseconds
    /// since 1970.
    looked_at: AtomicI64,
}

impl Warnings {
    /// For a server that sends on these channels.
    pub fn on(channels: Channels) -> Self {
        Self { channels, ..Self::default() }
    }

    /// Looks for what somebody ought to know in counts that were written.
    pub(super) fn note(&self, counts: &[Count], now: Moment) {
        if !self.channels.is_empty() {
            self.sightings.note(counts, now);
        }
    }
}

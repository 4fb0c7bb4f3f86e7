//! Warnings: which are due, and the messages about them that wait to be sent.

mod expiring;
mod outbox;

use std::sync::atomic::AtomicU64;

use crate::model::warnings::Channels;

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
    /// How many messages wait, as last counted.
    pub waiting: AtomicU64,
}

impl Warnings {
    /// For a server that sends on these channels.
    pub fn on(channels: Channels) -> Self {
        Self { channels, ..Self::default() }
    }
}

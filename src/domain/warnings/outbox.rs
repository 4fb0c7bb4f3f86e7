//! The messages about warnings: stored with the warning, and taken from the database by whichever
//! server comes first.

use std::sync::atomic::Ordering;

use chrono::Duration;

use crate::domain::Bitting;
use crate::model::id::{NotificationId, PublicId};
use crate::model::time::Moment;
use crate::model::warnings::{Channel, Delivery, GIVEN_UP_AFTER, Warning, pause_after};
use crate::store;
use crate::store::{AnyConnection, notifications};

/// How long a server may take over one attempt, before another one tries the same message.
const LEASE: Duration = Duration::minutes(1);
/// How long messages are kept: longer than the same warning could be given again.
const KEPT: Duration = Duration::days(30);

impl Bitting {
    /// Stores the messages about a warning, one for each channel, unless it was given before.
    pub(super) fn store_messages(
        &self,
        connection: &mut AnyConnection,
        warning: &Warning,
        now: Moment,
    ) -> store::Result<()> {
        for channel in self.warnings.channels.iter() {
            let recipients = match channel {
                Channel::Webhook => Vec::new(),
                Channel::Mail => self.warnings.channels.recipients(warning.holder.as_deref()),
            };
            if channel == Channel::Mail && recipients.is_empty() {
                continue;
            }
            let id = NotificationId::from_number(self.next_id(now));
            let delivery = Delivery::new(id, channel, recipients, warning, now);
            notifications::insert(connection, &warning.subject, &delivery)?;
        }
        Ok(())
    }

    /// Takes a message of this channel that is due. For a minute it is this server's alone.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claim_message(&self, channel: Channel) -> store::Result<Option<Delivery>> {
        let now = self.time.now();
        self.background
            .write(|connection| notifications::claim(connection, channel, now, now + LEASE))
    }

    /// Notes that a message has arrived.
    ///
    /// # Errors
    /// When the database fails; the message is sent again, under the same id.
    pub fn note_delivered(&self, delivery: &Delivery) -> store::Result<()> {
        self.warnings.delivered.fetch_add(1, Ordering::Relaxed);
        let now = self.time.now();
        self.background
            .write(|connection| notifications::set_delivered(connection, delivery.id, now))
    }

    /// Notes that an attempt failed; the next one is put off for longer than the last. Returns
    /// whether there is none.
    ///
    /// # Errors
    /// When the database fails; the message is tried again.
    pub fn note_undelivered(&self, delivery: &Delivery, why: &str) -> store::Result<bool> {
        self.warnings.failed.fetch_add(1, Ordering::Relaxed);
        let next = self.time.now() + pause_after(delivery.attempts);
        let next = Some(next).filter(|at| *at < delivery.created_at + GIVEN_UP_AFTER);
        self.background
            .write(|connection| notifications::set_failed(connection, delivery.id, next, why))?;
        if next.is_none() {
            self.warnings.given_up.fetch_add(1, Ordering::Relaxed);
        }
        Ok(next.is_none())
    }

    /// Drops some old messages. Returns whether there are more.
    ///
    /// # Errors
    /// When the database fails; it is done another time.
    pub fn drop_messages(&self) -> store::Result<bool> {
        let old = self.time.now().min(self.time.high_water()) - KEPT;
        self.background.write(|connection| notifications::drop_older(connection, old))
    }
}

//! The messages about warnings: stored with the warning, and taken from the database by whichever
//! server comes first.

use std::sync::atomic::Ordering;

use chrono::Duration;

use crate::domain::principal::{Principal, require};
use crate::domain::{Bitting, Result};
use crate::model::id::{NotificationId, PublicId};
use crate::model::key::{ApiKey, Status};
use crate::model::time::Moment;
use crate::model::warnings::{
    Channel, Delivery, GIVEN_UP_AFTER, Warning, WarningKind, pause_after,
};
use crate::store;
use crate::store::{AnyConnection, keys, notifications};

/// How long a server may take over one attempt, before another one tries the same message. A mail
/// server may take its time over each of a dozen steps.
fn lease(channel: Channel) -> Duration {
    match channel {
        Channel::Webhook => Duration::minutes(1),
        Channel::Mail => Duration::minutes(5),
    }
}

/// How many messages may wait. What else there is to tell is told once there are fewer.
const MOST_WAITING: i64 = 10_000;
/// How many messages are shown.
const SHOWN: i64 = 50;
/// How long messages are kept: longer than the same warning could be given again.
const KEPT: Duration = Duration::days(30);

impl Bitting {
    /// Stores the messages about a warning, for each channel and addressee, unless it was given before.
    pub(in crate::domain) fn store_messages(
        &self,
        connection: &mut AnyConnection,
        warning: &Warning,
    ) -> store::Result<()> {
        // They are sent by it too: of a jump of the clock, nothing would be left to tell later.
        let now = self.time.believed();
        for channel in self.warnings.channels.iter() {
            let addressees = self.warnings.channels.addressees(channel, warning.holder.as_deref());
            for (place, recipients) in addressees.into_iter().enumerate() {
                let subject = match place {
                    0 => warning.subject.clone(),
                    _ => format!("{} {}", warning.subject, recipients.concat()),
                };
                let id = NotificationId::from_number(self.next_id(now));
                let delivery = Delivery::new(id, channel, recipients, warning, now);
                // Whoever was told when there was one message for all is not told again.
                if !notifications::insert(connection, &subject, &delivery)? && place == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether so many messages wait that no further ones are to be stored.
    pub(super) fn too_many_wait(&self) -> store::Result<bool> {
        Ok(self.background.read(notifications::count_waiting)? >= MOST_WAITING)
    }

    /// Stores a test message for each channel.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) for whoever is no administrator.
    pub fn store_test(&self, principal: &Principal) -> Result<()> {
        let now = self.time.believed();
        let warning = Warning::test(NotificationId::from_number(self.next_id(now)), now);
        self.database.write(|connection| {
            require(self.reload_rights(connection, principal)?.administers())?;
            Ok(self.store_messages(connection, &warning)?)
        })
    }

    /// The last messages, the newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) for whoever is no administrator.
    pub fn last_messages(&self, principal: &Principal) -> Result<Vec<Delivery>> {
        require(principal.administers())?;
        Ok(self.database.read(|connection| notifications::list(connection, SHOWN))?)
    }

    /// Takes a message of this channel that is due. For some minutes it is this server's alone.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claim_message(&self, channel: Channel) -> store::Result<Option<Delivery>> {
        let now = self.time.believed();
        // Only read where there is nothing to send, which is nearly always.
        while let Some(due) =
            self.background.read(|connection| notifications::due(connection, channel, now))?
        {
            let claimed = self.background.write(|connection| {
                if !notifications::claim(connection, &due, now + lease(channel))? {
                    return Ok(false);
                }
                if is_moot(connection, &due, now)? {
                    notifications::delete(connection, due.id)?;
                    return Ok(false);
                }
                store::Result::Ok(true)
            })?;
            if claimed {
                return Ok(Some(Delivery { attempts: due.attempts + 1, ..due }));
            }
        }
        Ok(None)
    }

    /// Notes that a message has arrived.
    ///
    /// # Errors
    /// When the database fails; the message is sent again, under the same id.
    pub fn note_delivered(&self, delivery: &Delivery) -> store::Result<()> {
        self.warnings.delivered.fetch_add(1, Ordering::Relaxed);
        let now = self.time.believed();
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
        let next = self.time.believed() + pause_after(delivery.attempts);
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
        let old = self.time.believed() - KEPT;
        self.background.write(|connection| notifications::drop_older(connection, old))
    }
}

/// Whether a message has waited so long that there is nothing left to tell: the key that was about to
/// expire has been revoked or rotated meanwhile, or has expired.
fn is_moot(
    connection: &mut AnyConnection,
    delivery: &Delivery,
    now: Moment,
) -> store::Result<bool> {
    match (delivery.kind, delivery.key) {
        (WarningKind::KeyExpiring, Some(id)) => {
            let key = keys::find(connection, id)?;
            let ends =
                |key: &ApiKey| key.replaced_by.is_none() && key.status(now) == Status::Active;
            Ok(!key.as_ref().is_some_and(ends))
        }
        _ => Ok(false),
    }
}

//! The messages about warnings: stored with the warning, and taken from the database by whichever
//! server comes first.

use std::sync::atomic::Ordering;

use chrono::Duration;
use serde_json::Value;

use super::expiring::due_warning;
use crate::domain::principal::{Principal, require};
use crate::domain::{Bitting, Result};
use crate::model::id::{NotificationId, PublicId};
use crate::model::key::{ApiKey, Status};
use crate::model::time::{Moment, parse_rfc3339};
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
                    return Ok(None);
                }
                let key = due.key.map(|id| keys::find(connection, id)).transpose()?.flatten();
                if is_moot(&due, key.as_ref(), now) {
                    notifications::delete(connection, due.id)?;
                    // Of another end there is something else to tell.
                    if let Some(key) = key.filter(|key| is_about_to_expire(key, now))
                        && let Some(days) = due_warning(&key, now)
                    {
                        let warning = Warning::key_expiring(&key, days, now);
                        self.store_messages(connection, &warning)?;
                    }
                    return Ok(None);
                }
                store::Result::Ok(Some(self.recipients_now(&due, key.as_ref())))
            })?;
            if let Some(recipients) = claimed {
                return Ok(Some(Delivery { recipients, attempts: due.attempts + 1, ..due }));
            }
        }
        Ok(None)
    }

    /// Whom a message goes to. A mail to whoever was responsible for a key goes to who is by now.
    fn recipients_now(&self, delivery: &Delivery, key: Option<&ApiKey>) -> Vec<String> {
        let configured = &self.warnings.channels.notify;
        let was_holders = delivery.recipients.iter().any(|each| !configured.contains(each));
        let Some(key) = key.filter(|_| delivery.channel == Channel::Mail && was_holders) else {
            return delivery.recipients.clone();
        };
        match key.holder.as_ref().filter(|holder| !holder.disabled) {
            Some(holder) => vec![holder.email.as_str().to_owned()],
            None => configured.clone(),
        }
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
            .write(|connection| notifications::set_failed(connection, delivery, next, why))?;
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

/// Whether a message has waited so long that it is true no more: the key that was about to expire has
/// been revoked or rotated meanwhile, or has expired, or has another end by now.
fn is_moot(delivery: &Delivery, key: Option<&ApiKey>, now: Moment) -> bool {
    if delivery.kind != WarningKind::KeyExpiring || delivery.key.is_none() {
        return false;
    }
    let body: Value = serde_json::from_str(&delivery.body).unwrap_or_default();
    let told = body["data"]["key"]["expires_at"].as_str().and_then(parse_rfc3339);
    // A text has no more than milliseconds.
    let milliseconds = |end: Option<Moment>| end.map(|end| end.timestamp_millis());
    let is_told = |key: &ApiKey| milliseconds(told) == milliseconds(key.expires_at);
    !key.is_some_and(|key| is_about_to_expire(key, now) && is_told(key))
}

fn is_about_to_expire(key: &ApiKey, now: Moment) -> bool {
    key.replaced_by.is_none() && key.status(now) == Status::Active
}

//! Where warnings go, and how far one of them is.

use chrono::Duration;

use super::warning::{Warning, WarningKind};
use crate::model::id::{KeyId, NotificationId};
use crate::model::time::Moment;
use crate::model::words::{Word, words};

/// How long a message is tried.
pub const GIVEN_UP_AFTER: Duration = Duration::hours(24);
/// The pause after the first attempt that failed; each further one is four times as long.
const FIRST_PAUSE: Duration = Duration::seconds(5);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::hours(2);

words! {
    /// A way on which messages go out.
    Channel {
        /// An HTTP request to the operator's program.
        Webhook = "webhook",
        /// A mail to whoever is responsible.
        Mail = "mail",
    }
}

words! {
    /// How far a message is.
    DeliveryState {
        /// It is going to be tried, perhaps again.
        Waiting = "waiting",
        /// It has arrived.
        Delivered = "delivered",
        /// It was tried for a day in vain.
        GivenUp = "given up",
    }
}

/// The channels that a server uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channels {
    /// The webhook's address, as it may be shown, if there is a webhook.
    pub webhook: Option<String>,
    /// The mail server, as it may be shown, if mail is sent.
    pub mail: Option<String>,
    /// The addresses that are told of keys for which nobody is responsible.
    pub notify: Vec<String>,
}

impl Channels {
    /// Whether nobody can be told anything.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Those that there are.
    pub fn iter(&self) -> impl Iterator<Item = Channel> {
        Channel::ALL.iter().copied().filter(|channel| self.destination(*channel).is_some())
    }

    /// Where messages of a channel go, as it may be shown.
    pub fn destination(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Webhook => self.webhook.as_deref(),
            Channel::Mail => self.mail.as_deref(),
        }
    }

    /// For each message of a channel the addresses that it goes to. Everybody gets a mail of their own, so
    /// that an address that is not taken keeps it from nobody: who is responsible, or else who was
    /// configured.
    pub fn addressees(&self, channel: Channel, holder: Option<&str>) -> Vec<Vec<String>> {
        let alone = |address: &str| vec![address.to_owned()];
        match (channel, holder) {
            (Channel::Webhook, _) => vec![Vec::new()],
            (Channel::Mail, Some(holder)) => vec![alone(holder)],
            (Channel::Mail, None) => self.notify.iter().map(|address| alone(address)).collect(),
        }
    }
}

/// A message on one channel, as it is stored.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names it; the same at each attempt, so that the receiver can tell a repetition.
    pub id: NotificationId,
    /// Where it goes out.
    pub channel: Channel,
    /// The addresses that a mail goes to.
    pub recipients: Vec<String>,
    /// What it is about.
    pub kind: WarningKind,
    /// The key in question.
    pub key: Option<KeyId>,
    /// The message for people, in one line.
    pub title: String,
    /// The message for programs: JSON text, which is what a webhook's signature is made over.
    pub body: String,
    /// When the warning was given.
    pub created_at: Moment,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next; none once it has arrived or was given up.
    pub due_at: Option<Moment>,
    /// When it arrived.
    pub delivered_at: Option<Moment>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Delivery {
    /// A message about a warning, to be sent at once.
    pub fn new(
        id: NotificationId,
        channel: Channel,
        recipients: Vec<String>,
        warning: &Warning,
        now: Moment,
    ) -> Self {
        Self {
            id,
            channel,
            recipients,
            kind: warning.kind,
            key: warning.key,
            title: warning.title.clone(),
            body: warning.body.to_string(),
            created_at: now,
            attempts: 0,
            due_at: Some(now),
            delivered_at: None,
            error: None,
        }
    }

    /// How far it is.
    pub fn state(&self) -> DeliveryState {
        match (self.delivered_at, self.due_at) {
            (Some(_), _) => DeliveryState::Delivered,
            (None, Some(_)) => DeliveryState::Waiting,
            (None, None) => DeliveryState::GivenUp,
        }
    }
}

/// How long to wait after so many attempts that failed.
pub fn pause_after(attempts: i64) -> Duration {
    let quadruplings = attempts.clamp(1, 11) - 1;
    (FIRST_PAUSE * (1 << (2 * quadruplings))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_two_hours() {
        let pauses: Vec<i64> =
            (1..=8).map(|attempts| pause_after(attempts).num_seconds()).collect();
        assert_eq!(pauses, [5, 20, 80, 320, 1280, 5120, 7200, 7200]);
        assert_eq!(pause_after(i64::MAX), LONGEST_PAUSE);
    }
}

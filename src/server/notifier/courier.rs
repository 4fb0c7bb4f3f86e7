//! One message, sent on its channel.

use std::time::Duration;

use super::mail::Mailer;
use super::webhook::Webhook;
use crate::config::{Settings, WarningSettings};
use crate::model::warnings::{Channel, Delivery, Message};
use crate::outbound::Connector;

/// How long a webhook may take over one attempt, and a mail server over each answer: less than a message
/// is claimed for, and long enough for a receiver that answers when it has done its work.
const PATIENCE: Duration = Duration::from_secs(10);

/// The channels that are configured.
pub struct Courier {
    webhook: Option<Webhook>,
    mailer: Option<Mailer>,
    public_url: Option<String>,
}

impl Courier {
    /// Makes ready to send as the settings say.
    ///
    /// # Errors
    /// When the operating system or TLS does not provide what is needed.
    pub fn new(settings: &Settings) -> std::io::Result<Self> {
        let WarningSettings { webhook, mail, authorities, .. } = &settings.warnings;
        let webhook = webhook.clone().map(|to| Webhook::new(to, authorities, PATIENCE));
        let mailer = mail.as_ref().map(|by| Mailer::new(by, authorities, PATIENCE));
        Ok(Self {
            webhook: webhook.transpose()?,
            mailer: mailer.transpose()?,
            public_url: settings.public_url.clone(),
        })
    }

    /// This courier with another way to the webhook, for whoever resolves names or trusts authorities
    /// otherwise.
    #[must_use]
    pub fn by(self, change: impl FnOnce(Connector) -> Connector) -> Self {
        let webhook = self.webhook.map(|webhook| webhook.by(change));
        Self { webhook, ..self }
    }

    /// Sends a message, and waits until it has been taken. `second` is the time in seconds since 1970.
    ///
    /// # Errors
    /// A sentence that says what went wrong, without a secret.
    pub fn send(&self, delivery: &Delivery, second: i64) -> Result<(), String> {
        let unconfigured = || "this channel is not configured on this server".to_owned();
        match delivery.channel {
            Channel::Webhook => {
                self.webhook.as_ref().ok_or_else(unconfigured)?.send(delivery, second)
            }
            Channel::Mail => {
                let message = Message::of(delivery, self.public_url.as_deref());
                self.mailer.as_ref().ok_or_else(unconfigured)?.send(delivery, message)
            }
        }
    }
}

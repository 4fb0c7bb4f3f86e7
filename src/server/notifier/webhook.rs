//! Warnings as HTTP requests, signed as Standard Webhooks says.

use std::io;
use std::time::Duration;

use http::Request;
use http::header::{CONTENT_TYPE, USER_AGENT};
use rustls::pki_types::CertificateDer;

use crate::config::WebhookSettings;
use crate::model::warnings::Delivery;
use crate::outbound::{Connector, ask_for_status, written_out};

/// The receiver, and the way to it.
pub(super) struct Webhook {
    settings: WebhookSettings,
    connector: Connector,
    patience: Duration,
}

impl Webhook {
    /// Waits so long for an answer.
    pub(super) fn new(
        settings: WebhookSettings,
        authorities: &[CertificateDer<'static>],
        patience: Duration,
    ) -> io::Result<Self> {
        let private = written_out(&settings.url);
        let connector = Connector::new(&private, authorities).map_err(io::Error::other)?;
        Ok(Self { settings, connector, patience })
    }

    /// This webhook, reached by another connector.
    pub(super) fn by(self, change: impl FnOnce(Connector) -> Connector) -> Self {
        Self { connector: change(self.connector), ..self }
    }

    /// Sends a message. It has arrived when the receiver says so with a 2xx; redirects are not
    /// followed, since the operator has named the address.
    pub(super) fn send(&self, delivery: &Delivery, second: i64) -> Result<(), String> {
        let request = self.request(delivery, second).map_err(|why| why.to_string())?;
        let answered = ask_for_status(&self.connector, request, self.patience);
        match answered.map_err(|why| why.to_string())? {
            status if status.is_success() => Ok(()),
            status => Err(format!("the receiver answered {status}")),
        }
    }

    fn request(&self, delivery: &Delivery, second: i64) -> http::Result<Request<String>> {
        let WebhookSettings { url, secret } = &self.settings;
        let id = delivery.id.to_string();
        Request::post(url.as_str())
            .header(USER_AGENT, concat!("bitting/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-signature", secret.sign(&id, second, &delivery.body))
            .header("webhook-timestamp", second)
            .header("webhook-id", id)
            .body(delivery.body.clone())
    }
}

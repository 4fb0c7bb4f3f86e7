//! Warnings as HTTP requests, signed as Standard Webhooks says.

use std::fmt;
use std::io;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use url::Position;

use crate::config::WebhookSettings;
use crate::model::warnings::Delivery;

/// The receiver, and a runtime to wait for it.
pub(super) struct Webhook {
    settings: WebhookSettings,
    patience: Duration,
    runtime: Runtime,
}

impl Webhook {
    /// Waits so long for an answer.
    pub(super) fn new(settings: WebhookSettings, patience: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { settings, patience, runtime })
    }

    /// Sends a message. It has arrived when the receiver says so with a 2xx; redirects are not
    /// followed, since the operator has named the address.
    pub(super) fn send(&self, delivery: &Delivery, second: i64) -> Result<(), String> {
        let exchange = async { timeout(self.patience, self.exchange(delivery, second)).await };
        let answered = self.runtime.block_on(exchange);
        let late = |_| format!("no answer within {} s", self.patience.as_secs());
        let status = answered.map_err(late)??;
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {status}")) }
    }

    async fn exchange(&self, delivery: &Delivery, second: i64) -> Result<StatusCode, String> {
        let url = &self.settings.url;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(80);
        let connected = TcpStream::connect((host, port)).await;
        let stream = connected.map_err(|why| format!("cannot connect: {why}"))?;
        let broken = |why: hyper::Error| format!("the connection failed: {why}");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let running = tokio::spawn(connection);
        let request = self.request(delivery, second).map_err(|why| why.to_string())?;
        let answer = sender.send_request(request).await.map_err(broken);
        running.abort();
        Ok(answer?.status())
    }

    fn request(&self, delivery: &Delivery, second: i64) -> http::Result<Request<String>> {
        let WebhookSettings { url, secret } = &self.settings;
        let id = delivery.id.to_string();
        Request::post(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, concat!("bitting/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-signature", secret.sign(&id, second, &delivery.body))
            .header("webhook-timestamp", second)
            .header("webhook-id", id)
            .body(delivery.body.clone())
    }
}

/// The receiver's address without what stands behind the host: a path may be a secret.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.settings.url[..Position::BeforePath])
    }
}

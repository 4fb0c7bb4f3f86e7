//! Where a webhook may lead: to whom its certificate names, and not into a private network.

use std::net::SocketAddr;
use std::sync::Arc;

use bitting::config::{Options, Settings, WebhookSettings};
use bitting::model::id::{NotificationId, PublicId};
use bitting::model::warnings::{Channel, Delivery, Warning};
use bitting::outbound::Connector;
use bitting::server::notifier::Courier;
use serde_json::json;

use crate::support::receivers::SECRET;
use crate::support::server::start_of_time;
use crate::support::upstream::Upstream;
use crate::support::vendors::{AUTHORITY, Reply, Vendor};

fn settings(url: &str) -> Settings {
    let mut settings = bitting::server::settings(Options::default()).unwrap();
    let (url, secret) = (url.parse().unwrap(), SECRET.parse().unwrap());
    settings.warnings.webhook = Some(WebhookSettings { url, secret });
    settings
}

fn message() -> Delivery {
    let (id, now) = (NotificationId::from_number(1), start_of_time());
    Delivery::new(id, Channel::Webhook, Vec::new(), &Warning::test(id, now), now)
}

fn send(url: &str, by: impl FnOnce(Connector) -> Connector) -> Result<(), String> {
    let courier = Courier::new(&settings(url)).unwrap().by(by);
    courier.send(&message(), start_of_time().timestamp())
}

/// Whoever resolves names says that all of them are this machine.
fn here(port: u16) -> impl FnOnce(Connector) -> Connector {
    at([127, 0, 0, 1], port)
}

/// Whoever resolves names says that all of them are at this address.
fn at(address: [u8; 4], port: u16) -> impl FnOnce(Connector) -> Connector {
    let address = SocketAddr::from((address, port));
    move |connector| connector.with_resolver(Arc::new(move |_: &str, _: u16| Ok(vec![address])))
}

#[test]
fn a_name_that_leads_into_a_private_network_is_refused() {
    let webhook = Upstream::start();
    let port = webhook.address.port();
    let why = send(&format!("https://hooks.example.com:{port}/"), here(port)).unwrap_err();
    assert!(why.contains("hooks.example.com is at 127.0.0.1, a private"), "{why}");
    // One that is written out allows no other.
    let why = send(&format!("http://localhost:{port}/"), at([10, 0, 0, 7], port)).unwrap_err();
    assert!(why.contains("localhost is at 10.0.0.7, a private"), "{why}");
    assert_eq!(webhook.take().len(), 0);
    for host in ["127.0.0.1", "localhost"] {
        send(&format!("http://{host}:{port}/"), here(port)).unwrap();
    }
    assert_eq!(webhook.take().len(), 2);
}

#[test]
fn messages_go_over_tls_to_whom_the_certificate_names() {
    let receiver = Vendor::start(|_, _| Reply::json(200, &json!({})));
    let url = format!("{}/warnings", receiver.origin());
    let mut trusting = settings(&url);
    trusting.warnings.authorities = vec![AUTHORITY.certificate()];
    Courier::new(&trusting).unwrap().send(&message(), start_of_time().timestamp()).unwrap();
    assert_eq!(receiver.take()[0].all("webhook-id").len(), 1);
    let why = send(&url, |connector| connector).unwrap_err();
    assert!(why.contains("UnknownIssuer"), "{why}");
}

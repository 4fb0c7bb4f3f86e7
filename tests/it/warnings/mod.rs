//! Warnings about keys: which are given, and that each arrives once, by webhook and by mail.

mod expiring;
mod leaked;
mod mail;
mod mail_tls;
mod notify_command;
mod page;
mod settings;
mod used;
mod way_out;

use std::net::SocketAddr;
use std::sync::Arc;

use bitting::clock::ManualClock;
use bitting::config::{Options, Settings, WebhookSettings};

use crate::support::receivers::SECRET;
use crate::support::server::start_of_time;
use crate::support::{Backend, TestDatabase, TestServer};

/// Servers that share a database and a clock.
struct Cluster {
    servers: Vec<TestServer>,
    clock: Arc<ManualClock>,
    database: Arc<TestDatabase>,
}

impl Cluster {
    fn start(backend: Backend, servers: usize, change: impl Fn(&mut Settings)) -> Self {
        let database = Arc::new(TestDatabase::migrated(backend));
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let one =
            |_| TestServer::build(database.clone(), Options::default(), clock.clone(), &change);
        let servers = (0..servers).map(one).collect();
        Self { servers, clock, database }
    }

    /// Lets time pass, and every server notice it.
    fn pass(&self, time: std::time::Duration) {
        self.clock.pass(time);
        for server in &self.servers {
            server.pass(std::time::Duration::ZERO);
        }
    }

    /// Messages in this state.
    fn db_count(&self, condition: &str) -> i64 {
        self.database.db_number(&format!("SELECT COUNT(*) FROM notifications WHERE {condition}"))
    }
}

/// Has warnings sent to this address.
pub fn send_to(address: SocketAddr) -> impl Fn(&mut Settings) {
    move |settings| {
        let url = format!("http://{address}/warnings").parse().unwrap();
        settings.warnings.webhook = Some(WebhookSettings { url, secret: SECRET.parse().unwrap() });
    }
}

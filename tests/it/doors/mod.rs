//! In front of somebody else's API: resources of one's own, and the doors at which proxies and
//! programs ask about requests.

mod authz;
mod balancer;
mod examples;
mod guard;
mod guard_life;
mod own_resources;
mod proxies;
mod verify;

use std::sync::Arc;

use bitting::config::Options;

use crate::support::{Backend, TestDatabase, TestServer};

/// The API of a team, beside the built-in one.
pub const TEAM: &str = r#"
[[resources]]
name = "orders"
description = "Orders and their lines"
paths = ["/orders", "/api/orders"]
reads = ["POST /orders/search", "POST /orders/*/preview"]
open = ["GET /orders/status"]

[[resources]]
name = "reports"
paths = ["/orders/reports", "/reports"]
access = ["read"]
"#;

/// The same without the built-in API.
fn team_alone() -> String {
    format!("builtin_api = false\n{TEAM}")
}

/// A server on an empty database, with this `bitting.toml`.
pub fn server_with(backend: Backend, file: &str) -> TestServer {
    server_on(Arc::new(TestDatabase::migrated(backend)), file)
}

/// A server on a database that there is, with this `bitting.toml`.
pub fn server_on(database: Arc<TestDatabase>, file: &str) -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bitting.toml");
    std::fs::write(&path, file).unwrap();
    let config = Some(path.display().to_string());
    let metrics_listen = Some("127.0.0.1:0".to_owned());
    TestServer::on(database, Options { config, metrics_listen, ..Options::default() })
}

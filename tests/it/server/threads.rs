//! How the system schedules the threads of a server.

use std::collections::BTreeSet;

use tempfile::TempDir;

use crate::support::threads::{BATCH, OTHER, scheduled_by};
use crate::support::{Binary, binary};

#[test]
fn who_asks_the_database_does_not_interrupt_who_answers_from_memory() {
    let folder = TempDir::new().unwrap();
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let key = format!("Bearer {}", binary::run_ok(folder.path(), &create));
    let server = Binary::serve(folder.path(), &[]);
    let headers = [("authorization", key.as_str())];
    server.client.send("GET", "/v1/ping", &headers, None).ok();
    assert_eq!(scheduled_by(BATCH, server.id()), BTreeSet::new());
    server.client.send("GET", "/v1/whoami", &headers, None).ok();
    assert_eq!(scheduled_by(BATCH, server.id()), BTreeSet::from(["tokio-rt-worker".to_owned()]));
    let others = scheduled_by(OTHER, server.id());
    assert!(others.contains("change-feed") && !others.contains("tokio-rt-worker"), "{others:?}");
}

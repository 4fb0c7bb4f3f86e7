//! Whether the credentials of connections can be opened: for `bitting check`, and for the log at a
//! server's start.

use std::collections::BTreeMap;

use super::common::require_allowed;
use super::master_keys::MasterKeys;
use super::seal::{Locked, open_of};
use crate::config::ConnectionSettings;
use crate::domain::Bitting;
use crate::model::connections::Connection;
use crate::model::connections::sealed::Sealed;
use crate::model::finding::Finding;

const CHECK: &str = "connections";

/// What opens a connection again.
fn remedy(locked: &Locked) -> &'static str {
    match locked {
        Locked::NoKey { .. } | Locked::OtherKey { .. } => {
            "name the file that holds the key with --connections-key-file, or, if it is lost, enter the \
             credentials again with `bitting connection set-credential`"
        }
        Locked::Elsewhere(_) => "name the address in --connections-hosts, or remove the connection",
        Locked::Damaged => "mend its row in the database, or remove it and make it anew",
        Locked::Altered => "enter the credential again with `bitting connection set-credential`",
    }
}

/// How many credentials are sealed with which key, and which of them do not open.
pub(in crate::domain) fn finding(
    all: &[Connection],
    database: &str,
    settings: &ConnectionSettings,
) -> Finding {
    let keys = MasterKeys::new(settings.key.clone());
    if let (true, Err(why)) = (keys.are_configured(), keys.all()) {
        return Finding::wrong(CHECK, why, "mend or replace it; see `bitting connection new-key`");
    }
    let mut by_key = BTreeMap::new();
    let (mut faults, mut remedies) = (Vec::new(), Vec::new());
    for connection in all {
        let Some(sealed) = &connection.sealed else { continue };
        if let Some(Sealed { key, .. }) = sealed.parts() {
            *by_key.entry(key).or_insert(0) += 1;
        }
        let opened = open_of(keys.all(), connection, database).map(drop);
        let allowed = require_allowed(connection.kind, &connection.origin, &settings.hosts);
        if let Err(why) = opened.and(allowed) {
            faults.push(format!("{}: {why}", connection.handle));
            remedies.push(remedy(&why));
        }
    }
    if !faults.is_empty() {
        remedies.sort_unstable();
        remedies.dedup();
        return Finding::wrong(CHECK, faults.join("; "), remedies.join("; "));
    }
    let counts = by_key.iter().map(|(key, n)| format!("{n} sealed with the master key {key}"));
    let counts: Vec<String> = counts.collect();
    Finding::ok(CHECK, if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })
}

impl Bitting {
    /// Logs at a server's start which connections are locked.
    pub fn tell_locked_connections(&self) {
        let keys = &self.connections.keys;
        if let (true, Err(why)) = (keys.are_configured(), keys.all()) {
            tracing::error!("the master keys of connections cannot be used: {why}");
        }
        let all = self.connections.registry.list();
        let locked: Vec<_> = all.iter().filter_map(|each| self.lock_of(each)).collect();
        if let Some(why) = locked.first() {
            tracing::warn!(
                connections = locked.len(),
                "connections are locked, and their requests are refused: {why}"
            );
        }
    }
}

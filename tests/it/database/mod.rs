//! The database below: its schema and plans, and what happens when it is slow, away, damaged, copied
//! or set back.

mod backup;
mod busy_database;
mod checking;
mod faults_disk;
mod few_connections;
mod frozen;
mod key_table_cost;
mod list_plans;
mod migrations;
mod moved;
mod outdated;
mod pooler;
mod preconditions;
mod refused_databases;
mod restoring;
mod schemas;
mod set_back;
mod standby;
mod structure;
mod synchronous;
mod tls;
mod waiting;

use tempfile::TempDir;

use crate::support::binary;
use crate::support::postgres::{Cluster, can_start_servers};

/// A server of PostgreSQL's with a database that has one key, which may read calls, and a folder for
/// commands; none where no server can be started.
fn cluster_with_key() -> Option<(Cluster, TempDir, String)> {
    if !can_start_servers() {
        return None;
    }
    let (cluster, folder) = (Cluster::new(), tempfile::tempdir().unwrap());
    cluster.execute("postgres", "CREATE DATABASE bitting");
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url"];
    let key = binary::run_ok(folder.path(), &[&create[..], &[&cluster.url("bitting")]].concat());
    Some((cluster, folder, key))
}

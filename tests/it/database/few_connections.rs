//! A PostgreSQL server that has few connections to give: servers share them, keep those that they
//! cannot do without, and give the others back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::prelude::*;

use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::{Binary, SetAtEnd, binary, eventually, eventually_within};

/// How long an idle connection may be kept; the pools are looked over every 30 s.
const GIVEN_BACK: Duration = Duration::from_secs(60);
/// Between two requests of one thread, so that the load leaves the processor something to spare.
const PAUSE: Duration = Duration::from_millis(20);

/// A server with so many connections, a database that the program has made, and a key.
fn cluster(connections: u32) -> (Cluster, String) {
    let connections = format!("max_connections={connections}");
    let cluster = Cluster::with(&[&connections, "superuser_reserved_connections=0"]);
    cluster.execute("postgres", "CREATE DATABASE bitting");
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url("bitting"));
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url", &url];
    (cluster, binary::run_ok(folder.path(), &create))
}

fn serve(cluster: &Cluster, arguments: &[&str]) -> (Binary, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url("bitting");
    let arguments = [arguments, &["--database-url", &url]].concat();
    (Binary::serve(folder.path(), &arguments), folder)
}

/// Asks all servers for records from several threads, while `f` runs.
fn under_load<T>(servers: &[&Binary], key: &str, f: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for server in servers {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        server.client.with_key(key, "GET", "/v1/calls", None);
                        std::thread::sleep(PAUSE);
                    }
                });
            }
        }
        let _end = SetAtEnd(&over);
        f()
    })
}

fn is_well(server: &Binary, key: &str) -> bool {
    server.client.send("GET", "/readyz", &[], None).status == 200
        && server.client.with_key(key, "GET", "/v1/calls", None).status == 200
}

/// How many connections Bitting has.
fn taken(watch: &mut PgConnection) -> i64 {
    let count = "(SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'bitting')";
    let count = diesel::dsl::sql::<diesel::sql_types::BigInt>(count);
    diesel::select(count).get_result(watch).unwrap()
}

#[test]
fn three_servers_share_twelve_connections_and_give_back_what_they_do_not_need() {
    if !can_start_servers() {
        return;
    }
    // One is the test's own.
    let (mut cluster, key) = cluster(13);
    let servers = [(); 3].map(|()| serve(&cluster, &["--database-connections", "4"]));
    let servers: Vec<&Binary> = servers.iter().map(|(server, _)| server).collect();
    under_load(&servers, &key, || {
        eventually("all are well", || servers.iter().all(|server| is_well(server, &key)));
        cluster.stop();
        eventually("none can be asked", || !servers.iter().any(|server| is_well(server, &key)));
        cluster.start();
        eventually("all are well again", || servers.iter().all(|server| is_well(server, &key)));
    });
    let mut watch = PgConnection::establish(&cluster.url("postgres")).unwrap();
    assert!(taken(&mut watch) > 6);
    // Those that read changes and write counts are kept.
    eventually_within(GIVEN_BACK, "the others are given back", || taken(&mut watch) <= 6);
    assert_eq!(taken(&mut watch), 6);
}

#[test]
fn what_reads_changes_and_writes_counts_is_connected_first() {
    if !can_start_servers() {
        return;
    }
    // Fewer than the server takes if it can.
    let (mut cluster, key) = cluster(5);
    let (server, _folder) = serve(&cluster, &[]);
    under_load(&[&server], &key, || {
        for _ in 0..3 {
            eventually("the server is well", || is_well(&server, &key));
            cluster.stop();
            eventually("it is not ready", || {
                server.client.send("GET", "/readyz", &[], None).status == 503
            });
            cluster.start();
        }
        eventually("the server is well again", || is_well(&server, &key));
    });
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
}

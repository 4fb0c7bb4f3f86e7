//! What lies between our servers and their database, or is done to it: a pooler that is led to another
//! server, a restart where connections are scarce, a backup that is restored.

use super::failovers::loss_is_recorded;
use super::machines::{Machines, database_of};
use super::story::{Site, lossless, story};
use crate::support::pooler::Pooler;
use crate::support::postgres::{Cluster, can_start_servers, copy};
use crate::support::{eventually, tool};

#[test]
#[ignore = "tests/run --cluster"]
fn a_pooler_is_led_to_the_standby_that_takes_over() {
    let Some(program) = tool("pgbouncer") else { return };
    let Some(mut machines) = Machines::new(true) else { return };
    let settings = "pool_mode = transaction\ndefault_pool_size = 6\nserver_login_retry = 1";
    let database = database_of(&machines.primary);
    let pooler = Pooler::start(&program, &database, settings);
    let site = Site::new(&pooler.url);
    lossless("primary killed, PgBouncer led to the standby", &site, || {
        machines.primary.stop();
        machines.standby.promote();
        pooler.lead_to(machines.standby.port);
        database_of(&machines.standby)
    });
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_restarts_where_three_servers_share_its_few_connections() {
    if !can_start_servers() {
        return;
    }
    // One is the test's own.
    let mut primary = Cluster::with(&["max_connections=13", "superuser_reserved_connections=0"]);
    primary.execute("postgres", "CREATE DATABASE bitting");
    let site = Site::new(&primary.url("bitting")).with(3, &["--database-connections", "4"]);
    lossless("restarted, 12 connections for three servers", &site, || {
        primary.stop();
        primary.start();
        database_of(&primary)
    });
}

#[test]
#[ignore = "tests/run --cluster"]
fn a_backup_is_restored_under_running_servers() {
    if !can_start_servers() {
        return;
    }
    let primary = Cluster::new();
    primary.execute("postgres", "CREATE DATABASE bitting");
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    std::fs::write(&backup, "").unwrap();
    Cluster::hand_over(folder.path());
    Cluster::hand_over(&backup);
    let site = Site::new(&primary.url("bitting"));
    let outcome = story("a backup restored in its place", &site, |load| {
        copy("pg_dump", &primary.url("bitting"), &backup);
        primary.execute("postgres", "CREATE DATABASE restored");
        copy("pg_restore", &primary.url("restored"), &backup);
        let before = load.changes();
        eventually("there are changes since the backup", || load.changes() > before + 20);
        primary.put_in_place("restored", "bitting");
        database_of(&primary)
    });
    assert!(outcome.lost > 0, "nothing was lost, although a backup was restored");
    loss_is_recorded(&outcome.database);
}

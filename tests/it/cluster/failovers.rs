//! A standby takes over by hand, as two servers live through it: with a synchronous standby nothing that
//! was confirmed is lost; without one, what is lost is said.

use super::machines::{Machines, database_of};
use super::story::{Site, story};
use crate::support::postgres::can_start_servers;
use crate::support::{TestDatabase, eventually};

/// What takes over.
fn promoted(machines: &Machines) -> TestDatabase {
    machines.standby.promote();
    database_of(&machines.standby)
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_dies_and_its_synchronous_standby_takes_over() {
    if !can_start_servers() {
        return;
    }
    let mut machines = Machines::new(true);
    let site = Site::new(&machines.url());
    let outcome = story("primary killed, synchronous standby", &site, |_| {
        machines.primary.stop();
        promoted(&machines)
    });
    assert_eq!(outcome.lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_is_frozen_and_its_synchronous_standby_takes_over() {
    if !can_start_servers() {
        return;
    }
    let machines = Machines::new(true);
    let site = Site::new(&machines.url());
    let outcome = story("primary frozen, synchronous standby", &site, |_| {
        machines.primary.freeze();
        promoted(&machines)
    });
    assert_eq!(outcome.lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_is_cut_off_and_its_synchronous_standby_takes_over() {
    if !can_start_servers() {
        return;
    }
    let machines = Machines::new(true).with_a_way_to_cut();
    let site = Site::new(&machines.url());
    let outcome = story("network cut, synchronous standby", &site, |_| {
        machines.cut_off_the_primary();
        promoted(&machines)
    });
    assert_eq!(outcome.lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn an_asynchronous_standby_takes_over_that_lacks_the_last_commits() {
    if !can_start_servers() {
        return;
    }
    let mut machines = Machines::new(false);
    let site = Site::new(&machines.url());
    let what = "primary killed, asynchronous standby that lags behind";
    let outcome = story(what, &site, |_| {
        machines.hold_back_the_standby();
        let [before, behind] = [&machines.primary, &machines.standby].map(database_of);
        let keys = |at: &TestDatabase| at.db_number("SELECT COUNT(*) FROM api_keys");
        eventually("the standby lags behind", || keys(&before) > keys(&behind) + 5);
        machines.primary.stop();
        promoted(&machines)
    });
    assert!(outcome.lost > 0, "nothing was lost, although the standby lagged behind");
    loss_is_recorded(&outcome.database);
}

/// Fails unless a server of ours has told that the database was set back.
pub fn loss_is_recorded(database: &TestDatabase) {
    let told = "SELECT COUNT(*) FROM audit_events WHERE action = 'database.set_back'";
    assert!(database.db_number(told) > 0, "the loss is not recorded");
}

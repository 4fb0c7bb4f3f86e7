//! A standby takes over by hand, as two servers live through it: with a synchronous standby nothing that
//! was confirmed is lost; without one, what is lost is said.

use super::machines::{Machines, database_of};
use super::story::{Site, lossless, story};
use crate::support::{TestDatabase, eventually};

/// What takes over.
fn promoted(machines: &Machines) -> TestDatabase {
    machines.standby.promote();
    database_of(&machines.standby)
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_dies_and_its_synchronous_standby_takes_over() {
    let Some(mut machines) = Machines::new(true) else { return };
    let site = Site::new(&machines.url());
    lossless("primary killed, synchronous standby", &site, || {
        machines.primary.stop();
        promoted(&machines)
    });
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_is_frozen_and_its_synchronous_standby_takes_over() {
    let Some(machines) = Machines::new(true) else { return };
    let site = Site::new(&machines.url());
    lossless("primary frozen, synchronous standby", &site, || {
        machines.primary.freeze();
        promoted(&machines)
    });
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_is_cut_off_and_its_synchronous_standby_takes_over() {
    let Some(machines) = Machines::new(true).map(Machines::with_a_way_to_cut) else { return };
    let site = Site::new(&machines.url());
    lossless("network cut, synchronous standby", &site, || {
        machines.cut_off_the_primary();
        promoted(&machines)
    });
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_restarts() {
    let Some(mut machines) = Machines::new(true) else { return };
    let site = Site::new(&machines.url());
    lossless("primary restarted, synchronous standby", &site, || {
        machines.primary.stop();
        machines.primary.start();
        database_of(&machines.primary)
    });
}

#[test]
#[ignore = "tests/run --cluster"]
fn an_asynchronous_standby_takes_over_that_lacks_the_last_commits() {
    let Some(mut machines) = Machines::new(false) else { return };
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

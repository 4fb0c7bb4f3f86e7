//! What fails, and what must hold afterwards: with a synchronous standby nothing that was confirmed is
//! lost; without one, what is lost is said.

use std::time::Duration;

use super::load::Load;
use super::machines::{Machines, database_of};
use crate::support::postgres::can_start_servers;
use crate::support::{TestDatabase, eventually, eventually_within};

/// Changes before something fails, and after it is well again.
const ENOUGH: usize = 20;
/// How long a failover may take, promotion included.
const FAILOVER: Duration = Duration::from_secs(40);

/// Lets something fail under load. Returns the database that counts afterwards, which `fail` names,
/// and how many confirmed changes it lacks.
fn story(
    what: &str,
    machines: &mut Machines,
    fail: impl FnOnce(&mut Machines) -> TestDatabase,
) -> (TestDatabase, usize) {
    machines.run(&["migrate"]);
    let key = machines.run(&["key", "create", "--name", "live", "--scope", "calls:read"]);
    let admin = machines.run(&["token", "create", "--name", "t", "--access", "write"]);
    let servers = [(); 2].map(|()| machines.serve());
    let load = Load::default();
    let mut after = None;
    load.during(&servers, &admin, &key, |load| {
        eventually("there are changes", || load.changes() > ENOUGH);
        after = Some(fail(machines));
        let before = load.changes();
        eventually_within(FAILOVER, "there are changes again", || load.changes() > before + ENOUGH);
        for server in &servers {
            eventually_within(FAILOVER, "both servers are ready", || {
                server.client.send("GET", "/readyz", &[], None).status == 200
            });
        }
    });
    let after = after.unwrap();
    let lost = load.lost(&after);
    load.tell(what, lost);
    assert_eq!(load.wrong_answers(), 0, "a key that is good was refused");
    for server in servers {
        let (code, log) = server.terminate();
        assert_eq!(code, Some(0), "{log}");
    }
    (after, lost)
}

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
    let machines = &mut Machines::new(true);
    let (_, lost) = story("primary killed, synchronous standby", machines, |machines| {
        machines.primary.stop();
        promoted(machines)
    });
    assert_eq!(lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_is_frozen_and_its_synchronous_standby_takes_over() {
    if !can_start_servers() {
        return;
    }
    let machines = &mut Machines::new(true);
    let (_, lost) = story("primary frozen, synchronous standby", machines, |machines| {
        machines.primary.freeze();
        promoted(machines)
    });
    assert_eq!(lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_is_cut_off_and_its_synchronous_standby_takes_over() {
    if !can_start_servers() {
        return;
    }
    let machines = &mut Machines::new(true).with_a_way_to_cut();
    let (_, lost) = story("network cut, synchronous standby", machines, |machines| {
        machines.cut_off_the_primary();
        promoted(machines)
    });
    assert_eq!(lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_primary_restarts() {
    if !can_start_servers() {
        return;
    }
    let machines = &mut Machines::new(true);
    let (_, lost) = story("primary restarted", machines, |machines| {
        machines.primary.stop();
        machines.primary.start();
        database_of(&machines.primary)
    });
    assert_eq!(lost, 0);
}

#[test]
#[ignore = "tests/run --cluster"]
fn an_asynchronous_standby_takes_over_that_lacks_the_last_commits() {
    if !can_start_servers() {
        return;
    }
    let what = "primary killed, asynchronous standby that lags behind";
    let machines = &mut Machines::new(false);
    let (after, lost) = story(what, machines, |machines| {
        machines.hold_back_the_standby();
        let [before, behind] = [&machines.primary, &machines.standby].map(database_of);
        let keys = |at: &TestDatabase| at.db_number("SELECT COUNT(*) FROM api_keys");
        eventually("the standby lags behind", || keys(&before) > keys(&behind) + 5);
        machines.primary.stop();
        promoted(machines)
    });
    assert!(lost > 0, "nothing was lost, although the standby lagged behind");
    let told = "SELECT COUNT(*) FROM audit_events WHERE action = 'database.set_back'";
    eventually("the loss is recorded", || after.db_number(told) > 0);
}

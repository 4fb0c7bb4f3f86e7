//! Patroni chooses who takes over, as three servers live through it behind HAProxy or with the addresses
//! of every machine. Its commits wait for a standby, so nothing that was confirmed is ever lost.

use std::time::Duration;

use super::patroni::Patroni;
use super::story::{Site, lossless};
use crate::support::TestDatabase;

/// Plays a story with three servers behind HAProxy.
fn behind_haproxy(what: &str, fail: impl FnOnce(&Patroni) -> TestDatabase) {
    let Some(cluster) = Patroni::start() else { return };
    let site = Site::new(&cluster.front()).with(3, &[]);
    lossless(what, &site, || fail(&cluster));
}

#[test]
#[ignore = "tests/run --cluster"]
fn patroni_switches_over() {
    behind_haproxy("Patroni switches over", Patroni::switch_over);
}

#[test]
#[ignore = "tests/run --cluster"]
fn patroni_loses_the_machine_of_the_primary() {
    behind_haproxy("Patroni, machine dies", Patroni::lose_the_primary);
}

#[test]
#[ignore = "tests/run --cluster"]
fn keys_are_decided_all_through_a_failover_that_max_staleness_allows() {
    let Some(cluster) = Patroni::start() else { return };
    let site = Site::new(&cluster.hosts()).with(3, &[]).with_max_staleness(Duration::from_secs(40));
    let what = "Patroni, machine dies, three hosts in the URL, `--max-staleness 40s`";
    let outcome = lossless(what, &site, || cluster.lose_the_primary());
    assert_eq!(outcome.unavailable, 0, "a key was not decided all through the failover");
}

#[test]
#[ignore = "tests/run --cluster"]
fn the_machine_of_the_primary_stands_still_and_wakes() {
    behind_haproxy("Patroni, machine frozen and woken", Patroni::freeze_the_primary);
}

#[test]
#[ignore = "tests/run --cluster"]
fn etcd_stands_still() {
    behind_haproxy("Patroni, etcd frozen and woken", Patroni::freeze_the_agreement);
}

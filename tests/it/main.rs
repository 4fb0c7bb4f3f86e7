//! Tests at the level of the promise: the real application on a real database, spoken to over HTTP,
//! and the real binary. One program, a module for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected shall fail"
)]

mod support;

mod audit;
mod authorization;
mod bodies;
mod call_lists;
mod calls;
mod cli;
mod cli_tokens;
mod counting;
mod counting_faults;
mod counting_model;
mod counting_rollup;
mod credentials;
mod faults;
mod feed;
mod hygiene;
mod idempotency;
mod idempotency_races;
mod imported_keys;
mod key_edits;
mod key_lists;
mod layers;
mod links;
mod management;
mod migrations;
mod parameters;
mod paths;
mod refused_databases;
mod revocation;
mod startup;
mod stopping;
mod time;
mod transfer;
mod versions;

//! Tests at the level of the promise: the real application on a real database, spoken to over HTTP,
//! and the real binary. One program, a folder for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected shall fail"
)]

mod support;

mod accounts;
mod api;
mod cluster;
mod commands;
mod connections;
mod database;
mod doors;
mod gate;
mod gateway;
mod keys;
mod repository;
mod resources;
mod security;
mod server;
mod usage;
mod warnings;
mod web;

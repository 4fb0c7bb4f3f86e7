//! Tests at the level of the promise: the real application on a real database, spoken to over HTTP,
//! and the real binary. One program, a module for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected shall fail"
)]

mod support;

mod account_page;
mod analytics;
mod audit;
mod audit_page;
mod authorization;
mod backup;
mod bodies;
mod broken_exports;
mod busy_database;
mod calls;
mod checking;
mod cli;
mod cli_tokens;
mod cli_users;
mod connections;
mod constants;
mod counting;
mod counting_faults;
mod counting_load;
mod counting_model;
mod counting_rollup;
mod credentials;
mod demo;
mod denials;
mod deployment;
mod docs;
mod fast_path;
mod faults;
mod faults_disk;
mod feed;
mod figures_agree;
mod foreign_keys;
mod forwarded;
mod greeting;
mod hygiene;
mod idempotency;
mod idempotency_races;
mod imported_keys;
mod interrupted_forms;
mod key_addresses;
mod key_edits;
mod key_errors;
mod key_lists;
mod key_page;
mod key_pages;
mod key_table_cost;
mod knowledge_base;
mod late_requests;
mod layers;
mod links;
mod list_plans;
mod login;
mod login_throttle;
mod management;
mod metrics;
mod migrations;
mod new_key_page;
mod odd_names;
mod openapi;
mod page_budget;
mod page_forms;
mod page_sizes;
mod pages;
mod parameters;
mod password_links;
mod paths;
mod pooler;
mod preconditions;
mod record_lists;
mod records;
mod refused_databases;
mod restoring;
mod revocation;
mod set_back;
mod settings;
mod setup;
mod slow_clients;
mod slow_reads;
mod standby;
mod startup;
mod stopping;
mod time;
mod token_pages;
mod transfer;
mod typed_input;
mod unknown_pages;
mod usage_page;
mod user_pages;
mod user_rights;
mod users;
mod versions;
mod waiting;

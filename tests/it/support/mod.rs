//! What the tests stand on: a database of one's own, a running server, and clients.
//!
//! Helpers that reach into the application or the database instead of speaking HTTP begin with
//! `db_`.

pub mod binary;
pub mod browser;
pub mod client;
pub mod crowd;
pub mod database;
pub mod front_door;
pub mod held;
pub mod html;
pub mod kinds;
pub mod load;
pub mod log_watch;
pub mod nginx;
pub mod origin;
pub mod plans;
pub mod pooler;
pub mod ports;
pub mod postgres;
pub mod proxy;
pub mod raw;
pub mod receivers;
pub mod relay;
pub mod restore;
pub mod rules;
pub mod server;
pub mod threads;
pub mod tools;
pub mod upstream;
pub mod vendors;

pub use binary::Binary;
pub use browser::Browser;
pub use client::Answer;
pub use database::{Backend, TestDatabase};
pub use origin::Origin;
pub use server::TestServer;
pub use tools::{fetched, not_granted, skipped, tool};

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Declares one test that runs on both databases: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($(#[$doc:meta])* fn $name:ident($backend:ident) $body:block) => {
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn story($backend: $crate::support::Backend) $body

            #[test]
            fn sqlite() {
                story($crate::support::Backend::Sqlite);
            }

            #[test]
            fn postgres() {
                story($crate::support::Backend::Postgres);
            }
        }
    };
}
pub(crate) use on_both;

/// How often a race is run, how many cases a property is tried with, or how many workers serve: `all` where
/// `BITTING_ALL_ROUNDS=1`, as in `.ci/run`, and `few` for somebody who waits for the result.
pub fn rounds(all: usize, few: usize) -> usize {
    let wanted = std::env::var_os("BITTING_ALL_ROUNDS").is_some_and(|value| value == "1");
    if wanted { all } else { few }
}

/// Sets a flag when it is dropped, also by a failing assertion: threads that go on until it is set would
/// otherwise keep the test from failing.
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until something becomes true; fails when it does not within half a minute.
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(Duration::from_secs(30), what, condition);
}

/// The same for what may take longer.
#[track_caller]
pub fn eventually_within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    while !condition() {
        assert!(Instant::now() < deadline, "never became true: {what}");
        // Asking all the time would take the processor from whoever is waited for.
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(Duration::from_millis(25));
    }
}

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
pub mod nginx;
pub mod plans;
pub mod postgres;
pub mod raw;
pub mod relay;
pub mod restore;
pub mod rules;
pub mod server;

pub use binary::Binary;
pub use browser::Browser;
pub use client::Answer;
pub use database::{Backend, TestDatabase};
pub use server::TestServer;

use std::path::PathBuf;
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

/// A program that tests need and `tests/run` sees to; says so where it is missing.
pub fn tool(name: &str) -> Option<PathBuf> {
    let fetched = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let fetched = ["usr/bin", "usr/sbin"].map(|folder| fetched.join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]).chain(fetched);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// Says why a test is skipped; fails where everything has to run (`BITTING_REQUIRE_TOOLS=1`).
#[track_caller]
pub fn skipped(why: &str) {
    let required = std::env::var_os("BITTING_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "this must not be skipped: {why}");
    eprintln!("skipped: {why}");
}

/// Waits until something becomes true; fails when it does not within ten seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never became true: {what}");
        std::thread::yield_now();
    }
}

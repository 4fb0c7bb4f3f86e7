//! The pages in a real browser: what people see and do there, from the first sign-in on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected shall fail"
)]

#[path = "../it/support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the other test program")]
mod support;

mod api;
mod finding;
mod gallery;
mod key_life;
mod looks;
mod signing_in;
mod story;
mod webdriver;

//! Bitting issues API keys, stores only their digests, enforces what each key may read or write on
//! every request, and counts every use.
//!
//! # The map
//! Imports point to the right, and a test keeps it so:
//!
//! `main, cli, server → records → http → domain → gate, store → model`
//!
//! | layer | its job |
//! | --- | --- |
//! | [`cli`], [`server`] | wire the rest together; they alone see every layer |
//! | [`records`] | the built-in API that Bitting protects; it has the layers below again inside |
//! | [`http`] | requests into calls, results into responses |
//! | [`domain`] | what the product does, one function a use case |
//! | [`gate`] | who is calling, and may they: the one decision, in memory |
//! | [`store`] | SQL, for SQLite and PostgreSQL |
//! | [`model`] | the nouns, always valid once built |
//!
//! [`config`], [`clock`] and [`outbound`], the way to other servers, are leaves that any layer may use.
//!
//! # One request's walk
//! `GET /v1/calls` passes by [`http::fast_path`], which answers pings and proxies' questions alone, arrives at
//! [`http::app`] and is framed by `observe`, which gives it an id. actix matches it to a row of
//! [`http::routes`]; the guard of that row, `judge`, reads the credential's header
//! ([`gate::presented_key`]), finds its digest in the [`gate::key_index`] and decides
//! ([`gate::decision`]) — all in memory. The handler takes the caller as an argument, asks one
//! domain function, which reads the store, and answers. When the status is known, `judge` adds one
//! to its worker's tally ([`gate::worker_tally`]), which a thread behind the server writes to the
//! database a few times a second.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that meets the unexpected shall fail"
    )
)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod gate;
pub mod http;
pub mod model;
pub mod outbound;
pub mod records;
pub mod server;
pub mod store;

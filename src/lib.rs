//! Bitting: a scoped API-key server.

pub mod auth;
pub mod clock;
pub mod domain;
pub mod model;
pub mod store;

//! Bitting: a scoped API-key server.

pub mod model;
pub mod store;

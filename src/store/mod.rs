//! SQL, for SQLite and PostgreSQL alike, and nothing else.
//!
//! Functions take a connection and model types; whoever calls them decides what is one
//! transaction. No rule about keys or scopes lives here, and nothing else in the crate knows
//! diesel.

pub mod addresses;
pub mod audit;
pub mod connection;
pub mod error;
mod file_identity;
pub mod idempotency;
pub mod keys;
pub mod migrate;
pub mod records;
pub mod rollup;
mod rows;
pub mod schema;
mod text;
pub mod tokens;
pub mod transaction;
pub mod usage;

pub use connection::{AnyConnection, Database, Target};
pub use error::{Error, Result};

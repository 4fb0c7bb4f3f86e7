//! SQL, for SQLite and PostgreSQL alike, and nothing else.
//!
//! Functions take a connection and model types; whoever calls them decides what is one
//! transaction. No rule about keys or scopes lives here, and nothing else in the crate knows
//! diesel.

pub mod audit;
pub mod clock_reset;
pub mod connections;
pub mod database;
pub mod error;
pub mod feed;
pub mod idempotency;
pub mod keys;
pub mod notifications;
pub mod resources;
pub(crate) mod rows;
pub mod schema;
pub mod servers;
pub(crate) mod text;
pub mod tokens;
pub mod usage;
pub mod users;

pub use database::any_connection::AnyConnection;
pub use database::pool::Database;
pub use database::target::Target;
pub use error::{Error, Result};

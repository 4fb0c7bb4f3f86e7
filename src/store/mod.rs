//! SQL, for SQLite and PostgreSQL alike, and nothing else.
//!
//! Functions take a connection and model types; whoever calls them decides what is one
//! transaction. No rule about keys or scopes lives here, and nothing else in the crate knows
//! diesel.

pub mod addresses;
pub mod analytics;
pub mod audit;
pub mod backup;
pub mod connection;
pub mod contents;
pub mod error;
pub mod feed;
mod file_identity;
pub mod high_water;
pub mod idempotency;
pub mod inspect;
pub mod key_errors;
pub mod key_forms;
pub mod key_summaries;
pub mod key_table;
pub mod keys;
pub mod ledger;
mod libpq;
pub mod login_failures;
pub mod migrate;
pub mod one_time_links;
pub mod powers;
pub mod preconditions;
pub mod records;
pub mod rollup;
mod rows;
pub mod schema;
pub mod sessions;
mod standby;
pub mod target;
mod text;
pub mod tokens;
pub mod transaction;
pub mod transfer;
pub mod usage;
pub mod usage_days;
pub mod usage_journal;
mod usage_rows;
pub mod users;

pub use connection::{AnyConnection, Database};
pub use error::{Error, Result};
pub use target::Target;

//! The database itself: connections, transactions, migrations, and what is demanded of it. What is
//! stored in it is not known here.

pub mod any_connection;
pub mod backup;
pub mod connection;
pub mod contents;
pub mod file_identity;
mod functions;
pub mod generation;
pub mod high_water;
pub mod identities;
pub mod inspect;
pub mod libpq;
pub mod lifeline;
pub mod migrate;
mod ownership;
mod parameters;
mod permits;
pub mod pool;
pub mod preconditions;
mod replication;
mod sqlite_faults;
pub mod standby;
pub(in crate::store) mod statement;
pub mod structure;
pub mod target;
pub mod transaction;

//! domain::keys.

pub mod forms;
pub mod keyring;
pub mod listing;
pub mod summaries;
pub mod transfer;

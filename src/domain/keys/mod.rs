//! Keys: making, editing and revoking them, lists of them, and taking them in and out.

pub mod editing;
pub mod finding;
pub mod forms;
pub mod github_keys;
pub mod holders;
pub mod identities;
pub mod keyring;
pub mod leaks;
pub mod listing;
pub mod revoking;
pub mod revoking_many;
pub mod rotation;
pub mod summaries;
pub mod transfer;

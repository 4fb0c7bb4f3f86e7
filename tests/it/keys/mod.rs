//! API keys over HTTP and as pages: making, listing, changing, importing and ending them.

mod find;
mod foreign_keys;
mod github_leaks;
mod gone_scopes;
mod holder;
mod imported_keys;
mod key_addresses;
mod key_edits;
mod key_errors;
mod key_lists;
mod key_page;
mod key_pages;
mod leaks;
mod lines;
mod management;
mod narrowing;
mod new_key_page;
mod policy;
mod revoking_many;
mod right_size;
mod rotation;
mod rotation_load;
mod rotation_page;
mod shrinking_model;
pub mod transfer;

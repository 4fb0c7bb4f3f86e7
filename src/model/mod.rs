//! The nouns: keys, secrets, scopes, users, usage, audit events and records, always valid once built.
//!
//! Nothing here does I/O, reads a clock or knows SQL or HTTP. What comes from outside is parsed
//! here into a type that needs no second look; a refusal is a [`FieldErrors`] that names every bad
//! field.

pub mod actor;
pub mod audit;
pub mod breakdown;
pub mod catalog;
pub mod connections;
pub mod counted;
pub mod credential;
pub mod email;
pub mod exported_key;
pub mod failed_request;
pub mod field_errors;
pub mod fields;
pub mod find_request;
pub mod finding;
pub mod foreign_key;
pub mod formats;
pub mod github_keys;
mod gone;
pub mod holder;
pub mod id;
pub mod idempotency;
pub mod imported_key;
pub mod key;
pub mod key_choice;
pub mod key_filter;
pub mod key_settings;
pub mod leak;
pub mod limits;
pub mod merge_patch;
pub mod network;
pub mod page;
pub mod password;
pub mod policy;
pub mod precondition;
pub mod random_secret;
pub mod request_path;
mod request_query;
pub mod request_rule;
pub mod requirement;
pub mod rotation;
pub mod schema;
pub mod scope;
pub mod secret;
pub mod session;
pub mod span;
pub mod spreadsheet;
pub mod strict_json;
pub mod table;
pub mod time;
pub mod token;
pub mod usage;
pub mod user;
pub mod view;
mod visible;
pub mod warnings;
pub mod words;

pub use field_errors::{FieldError, FieldErrors};

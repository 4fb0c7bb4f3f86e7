//! The JSON API: what each endpoint takes and answers.

pub mod audit;
pub mod connections;
pub mod describe;
pub mod document;
pub mod keys;
pub mod leaks;
pub(crate) mod listing;
mod origin;
pub mod probes;
pub(crate) mod respond;
pub mod this_key;

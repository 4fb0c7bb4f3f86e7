//! The JSON API: what each endpoint takes and answers.

pub mod agents;
pub mod analytics;
pub mod audit;
pub mod calls;
pub mod contacts;
pub mod describe;
pub mod document;
pub mod integrations;
pub mod keys;
pub mod knowledge_base;
pub mod leads;
mod listing;
mod origin;
pub mod probes;
pub mod records;
mod respond;
pub mod this_key;

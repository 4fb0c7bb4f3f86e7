//! The JSON API: what each endpoint takes and answers.

pub mod audit;
pub mod calls;
mod kept;
pub mod keys;
mod listing;
mod origin;
pub mod probes;
pub mod records;
pub mod this_key;

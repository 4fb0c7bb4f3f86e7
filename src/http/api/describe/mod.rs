//! What each operation says of itself in the API document: its words, its types and its examples.
//!
//! Examples are made by the code that makes real answers, of things that do not exist.

pub mod audit;
pub mod connections;
pub mod keys;
pub mod leaks;
pub mod probes;
pub mod this_key;

use serde_json::{Value, json};

use crate::model::page::{Limit, Page};
use crate::model::time::Moment;

/// When everything in the examples happened.
pub fn example_time() -> Moment {
    Moment::from_timestamp(1_796_000_000, 0).unwrap_or_default()
}

/// The number in every id of the examples.
pub const EXAMPLE_NUMBER: u128 = 0x0199_0c2d_6b7e_7c3a_8f5e_2b1a_4c6d_8e90;

/// A value as the server writes it.
pub fn json_of(value: impl serde::Serialize) -> Value {
    json!(value)
}

/// A list of one item, and the last of its pages.
pub fn page_of<T>(item: T) -> Page<T> {
    Page { items: vec![item], limit: Limit::default(), next: None }
}

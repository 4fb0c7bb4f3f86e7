//! What the kinds of connections offer, for the page about connections: their tables as the program
//! has them.

use std::sync::Arc;

use crate::model::connections::Kind;
use crate::model::connections::table::{Marks, Row};
use crate::model::words::Word;

/// A kind of connection and its table.
pub struct Vendor {
    /// The kind, as it is written.
    pub kind: &'static str,
    /// Which API it is.
    pub about: &'static str,
    /// Its table.
    pub rows: &'static [Arc<Row>],
}

/// Every kind that has a table.
pub fn vendors() -> Vec<Vendor> {
    let vendor = |kind: &Kind| {
        let rows = kind.offered()?.table.rows();
        Some(Vendor { kind: kind.as_str(), about: kind.about(), rows })
    };
    Kind::ALL.iter().filter_map(vendor).collect()
}

/// Each mark with what it means.
pub fn legend() -> Vec<(&'static str, &'static str)> {
    Marks::legend().collect()
}

//! domain::usage.

pub mod batch;
pub mod meter;
pub mod report;
pub mod writer;

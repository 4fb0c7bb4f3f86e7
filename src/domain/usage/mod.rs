//! domain::usage.

pub mod batch;
pub mod flushes;
pub mod meter;
pub mod report;
pub mod writer;

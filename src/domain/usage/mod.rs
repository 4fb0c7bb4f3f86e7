//! Use: collecting what workers have counted, writing it, and reading figures.

pub mod batch;
pub mod flushes;
pub mod meter;
pub mod report;
pub mod shared_limits;
pub mod writer;

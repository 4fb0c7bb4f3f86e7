//! Who gets in: credentials, the decision, and when access ends.

mod authorization;
mod credentials;
mod fast_path;
pub mod feed;
mod late_requests;
mod revocation;
mod slow_reads;
mod time;

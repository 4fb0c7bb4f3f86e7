//! Who gets in: credentials, the decision, and when access ends.

mod authorization;
mod credentials;
mod fast_path;
pub mod feed;
mod late_requests;
mod limits;
mod limits_model;
mod quotas;
mod revocation;
mod slow_reads;
mod time;

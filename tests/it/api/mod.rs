//! What every path of the API has in common, and the document that describes it.

mod bodies;
mod docs;
mod idempotency;
mod idempotency_races;
mod links;
mod openapi;
mod parameters;
mod paths;
mod versions;

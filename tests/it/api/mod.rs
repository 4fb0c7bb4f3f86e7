//! What every path of the API has in common, and the document that describes it.

mod bodies;
mod docs;
mod docs_examples;
mod docs_readers;
mod idempotency;
mod idempotency_races;
mod links;
mod openapi;
mod parameters;
mod paths;
mod static_files;
mod versions;

//! What handlers take from a request, each refusing bad input with a problem.

pub mod body;
pub mod caller;
pub mod form;
mod idempotency;
mod json;
pub mod path;
mod preconditions;
pub mod query;
pub mod visit;

pub use body::{JsonObject, OptionalJsonObject};
pub use form::{Draft, Form};
pub use idempotency::Idempotency;
pub use path::Id;
pub use query::{PageQuery, QueryReader, ReadQuery};
pub use visit::{FormToken, FromWhere};

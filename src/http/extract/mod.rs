//! What handlers take from a request, each refusing bad input with a problem.

pub mod body;
pub mod caller;
mod client_info;
pub mod form;
pub mod form_token;
mod idempotency;
pub mod path;
pub(super) mod preconditions;
pub mod query;

pub use body::{JsonObject, OptionalJsonObject};
pub use form::{Draft, Form, SHOWN};
pub use form_token::FormToken;
pub use idempotency::Idempotency;
pub use path::Id;
pub use query::{PageQuery, QueryReader, ReadQuery};

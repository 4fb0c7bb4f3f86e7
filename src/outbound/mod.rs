//! The one way out to other servers by HTTP: every address is checked before it is dialled, TLS trusts fixed
//! authorities, and no variable of the environment changes the way.
//!
//! [`pool`] keeps the connections of a [`Connector`] between requests, for whoever forwards streams;
//! [`ask`] sends one small request and returns the whole answer.

mod addresses;
mod ask;
mod connector;
mod encoding;
pub mod link;
mod pool;
mod stream;
mod unreachable;

pub use addresses::written_out;
pub use ask::{Answer, Fault, ask, ask_for_status, chain, plain_body};
pub use connector::{Connector, Resolver};
pub use encoding::{Encoded, is_zipped};
pub use pool::pool;
pub use unreachable::Unreachable;

//! `/via/{handle}/…`: vendors' APIs behind scoped keys. A request is judged by the row of the connection's
//! table that it belongs to, gets the vendor's credential instead of the client's, and is forwarded; the
//! answer comes back without what the client is not to have.
//!
//! `door` judges and counts, `carriers` are the headers with the key, `asked` finds the row, `forward` is
//! the way there and back. `outgoing` and `returned` are the headers of either side; `rewriting` is what
//! happens to a body: `units` cuts JSON, `mask` covers the credential, `strings` and `links` see to the
//! rest. `pending_write` records who wrote.

mod asked;
pub mod at_once;
mod body;
mod carriers;
pub mod client;
pub mod door;
mod fault;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod links;
mod mask;
mod outgoing;
mod pending_write;
mod returned;
mod rewriting;
mod strings;
mod units;
mod upload;

/// Where the paths of connections begin.
pub const PREFIX: &str = "/via/";
/// The router's pattern of every path there.
pub const PATTERN: &str = "/via/{handle}{path:.*}";

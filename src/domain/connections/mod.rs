//! Connections: vendors' APIs with a credential for each.
//!
//! `seal` keeps the credentials, under the keys of `master_keys`, and `opening` opens one for a
//! request. `adding` makes connections and `managing` changes them; `probe` asks a vendor whether it
//! accepts a credential, `testing` records what it said, and `test_counts` counts that. `registry` is
//! what requests see, `via_writes` records what they change at vendors, and `inspecting` looks whether
//! everything can be opened.

pub mod adding;
mod cipher;
mod common;
pub(in crate::domain) mod inspecting;
mod managing;
pub mod master_keys;
pub(in crate::domain) mod offered;
mod opening;
pub mod probe;
pub mod registry;
pub mod seal;
pub mod test_counts;
mod testing;
pub mod via_write;
mod via_writes;

pub use common::Connections;

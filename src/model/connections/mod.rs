//! Connections: a vendor's API with a credential for it, which keys reach through Bitting.

pub mod handle;
pub mod kind;
pub mod scopes;
pub mod table;
pub mod tables;
pub mod vendor_target;

pub use handle::Handle;
pub use kind::{AuthForm, Kind};

//! Connections: a vendor's API with a credential for it, which keys reach through Bitting.

pub mod handle;
pub mod kind;

pub use handle::Handle;
pub use kind::{AuthForm, Kind};

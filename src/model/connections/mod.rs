//! Connections: a vendor's API with a credential for it, which keys reach through Bitting.

pub mod api_origin;
pub mod auth_form;
pub mod connection;
pub mod credential;
pub mod handle;
pub mod kind;
pub mod master_key;
pub mod profile;
pub mod rules;
pub mod scopes;
pub mod sealed;
mod segment;
mod spellings;
pub mod table;
pub mod tables;
pub mod vendor_target;
pub mod view;

pub use api_origin::ApiOrigin;
pub use auth_form::{AuthForm, UsualForm};
pub use connection::{Connection, ConnectionState, ConnectionTest, TestResult};
pub use credential::VendorCredential;
pub use handle::Handle;
pub use kind::Kind;
pub use master_key::{MasterKey, MasterKeyId};
pub use profile::{ConnectionProfile, NewConnection};
pub use sealed::SealedCredential;
pub use view::ConnectionView;

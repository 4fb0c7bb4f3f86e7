//! The connections to vendors.

use hyper_util::client::legacy::Client;

use crate::http::forwarding::upload::Upload;
use crate::outbound::Connector;

/// A worker's connections to vendors.
pub(in crate::http) type VendorClient = Client<Connector, Upload>;

//! The connections to the upstream, kept open between requests.

use std::time::Duration;

use hyper_util::client::legacy::Client;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::GatewaySettings;
use crate::http::forwarding::upload::Upload;
use crate::outbound::{self, Connector};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A worker's connections to the upstream.
pub(super) type UpstreamClient = Client<Connector, Upload>;

/// Makes connections to the upstream, at whatever address the operator has named.
///
/// # Errors
/// When a certificate of an authority cannot be used.
pub fn connector(settings: &GatewaySettings) -> Result<Connector, rustls::Error> {
    let anywhere = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let connector = Connector::new(&anywhere, &settings.authorities)?;
    Ok(connector.with_patience(CONNECT.min(settings.timeout)))
}

/// A worker's connections; none yet.
pub(super) fn client(connector: Connector) -> UpstreamClient {
    outbound::pool(connector)
}

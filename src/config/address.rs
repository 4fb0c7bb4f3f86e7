//! Addresses of other programs that an operator writes out.

use std::net::IpAddr;

use url::{Host, Url};

/// What is said of an address that is not taken.
pub(super) struct Refusals {
    /// It is no address of the web.
    pub(super) malformed: &'static str,
    /// It holds more than says where something is.
    pub(super) overfull: &'static str,
    /// It leads away without TLS.
    pub(super) plain: &'static str,
}

/// Reads an address: with TLS, or of a place that is near.
pub(super) fn parse_address(text: &str, refusals: &Refusals) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| refusals.malformed)?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refusals.malformed);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(refusals.overfull);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_near(url.host()) => Ok(url),
        "http" => Err(refusals.plain),
        _ => Err(refusals.malformed),
    }
}

/// Whether the operator has written out a place on this machine or in a private network, rather than
/// a name that somebody else's server resolves.
pub(super) fn is_near(host: Option<Host<&str>>) -> bool {
    let address = match host {
        Some(Host::Domain(name)) => return name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical(),
        None => return false,
    };
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

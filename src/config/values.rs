//! The values of options, as people write them.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::time::parse_length;

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8080")
}

pub(super) fn parse_url(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("must be an address such as https://keys.example.com"),
    }
}

pub(super) fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(parse_network).collect()
}

/// A network, or a single address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single).ok_or_else(|| {
        format!("{text:?} is not a network; write 10.0.0.0/8, and separate several by commas")
    })
}

pub(super) fn parse_time(
    text: &str,
    milliseconds: std::ops::RangeInclusive<u128>,
    expected: &'static str,
) -> Result<Duration, &'static str> {
    let time = parse_length(text).map_err(|_| expected)?;
    if milliseconds.contains(&time.as_millis()) { Ok(time) } else { Err(expected) }
}

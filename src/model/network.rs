//! Networks and addresses, as people write them.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Reads a network (`10.0.0.0/8`), or a single address. One of IPv4 addresses that are mapped to IPv6
/// becomes that of the IPv4 addresses, as which clients are known.
///
/// # Errors
/// The complaint.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let expected = || format!("must be networks such as 10.0.0.0/8 or 2001:db8::/32, not {text:?}");
    text.parse().ok().or_else(single).map(unmapped).ok_or_else(expected)
}

/// Reads a network whose address has no bits beyond its length.
///
/// # Errors
/// The complaint.
pub(super) fn parse_exact_network(text: &str) -> Result<IpNet, String> {
    let network = parse_network(text)?;
    if network.trunc() != network {
        return Err(format!("{network} has bits set beyond its length; write {}", network.trunc()));
    }
    Ok(network)
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    four.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// What a client is counted under: whoever has one IPv6 address has its whole /64.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_in_one_way() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("203.0.113.9", "203.0.113.9/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:203.0.113.9", "203.0.113.9/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            let read = parse_exact_network(text).map(|network| network.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        }
        for (text, remedy) in [
            ("10.1.2.3/8", "write 10.0.0.0/8"),
            ("2001:db8::1/32", "write 2001:db8::/32"),
            ("10.0.0.0/33", "must be networks"),
            ("localhost", "must be networks"),
            ("", "must be networks"),
        ] {
            assert!(parse_exact_network(text).unwrap_err().contains(remedy), "{text}");
        }
    }
}

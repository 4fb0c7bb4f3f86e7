//! Which addresses may be dialled: those of the public internet, and what the operator has named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

const fn v4(a: u8, b: u8, c: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), bits)
}

const fn v6(first: [u16; 4], bits: u8) -> Ipv6Net {
    let [a, b, c, d] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), bits)
}

/// What IANA's registry of special IPv4 addresses keeps out of the public internet, and multicast.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(224, 0, 0, 4),
    v4(240, 0, 0, 4),
];

/// The networks of IPv6 that are not public. The first holds `::`, `::1` and the IPv4-compatible addresses of old.
const SPECIAL_V6: [Ipv6Net; 11] = [
    v6([0, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 1, 0], 48),
    v6([0x100, 0, 0, 0], 64),
    v6([0x2001, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0], 32),
    v6([0x3fff, 0, 0, 0], 20),
    v6([0x5f00, 0, 0, 0], 16),
    v6([0xfc00, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0], 10),
    v6([0xfec0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0], 8),
];

/// Where clouds tell a machine its own credentials (AWS, Azure and Google, ECS, EKS, Alibaba, Oracle):
/// never dialled, not even inside a network that the operator has named.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// NAT64 and 6to4: such an address leads to the IPv4 address inside.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0], 16);

/// Whether this address may be dialled, where the operator has named the networks in `private`.
pub(super) fn may_be_dialled(address: IpAddr, private: &[IpNet]) -> bool {
    let address = real(address);
    let special = match address {
        IpAddr::V4(address) => SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => SPECIAL_V6.iter().any(|net| net.contains(&address)),
    };
    let named = || private.iter().any(|net| net.contains(&address));
    !METADATA.contains(&address) && (!special || named())
}

/// The address that packets to this one reach in the end.
fn real(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    let IpAddr::V6(v6) = address else { return address };
    let octets = v6.octets();
    let inside = |at: usize| {
        let [a, b, c, d] = [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]];
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    if NAT64.contains(&v6) {
        inside(12)
    } else if SIX_TO_FOUR.contains(&v6) {
        inside(2)
    } else {
        address
    }
}

/// The private addresses that may be dialled: the one that the operator has written out. What a name
/// leads to is somebody else's to say.
pub fn written_out(url: &Url) -> Vec<IpNet> {
    match url.host() {
        Some(Host::Domain("localhost")) => ["127.0.0.1", "::1"]
            .iter()
            .filter_map(|text| text.parse::<IpAddr>().ok())
            .map(IpNet::from)
            .collect(),
        Some(Host::Domain(_)) | None => Vec::new(),
        Some(Host::Ipv4(address)) => vec![IpNet::from(IpAddr::V4(address))],
        Some(Host::Ipv6(address)) => vec![IpNet::from(IpAddr::V6(address).to_canonical())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str, private: &[&str]) -> bool {
        let private: Vec<IpNet> = private.iter().map(|net| net.parse().unwrap()).collect();
        may_be_dialled(address.parse().unwrap(), &private)
    }

    #[test]
    fn only_public_addresses_are_dialled_unless_the_operator_names_others() {
        for public in
            ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2a00:1450::1", "64:ff9b::808:808"]
        {
            assert!(allowed(public, &[]), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.1.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allowed(special, &[]), "{special}");
        }
        for (address, private) in [
            ("127.0.0.1", "127.0.0.0/8"),
            ("::ffff:127.0.0.1", "127.0.0.0/8"),
            ("64:ff9b::7f00:1", "127.0.0.0/8"),
            ("::1", "::1/128"),
            ("fd12::1", "fd00::/8"),
        ] {
            assert!(allowed(address, &[private]), "{address}");
            assert!(!allowed(address, &["192.168.0.0/16"]), "{address}");
        }
    }

    #[test]
    fn what_tells_a_machine_its_credentials_is_never_dialled() {
        let everything = ["0.0.0.0/0", "::/0"];
        for metadata in METADATA {
            assert!(!allowed(&metadata.to_string(), &everything), "{metadata}");
        }
        assert!(!allowed("::ffff:169.254.169.254", &everything));
        assert!(!allowed("64:ff9b::a9fe:a9fe", &everything));
        assert!(allowed("169.254.1.1", &everything));
    }
}

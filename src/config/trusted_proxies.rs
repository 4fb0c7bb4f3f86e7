//! Whose word about a client's address is believed.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::model::network::parse_network;

/// What stands for everybody who connects to a Unix socket.
const UNIX: &str = "unix";

/// Those whose `X-Forwarded-For` or `Forwarded` is believed: nobody unless said.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether whoever connects to a Unix socket is among them.
    unix: bool,
}

impl TrustedProxies {
    /// Whether the one at this address is among them. Who has none has come by a Unix socket.
    pub fn include(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Reads networks and the word `unix`, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut trusted = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == UNIX {
                trusted.unix = true;
                continue;
            }
            let refused = |why| {
                format!(
                    "{why}, or {UNIX} for whoever connects to a Unix socket, and separate several \
                     by commas"
                )
            };
            trusted.networks.push(parse_network(part).map_err(refused)?);
        }
        Ok(trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_trusted_by_name_alone() {
        let ours = Some("10.1.2.3".parse().unwrap());
        let other = Some("203.0.113.9".parse().unwrap());
        for (text, expected) in [
            ("", [false, false, false]),
            ("10.0.0.0/8", [true, false, false]),
            ("::ffff:10.1.2.3", [true, false, false]),
            ("unix", [false, false, true]),
            ("unix, 10.0.0.0/8", [true, false, true]),
            ("0.0.0.0/0,::/0", [true, true, false]),
        ] {
            let trusted: TrustedProxies = text.parse().unwrap();
            assert_eq!([ours, other, None].map(|peer| trusted.include(peer)), expected, "{text}");
        }
        for text in ["unix:", "unix:/run/b.sock", "everybody"] {
            let why = text.parse::<TrustedProxies>().unwrap_err();
            assert!(why.contains(text) && why.contains("or unix for"), "{why}");
        }
    }
}

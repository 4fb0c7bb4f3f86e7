//! The client's address: the peer's, or what trusted proxies say.

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use ipnet::IpNet;

/// The address a request comes from. `X-Forwarded-For` is believed from the right, as long as the
/// address to the right of it is a trusted proxy's.
pub fn client_address(request: &RequestHead, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr?.ip().to_canonical();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let lines = request.headers().get_all("x-forwarded-for");
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    Some(last_untrusted(peer, &lines.join(","), trusted))
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

fn last_untrusted(peer: IpAddr, forwarded: &str, trusted: &[IpNet]) -> IpAddr {
    let mut last = peer;
    for hop in forwarded.rsplit(',') {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { return last };
        last = address.to_canonical();
        if !is_trusted(last, trusted) {
            return last;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        let trusted: Vec<IpNet> =
            vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let client = |forwarded: &str| last_untrusted(peer, forwarded, &trusted).to_string();
        assert_eq!(client("203.0.113.9"), "203.0.113.9");
        assert_eq!(client("1.1.1.1, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(client("10.0.0.1"), "10.0.0.1");
        assert_eq!(client("unknown"), "127.0.0.1");
        assert_eq!(client(""), "127.0.0.1");
    }
}

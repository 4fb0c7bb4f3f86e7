//! Where a server listens: addresses with ports, and Unix sockets.

use std::fmt::{Display, Formatter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a Unix socket begins with where it stands beside addresses.
const UNIX: &str = "unix:";
/// The longest path that the system takes for a socket, in bytes (unix(7)).
const LONGEST_PATH: usize = 107;

/// One place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port; port 0 stands for a free one.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The address and port, if it is not a Unix socket.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether other machines reach it.
    pub(super) fn is_beyond_this_machine(&self) -> bool {
        self.tcp().is_some_and(|address| !address.ip().is_loopback())
    }

    /// Whether both would be the same place. Each port 0 is a port of its own.
    fn collides(&self, other: &Self) -> bool {
        self == other && self.tcp().is_none_or(|address| address.port() != 0)
    }
}

impl Display for ListenAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix(UNIX) else {
            let expected = "must be an address and a port, such as 127.0.0.1:8080, or a Unix \
                            socket, such as unix:/run/bitting/bitting.sock";
            return text.parse().map(Self::Tcp).map_err(|_| expected.to_owned());
        };
        if !Path::new(path).is_absolute() {
            return Err(format!(
                "{text:?} must go on with the absolute path of a socket, such as \
                 unix:/run/bitting/bitting.sock"
            ));
        }
        if path.len() > LONGEST_PATH {
            let length = path.len();
            return Err(format!(
                "the path of {text:?} is {length} bytes long, and the system takes {LONGEST_PATH} \
                 at most for a socket; choose a shorter one"
            ));
        }
        Ok(Self::Unix(path.into()))
    }
}

/// Reads one place to listen or several, separated by commas.
pub(super) fn parse_listen(text: &str) -> Result<Vec<ListenAddress>, String> {
    let mut places: Vec<ListenAddress> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let place: ListenAddress = part.parse()?;
        if places.iter().any(|other| other.collides(&place)) {
            return Err(format!("names {place} twice; leave one out"));
        }
        places.push(place);
    }
    match places.is_empty() {
        true => Err("names no address; write one such as 127.0.0.1:8080".to_owned()),
        false => Ok(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_and_sockets_separated_by_commas() {
        let longest = format!("unix:/{}", "x".repeat(106));
        for (text, places) in [
            ("127.0.0.1:8080", &["127.0.0.1:8080"][..]),
            ("[::1]:80,unix:/run/b.sock", &["[::1]:80", "unix:/run/b.sock"]),
            (" unix:/a b , 127.0.0.1:1,", &["unix:/a b", "127.0.0.1:1"]),
            ("127.0.0.1:0,127.0.0.1:0", &["127.0.0.1:0", "127.0.0.1:0"]),
            (&longest, &[&longest]),
        ] {
            let read = parse_listen(text).unwrap();
            let read: Vec<String> = read.iter().map(ToString::to_string).collect();
            assert_eq!(read, places, "{text}");
        }
    }

    #[test]
    fn a_bad_place_is_named_with_its_remedy() {
        let long = format!("unix:/{}", "x".repeat(107));
        for (text, why) in [
            ("8080", "must be an address and a port"),
            ("localhost:80", "must be an address and a port"),
            ("/run/b.sock", "such as unix:/run"),
            ("unix:", "\"unix:\" must go on with the absolute path"),
            ("unix:b.sock", "\"unix:b.sock\" must go on with the absolute path"),
            ("127.0.0.1:1,unix:./b", "\"unix:./b\" must go on with the absolute path"),
            (&long, "is 108 bytes long, and the system takes 107 at most"),
            ("127.0.0.1:1, 127.0.0.1:1", "names 127.0.0.1:1 twice"),
            ("unix:/b,[::1]:1,unix:/b", "names unix:/b twice"),
            (",", "names no address"),
        ] {
            let message = parse_listen(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}

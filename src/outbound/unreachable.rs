//! Why a server could not be reached, in words for whoever runs this one.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Why there is no connection; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The URL names no server.
    #[error("the URL names no host that can be dialled")]
    NoHost,
    /// There is no address for the name.
    #[error("the name {host} cannot be resolved: {why}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver says.
        why: io::Error,
    },
    /// One of the addresses is not of the public internet, and nobody has allowed it.
    #[error("{host} is at {address}, a private or reserved address, which is not dialled")]
    NotAllowed {
        /// The host of the URL.
        host: String,
        /// The first such address.
        address: IpAddr,
    },
    /// None of the addresses takes connections; this is what the last of them said.
    #[error("{address} takes no connection: {why}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The server does not speak TLS as it must, or its certificate is not trusted.
    #[error("TLS with {host} failed: {why}")]
    Tls {
        /// The host of the URL.
        host: String,
        /// What is wrong.
        why: io::Error,
    },
    /// It took too long.
    #[error("there was no connection to {host} within {patience:?}")]
    Late {
        /// The host of the URL.
        host: String,
        /// How long was waited.
        patience: Duration,
    },
}

impl Unreachable {
    /// The reason inside of an error that wraps it.
    pub fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut error = Some(error);
        while let Some(present) = error {
            if let Some(found) = present.downcast_ref() {
                return Some(found);
            }
            error = present.source();
        }
        None
    }
}

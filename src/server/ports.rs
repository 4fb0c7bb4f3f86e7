//! The places that a server listens on. They are taken before the database is touched.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use super::start_error::StartError;
use super::unix_socket::SocketFile;
use super::{limits, unix_socket};
use crate::config::{ListenAddress, Patience, Settings};

/// The ports of a server that does not serve yet.
pub struct Ports {
    pub(super) application: Vec<Port>,
    pub(super) gateway: Vec<Port>,
    pub(super) metrics: Option<(TcpListener, SocketAddr)>,
}

impl Ports {
    /// Binds the ports, without serving yet.
    ///
    /// # Errors
    /// [`StartError`] with one sentence for people.
    pub fn take(settings: &Settings) -> Result<Self, StartError> {
        let gateway = settings.gateway.as_ref().map(|gateway| &*gateway.listen);
        Ok(Self {
            application: take_all(&settings.listen, "--listen", settings.patience)?,
            metrics: settings
                .metrics_listen
                .map(|address| listen(address, "--metrics-listen", settings.patience))
                .transpose()?,
            gateway: take_all(gateway.unwrap_or_default(), "--gateway-listen", settings.patience)?,
        })
    }

    /// Where the application is served, in the order of the settings: at one place at least.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        addresses(&self.application)
    }
}

/// Where these ports really are.
pub(super) fn addresses(ports: &[Port]) -> Vec<ListenAddress> {
    ports.iter().map(|port| port.address.clone()).collect()
}

/// One place at which requests come in.
pub(super) struct Port {
    /// Where it really is.
    pub(super) address: ListenAddress,
    pub(super) listener: Listener,
    /// What a Unix socket leaves behind, unless this removes it.
    pub(super) file: Option<SocketFile>,
}

/// What accepts connections.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// The same port under another descriptor.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

fn take_all(
    places: &[ListenAddress],
    option: &'static str,
    patience: Patience,
) -> Result<Vec<Port>, StartError> {
    places.iter().map(|place| take(place, option, patience)).collect()
}

fn take(
    place: &ListenAddress,
    option: &'static str,
    patience: Patience,
) -> Result<Port, StartError> {
    match place {
        ListenAddress::Tcp(address) => {
            let (listener, address) = listen(*address, option, patience)?;
            let (address, listener) = (ListenAddress::Tcp(address), Listener::Tcp(listener));
            Ok(Port { address, listener, file: None })
        }
        ListenAddress::Unix(path) => {
            let (listener, file) = unix_socket::take(path).map_err(|refused| {
                let (why, remedy) = (refused.why, refused.remedy);
                StartError::Listen { address: place.clone(), option, why, remedy }
            })?;
            let (address, listener) = (place.clone(), Listener::Unix(listener));
            Ok(Port { address, listener, file: Some(file) })
        }
    }
}

/// Binds a port, and returns the address it really has.
fn listen(
    address: SocketAddr,
    option: &'static str,
    patience: Patience,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address).map_err(|why| StartError::Listen {
        address: ListenAddress::Tcp(address),
        option,
        why: why.to_string(),
        remedy: "choose another address or port",
    })?;
    limits::cut_off_who_is_gone(&listener, patience)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

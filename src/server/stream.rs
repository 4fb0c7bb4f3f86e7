//! The two kinds of streams that clients come in by, as far as they differ.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream that was accepted.
pub(super) trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin + 'static {
    /// Whether the system ends it when its client takes nothing
    /// ([`super::limits::cut_off_who_is_gone`]).
    const IS_CUT_BY_SYSTEM: bool;

    /// The address of the client: none means that it has come by a Unix socket, and may be trusted
    /// for that. So it is an error where a client has an address and is gone before it was asked.
    fn peer(&self) -> io::Result<Option<SocketAddr>>;
}

impl Stream for TcpStream {
    const IS_CUT_BY_SYSTEM: bool = true;

    fn peer(&self) -> io::Result<Option<SocketAddr>> {
        self.peer_addr().map(Some)
    }
}

impl Stream for UnixStream {
    const IS_CUT_BY_SYSTEM: bool = false;

    fn peer(&self) -> io::Result<Option<SocketAddr>> {
        Ok(None)
    }
}

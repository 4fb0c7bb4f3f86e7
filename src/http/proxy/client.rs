//! The connections to the upstream, kept open between requests.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::http::forwarding::upload::Upload;
use crate::outbound;
use crate::outbound::link::Link;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A worker's connections to the upstream.
pub(super) type UpstreamClient = Client<Connector, Upload>;

/// A worker's connections; none yet.
pub(super) fn client(timeout: Duration) -> UpstreamClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT.min(timeout)));
    outbound::pool(Connector(connector))
}

/// Makes connections to whatever address the operator has named.
#[derive(Clone)]
pub(super) struct Connector(HttpConnector);

/// A stream, as hyper takes it.
type Made = TokioIo<Link<TcpStream>>;

impl Service<Uri> for Connector {
    type Response = Made;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = MapOk<<HttpConnector as Service<Uri>>::Future, fn(TokioIo<TcpStream>) -> Made>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, upstream: Uri) -> Self::Future {
        let made = |stream: TokioIo<TcpStream>| TokioIo::new(Link::new(stream.into_inner()));
        self.0.call(upstream).map_ok(made)
    }
}

//! The connections to the upstream: kept open between requests, and each of them knows whether it
//! has answered since it was last asked.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use http::{Extensions, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

use super::upload::Upload;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept without a request. Node.js, uvicorn and actix-web close theirs
/// after five seconds; to use one at that very moment loses the request.
const IDLE: Duration = Duration::from_secs(4);
/// The most that the head of an answer may take, and a piece of its body.
const BUFFER: usize = 64 * 1024;

/// A worker's connections to the upstream.
pub(super) type UpstreamClient = Client<Connector, Upload>;

/// A worker's connections; none yet. What was never sent on one is sent on another.
pub(super) fn client(timeout: Duration) -> UpstreamClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT.min(timeout)));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(BUFFER)
        .set_host(false)
        .build(Connector(connector))
}

/// Whether a connection died after it had answered before, and before it said anything to this
/// request: the upstream closed it while the request was on its way.
pub(super) fn closed_while_idle(error: &Error) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extras);
    }
    extras.get::<Heard>().is_some_and(|heard| heard.0.load(Relaxed) == ASKED_AGAIN)
}

/// How far the talk on a connection is.
#[derive(Clone)]
struct Heard(Arc<AtomicU8>);

/// Nothing has come from the upstream so far.
const NOTHING: u8 = 0;
/// Something has come since it was last asked.
const ANSWERED: u8 = 1;
/// It has answered before, and not since it was last asked.
const ASKED_AGAIN: u8 = 2;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector(HttpConnector);

/// A stream, as hyper takes it.
type Made = TokioIo<Link>;

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

/// One connection. An upstream may answer before it has read a body, and close: what is written from
/// then on is lost, and the answer is still there to be read. So it is by reading that the end of a
/// connection is noticed.
pub(super) struct Link {
    stream: TcpStream,
    heard: Heard,
    /// Whether nothing more can be written.
    deaf: bool,
}

impl Link {
    fn new(stream: TcpStream) -> Self {
        Self { stream, heard: Heard(Arc::new(AtomicU8::new(NOTHING))), deaf: false }
    }

    /// Something was to be written, `length` bytes of it.
    fn asked(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let ready = ready!(written);
        if !self.deaf && self.heard.0.load(Relaxed) == ANSWERED {
            self.heard.0.store(ASKED_AGAIN, Relaxed);
        }
        self.deaf |= ready.is_err();
        Poll::Ready(ready.or(Ok(length)))
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.heard.clone())
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.heard.0.store(ANSWERED, Relaxed);
        }
        read
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.asked(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.asked(written, pieces.iter().map(|piece| piece.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

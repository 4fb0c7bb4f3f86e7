//! A connection that knows whether it has answered since it was last asked, and that is still read
//! when nothing more can be written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use http::Extensions;
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether a connection died after it had answered before, and before it said anything to this
/// request: the server closed it while the request was on its way.
pub fn closed_while_idle(error: &Error) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extras);
    }
    extras.get::<Heard>().is_some_and(|heard| heard.0.load(Relaxed) == ASKED_AGAIN)
}

/// How far the talk on a connection is.
#[derive(Clone)]
struct Heard(Arc<AtomicU8>);

/// Nothing has come from the server so far.
const NOTHING: u8 = 0;
/// Something has come since it was last asked.
const ANSWERED: u8 = 1;
/// It has answered before, and not since it was last asked.
const ASKED_AGAIN: u8 = 2;

/// One connection. A server may answer before it has read a body, and close: what is written from
/// then on is lost, and the answer is still there to be read. So it is by reading that the end of a
/// connection is noticed.
pub struct Link<S> {
    stream: S,
    heard: Heard,
    /// Whether nothing more can be written.
    deaf: bool,
}

impl<S> Link<S> {
    /// A connection that has just been made.
    pub fn new(stream: S) -> Self {
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

impl<S> Connection for Link<S> {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.heard.clone())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Link<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Link<S> {
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
        // TLS may write only now.
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.deaf |= flushed.is_err();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

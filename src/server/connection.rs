//! The life of a connection: a stream that waits for its client no longer than it may, and ends in
//! such a way that the client can read its last answer.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, sleep_until};

use super::limits::LINGER;
use super::stream::Stream;
use super::worker_connections::WorkerConnections;
use crate::http::exchange::{BrokenOff, Exchange};

/// What actix writes for `Expect: 100-continue`, before the application has seen the request.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How far a connection has got with ending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is open.
    Open,
    /// Its reader has been woken, to be told that there is no more to read.
    Told,
    /// We have closed our side.
    HalfClosed,
}

/// The stream of one connection, as actix reads and writes it.
pub(super) struct Connection<S> {
    stream: S,
    exchange: Rc<Exchange>,
    others: Rc<WorkerConnections>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Until when the client has to take something of what is to be sent, while it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The part of [`CONTINUE`] that is held back until the handler asks for the body.
    held: &'static [u8],
    /// Whether an answer was sent after the last time there was nothing to read.
    answered: bool,
    /// Whether something was written since the last time that all of it had been.
    unflushed: bool,
    /// Whether the client sends no more.
    has_ended: bool,
    end: End,
}

impl<S> Connection<S> {
    /// A new connection among these others.
    pub(super) fn new(stream: S, others: Rc<WorkerConnections>) -> Self {
        Self {
            stream,
            exchange: others.admit(),
            others,
            timer: None,
            stalled: None,
            held: &[],
            answered: false,
            unflushed: false,
            has_ended: false,
            end: End::Open,
        }
    }

    /// The exchange on this connection, shared with the application.
    pub(super) fn exchange(&self) -> Rc<Exchange> {
        self.exchange.clone()
    }

    /// Whether the client is too late with what it has begun. The timer is set in `poll_flush`,
    /// where actix goes by when it has looked at everything that was read.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.timer else { return false };
        let late = self.exchange.deadline() == Some(timer.deadline())
            && timer.as_mut().poll(context).is_ready();
        if late {
            self.exchange.expire();
        }
        late
    }

    /// Makes sure that the task is woken when the client is too late, and when reading is over.
    fn set_timer(&mut self, context: &mut Context<'_>) {
        if let Some(deadline) = self.exchange.deadline() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            if !self.is_late(context) {
                return;
            }
        }
        self.timer = None;
        if self.exchange.is_closing() && self.end == End::Open {
            self.end = End::Told;
            context.waker().wake_by_ref();
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Reads on in the request at hand, and no further.
    fn read_request(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (ahead, before) = (self.exchange.ahead(), buffer.filled().len());
        if ahead.is_broken() {
            return Poll::Ready(Ok(()));
        }
        if ahead.holds() {
            ahead.hand_on(buffer);
        } else if !self.has_ended {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let read = buffer.filled().len() > before;
            self.has_ended = !read;
            ahead.hold_back(buffer, before);
        }
        let ahead = self.exchange.ahead();
        if buffer.filled().len() > before || !ahead.holds() || ahead.is_broken() {
            return Poll::Ready(Ok(()));
        }
        // The task is woken when it is the turn of what is held.
        self.read_ahead(context)
    }

    /// Reads what comes meanwhile, so that it is seen when the client goes.
    fn read_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ahead = self.exchange.ahead();
        let mut space = [0; 1024];
        while !self.has_ended && ahead.has_room() {
            let mut more = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut more))?;
            self.has_ended = more.filled().is_empty();
            ahead.hold(more.filled());
        }
        if self.has_ended && self.exchange.hangs_up() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Pending
    }

    /// Whether the client has taken nothing of what is to be sent for too long. Called when it takes
    /// nothing now.
    fn is_stalled(&mut self, context: &mut Context<'_>) -> bool {
        if S::IS_CUT_BY_SYSTEM {
            return false;
        }
        let patience = self.others.patience_for_answers();
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        timer.as_mut().poll(context).is_ready()
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.others.dismiss(&self.exchange);
    }
}

impl<S: Stream> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.exchange.is_closing() || this.is_late(context) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = this.read_request(context, buffer);
        if read.is_pending() {
            this.answered = false;
            if this.exchange.leave() {
                return Poll::Ready(Ok(()));
            }
        } else if buffer.filled().len() > before {
            if this.exchange.stay() {
                this.others.keep(&this.exchange);
            }
            this.exchange.received();
        } else if matches!(read, Poll::Ready(Ok(())))
            && !this.exchange.ahead().is_broken()
            && this.exchange.hangs_up()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        read
    }
}

impl<S: Stream> AsyncWrite for Connection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A request that is refused must not be told to send its body first.
        let is_interim = this.exchange.takes_interim() && !this.unflushed;
        if is_interim && bytes.starts_with(CONTINUE) {
            this.held = CONTINUE;
            return Poll::Ready(Ok(CONTINUE.len()));
        }
        this.held = &[];
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if written.is_pending() {
            if this.exchange.is_given_up() {
                // Nobody reads what is left, and the place is needed.
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if this.is_stalled(context) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            this.exchange.is_blocked(context.waker());
        } else {
            this.stalled = None;
            this.answered = true;
            this.unflushed = true;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty() && this.exchange.is_body_wanted() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(context, this.held))?;
            this.held = &this.held[written..];
        }
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        if let Some(BrokenOff { by_reset }) = this.exchange.broken_off() {
            if by_reset {
                set_socket_linger(&this.stream, Some(Duration::ZERO))?;
            }
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        this.exchange.sent(std::mem::take(&mut this.unflushed));
        if this.end != End::HalfClosed {
            this.set_timer(context);
            this.others.make_room_if_full();
            this.exchange.rests(context.waker());
            if this.exchange.ahead().is_due() && !this.exchange.is_closing() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.end != End::HalfClosed {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.end = End::HalfClosed;
            let lingers = this.answered && !this.exchange.is_given_up();
            this.timer = lingers.then(|| Box::pin(sleep(LINGER)));
        }
        if let Some(timer) = &mut this.timer
            && timer.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        let mut waste = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut waste);
            match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Pending if this.timer.is_some() => return Poll::Pending,
                Poll::Pending | Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

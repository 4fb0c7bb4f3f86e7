//! The life of a connection: a stream that waits for its client no longer than it may, and ends in
//! such a way that the client can read its last answer.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::alarm::Alarm;
use super::limits::LINGER;
use super::stream::Stream;
use super::worker_connections::WorkerConnections;
use crate::http::exchange::{BrokenOff, Exchange};
use crate::http::fast_path::FastPath;

/// What actix writes for `Expect: 100-continue`, before the application has seen the request.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How much is read at once while actix reads nothing, in bytes: more than most heads have.
const AT_ONCE: usize = 8192;

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
    /// The address that it comes from; none by a Unix socket.
    peer: Option<IpAddr>,
    /// What answers requests before actix has seen them, if anything does.
    fast_path: Option<Rc<FastPath>>,
    /// What its client has not taken yet of such an answer.
    unsent: Vec<u8>,
    exchange: Rc<Exchange>,
    others: Rc<WorkerConnections>,
    alarm: Alarm,
    /// How long the client may read its last answer, once we have closed our side.
    linger: Option<Pin<Box<Sleep>>>,
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
    pub(super) fn new(
        stream: S,
        peer: Option<IpAddr>,
        fast_path: Option<Rc<FastPath>>,
        others: Rc<WorkerConnections>,
    ) -> Self {
        Self {
            stream,
            peer,
            fast_path,
            unsent: Vec::new(),
            exchange: others.admit(),
            others,
            alarm: Alarm::default(),
            linger: None,
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
}

impl<S: Stream> Connection<S> {
    /// Whether the client is too late with what it has begun, or is to begin. The alarm is set in
    /// `poll_flush`, where actix goes by when it has looked at everything that was read.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let late = self.alarm.is_over(|| self.exchange.deadline());
        if late && self.exchange.expire() {
            self.tell_too_late(context);
        }
        late
    }

    /// Tells the client that its head has not come to its end in time (RFC 9110 §15.5.9), as far as
    /// there is room for that: it may be gone.
    fn tell_too_late(&mut self, context: &mut Context<'_>) {
        let date = httpdate::fmt_http_date(SystemTime::now());
        let answer = format!(
            "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\
             date: {date}\r\n\r\n"
        );
        let sent = Pin::new(&mut self.stream).poll_write(context, answer.as_bytes());
        self.answered |= matches!(sent, Poll::Ready(Ok(_)));
    }

    /// Makes sure that the task is woken when the client is too late, and when reading is over.
    fn set_alarm(&mut self, context: &mut Context<'_>) {
        if let Some(deadline) = self.exchange.deadline() {
            self.alarm.set(deadline, context);
            if !self.is_late(context) {
                return;
            }
        }
        if self.exchange.is_closing() && self.end == End::Open {
            self.end = End::Told;
            context.waker().wake_by_ref();
        }
    }

    /// Answers by the fast path until there is something for actix: another request, a client that is
    /// late or gone, or the end of the server.
    pub(super) fn poll_needed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(fast_path) = self.fast_path.clone() else { return Poll::Ready(()) };
        let mut space = [MaybeUninit::uninit(); AT_ONCE];
        loop {
            // An error is met again by whoever reads or writes next.
            let is_sent = ready!(self.send_rest(context)).is_ok();
            let is_over = fast_path.is_stopping() || self.exchange.is_closing();
            if !is_sent || is_over || self.is_late(context) {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            if read.is_pending() {
                self.answered = false;
                if self.exchange.leave() {
                    return Poll::Ready(());
                }
                self.rest(context);
                return Poll::Pending;
            }
            let mut bytes = buffer.filled();
            self.has_ended = bytes.is_empty();
            while self.exchange.is_idle()
                && let Some(length) = fast_path.answer(bytes, self.peer, &mut self.unsent)
            {
                self.exchange.answered_at_once();
                bytes = &bytes[length..];
            }
            if !bytes.is_empty() || self.has_ended {
                self.exchange.ahead().hold(bytes);
                return Poll::Ready(());
            }
        }
    }

    /// Makes sure that the task is woken when it has to be, as it goes to sleep.
    fn rest(&mut self, context: &mut Context<'_>) {
        self.set_alarm(context);
        self.others.make_room_if_full();
        self.exchange.rests(context.waker());
    }

    /// Answers what has been read behind `before`, if that is a request for the fast path.
    fn answer_at_once(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> bool {
        let Some(fast_path) = &self.fast_path else { return false };
        let head = &buffer.filled()[before..];
        // Behind an upgrade, actix reads on, whatever that is.
        let is_head = self.exchange.ahead().is_whole() && !self.exchange.has_ended();
        if !is_head || fast_path.answer(head, self.peer, &mut self.unsent).is_none() {
            return false;
        }
        buffer.set_filled(before);
        self.exchange.answered_at_once();
        true
    }

    /// Sends what the client has not taken yet of an answer of the fast path.
    fn send_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let answer = std::mem::take(&mut self.unsent);
            let sent = self.send(context, &answer);
            self.unsent = answer;
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => drop(self.unsent.drain(..sent)),
            }
            self.exchange.sent(true);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the client takes of some bytes.
    fn send(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        if sent.is_ready() {
            self.stalled = None;
            self.answered = true;
            return sent;
        }
        if self.exchange.is_given_up() {
            // Nobody reads what is left, and the place is needed.
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.is_stalled(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.exchange.is_blocked(context.waker());
        Poll::Pending
    }

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
        ready!(this.send_rest(context))?;
        if this.exchange.is_closing() || this.is_late(context) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = loop {
            let was_idle = this.exchange.is_idle();
            let read = this.read_request(context, buffer);
            if !was_idle || !this.answer_at_once(buffer, before) {
                break read;
            }
            ready!(this.send_rest(context))?;
        };
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
        let sent = this.send(context, bytes);
        this.unflushed |= matches!(sent, Poll::Ready(Ok(_)));
        sent
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.send_rest(context))?;
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
            this.rest(context);
            if this.exchange.ahead().is_due() && !this.exchange.is_closing() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.send_rest(context))?;
        if this.end != End::HalfClosed {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.end = End::HalfClosed;
            let lingers = this.answered && !this.exchange.is_given_up();
            this.linger = lingers.then(|| Box::pin(sleep(LINGER)));
        }
        if let Some(linger) = &mut this.linger
            && linger.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        let mut waste = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut waste);
            match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Pending if this.linger.is_some() => return Poll::Pending,
                Poll::Pending | Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

//! The life of a connection: a stream that waits for its client no longer than it may, and ends in
//! such a way that the client can read its last answer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::stream::Stream;
use crate::http::exchange::{BrokenOff, Exchange};
use crate::http::state::HttpSettings;

/// What actix writes for `Expect: 100-continue`, before the application has seen the request.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How long a client may go on sending after its last answer. Closing while bytes arrive resets the
/// connection, and a reset destroys an answer that has not been read yet.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How long nobody looks for room again where none was found.
const STUCK: Duration = Duration::from_millis(20);

/// The connections of one worker, the oldest first. While every place is taken, the oldest that only
/// waits for its client makes room for the next; where all are being answered, the oldest whose
/// client does not take its answer.
pub(super) struct WorkerConnections {
    shared: Arc<HttpSettings>,
    most: usize,
    count: Cell<usize>,
    /// How many of them are about to end to make room, and since when the last one is.
    leaving: Cell<usize>,
    left_at: Cell<Option<Instant>>,
    /// When nobody was found who could leave.
    stuck_at: Cell<Option<Instant>>,
    /// Whether somebody is going to look for room again.
    looks_again: Cell<bool>,
    exchanges: RefCell<VecDeque<Weak<Exchange>>>,
}

thread_local! {
    static WORKER: RefCell<Weak<WorkerConnections>> = const { RefCell::new(Weak::new()) };
}

impl WorkerConnections {
    /// Room for `most` connections.
    fn new(shared: Arc<HttpSettings>, most: usize) -> Rc<Self> {
        Rc::new(Self {
            shared,
            most,
            count: Cell::new(0),
            leaving: Cell::new(0),
            left_at: Cell::new(None),
            stuck_at: Cell::new(None),
            looks_again: Cell::new(false),
            exchanges: RefCell::default(),
        })
    }

    /// Those of this thread, which is a worker's: all its services share the room it has.
    pub(super) fn of_this_worker(shared: Arc<HttpSettings>, most: usize) -> Rc<Self> {
        WORKER.with_borrow_mut(|worker| {
            worker.upgrade().unwrap_or_else(|| {
                let connections = Self::new(shared, most);
                *worker = Rc::downgrade(&connections);
                connections
            })
        })
    }

    /// Takes a new connection; if all places are taken, another one is asked to leave.
    pub(super) fn admit<S: Stream>(self: &Rc<Self>, stream: S) -> Connection<S> {
        self.shared.watch.connected();
        self.count.set(self.count.get() + 1);
        self.make_room_if_full();
        let exchange = Rc::new(Exchange::new(self.shared.patience));
        let mut exchanges = self.exchanges.borrow_mut();
        // Those that have ended are dropped now and then, so that nobody has to search for his own.
        if exchanges.len() >= 2 * self.count.get() {
            exchanges.retain(|exchange| exchange.strong_count() > 0);
        }
        exchanges.push_back(Rc::downgrade(&exchange));
        Connection {
            stream,
            exchange,
            others: self.clone(),
            timer: None,
            stalled: None,
            held: &[],
            answered: false,
            unflushed: false,
            end: End::Open,
        }
    }

    /// Keeps a connection after all that was to make room.
    fn keep(&self, exchange: &Rc<Exchange>) {
        self.leaving.set(self.leaving.get() - 1);
        self.exchanges.borrow_mut().push_back(Rc::downgrade(exchange));
    }

    fn make_room_if_full(self: &Rc<Self>) {
        if self.count.get() < self.most {
            return;
        }
        // A connection that does not leave at once is not waited for any longer.
        let dawdles = || self.left_at.get().is_none_or(|at| at.elapsed() > LINGER);
        let wanted = self.count.get() - self.leaving.get() >= self.most || dawdles();
        // All of them are looked at, which each of them would cause again with every answer.
        let is_stuck = || self.stuck_at.get().is_some_and(|at| at.elapsed() < STUCK);
        let ends = [Exchange::give_up, Exchange::give_up_answering];
        if wanted && !is_stuck() {
            let found = ends.into_iter().any(|end| self.make_room(end));
            self.stuck_at.set((!found).then(Instant::now));
        }
        self.look_again();
    }

    /// Looks a little later whether there is room now. Who was to leave may have stayed, and while
    /// all clients take nothing of their answers, nothing else happens here.
    fn look_again(self: &Rc<Self>) {
        if self.looks_again.replace(true) {
            return;
        }
        let connections = Rc::downgrade(self);
        let pause = self.stuck_at.get().map_or(LINGER, |_| STUCK);
        rt::spawn(async move {
            sleep(pause).await;
            if let Some(connections) = connections.upgrade() {
                connections.looks_again.set(false);
                connections.make_room_if_full();
            }
        });
    }

    /// Ends the oldest connection that `ends` agrees to; returns whether there is one.
    fn make_room(&self, ends: impl Fn(&Exchange) -> bool) -> bool {
        let mut exchanges = self.exchanges.borrow_mut();
        for _ in 0..exchanges.len() {
            let Some(oldest) = exchanges.pop_front() else { return false };
            match oldest.upgrade() {
                Some(exchange) if ends(&exchange) => {
                    self.leaving.set(self.leaving.get() + 1);
                    self.left_at.set(Some(Instant::now()));
                    return true;
                }
                Some(_) => exchanges.push_back(oldest),
                None => {}
            }
        }
        false
    }
}

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
    end: End,
}

impl<S> Connection<S> {
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
        if ahead.holds() {
            ahead.hand_on(buffer);
        } else {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            ahead.hold_back(buffer, before);
        }
        // The task is woken when it is the turn of what is held.
        let waits = buffer.filled().len() == before && ahead.holds();
        if waits { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Whether the client has taken nothing of what is to be sent for too long. Called when it takes
    /// nothing now.
    fn is_stalled(&mut self, context: &mut Context<'_>) -> bool {
        if S::IS_CUT_BY_SYSTEM {
            return false;
        }
        let patience = self.others.shared.patience.answer;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        timer.as_mut().poll(context).is_ready()
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        let WorkerConnections { count, leaving, .. } = &*self.others;
        count.set(count.get() - 1);
        leaving.set(leaving.get() - usize::from(self.exchange.is_given_up()));
        self.others.shared.watch.disconnected();
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
        } else if matches!(read, Poll::Ready(Ok(()))) && this.exchange.hangs_up() {
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
        if this.exchange.ahead().is_due() {
            context.waker().wake_by_ref();
        }
        if this.end != End::HalfClosed {
            this.set_timer(context);
            this.others.make_room_if_full();
            this.exchange.rests(context.waker());
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

//! The state of the exchange on one connection. The application says when a request has begun and
//! what became of its body; the server's stream goes by it when it waits for the client.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use actix_http::Payload;
use tokio::time::Instant;

use super::ahead::{Ahead, BodyEnd};
use super::leftover::drain;
use crate::config::Patience;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// The client, to begin a request.
    #[default]
    Idle,
    /// The client, to send the rest of a head.
    Head,
    /// The client, to send the rest of a body.
    Body,
    /// The application, to answer.
    Answering,
    /// Nothing: no more is read, and what is left to be sent is sent.
    Closing,
    /// The client, for the last time: the connection's place is needed.
    Leaving,
}

/// How a body is taken from its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pace {
    /// As a whole, by one deadline.
    #[default]
    Whole,
    /// Piece by piece, since it is forwarded as it comes: each has its time, which runs while the
    /// piece is asked for. The client has to stay for the answer.
    Pieces,
}

/// An answer that ends before its end.
#[derive(Debug, Clone, Copy)]
pub struct BrokenOff {
    /// Whether its client is told by a reset.
    pub by_reset: bool,
}

/// The exchange on one connection, shared by its stream and the application.
#[derive(Default)]
pub struct Exchange {
    phase: Cell<Phase>,
    pace: Cell<Pace>,
    /// When the rest of the head or body must have arrived.
    deadline: Cell<Option<Instant>>,
    late: Cell<bool>,
    body_wanted: Cell<bool>,
    /// Whether what is written next may be what `Expect: 100-continue` is answered with.
    interim_due: Cell<bool>,
    /// Whether the answer at hand is known.
    settled: Cell<bool>,
    /// Whether the answer at hand cannot be brought to its end.
    broken_off: Cell<Option<BrokenOff>>,
    /// Whether all of the current answer has been handed to the connection.
    answered: Cell<bool>,
    /// Since when the client has not taken all that is to be sent.
    blocked: Cell<Option<Instant>>,
    /// The body of the current request, when its handler has left the rest of it unread.
    unread: RefCell<Option<Payload>>,
    /// Whether a request of this connection has been answered.
    has_answered: Cell<bool>,
    /// Whether an answer has said that it is the last one.
    ended: Cell<bool>,
    /// Whether the connection was told to make room.
    given_up: Cell<bool>,
    /// What the client has sent ahead of the answer at hand.
    ahead: Ahead,
    task: RefCell<Option<Waker>>,
    patience: Patience,
}

impl Exchange {
    /// The exchange on a new connection.
    pub fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// What the client has sent ahead.
    pub fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// Called when the head of a request has arrived whose body ends there.
    pub(super) fn begin(&self, end: BodyEnd, pace: Pace) {
        self.interim_due.set(true);
        self.unread.take();
        self.body_wanted.set(false);
        self.answered.set(false);
        self.settled.set(false);
        self.pace.set(pace);
        if end == BodyEnd::After(0) {
            self.phase.set(Phase::Answering);
            return;
        }
        self.ahead.expect_body(end);
        self.phase.set(Phase::Body);
        self.deadline.set(match pace {
            Pace::Whole => Some(Instant::now() + self.patience.body),
            Pace::Pieces => None,
        });
    }

    /// Whether the handler has left a body unread whose end may have arrived all the same. It is
    /// known in the connection's next turn: actix hands on a request before it looks at its body.
    pub(super) fn has_unread_body(&self) -> bool {
        self.phase.get() == Phase::Body && self.unread.borrow().is_some()
    }

    /// Whether more is about to come of a body that its handler has left unread. What has come of it
    /// is dropped.
    pub(super) fn is_rest_coming(&self, context: &mut Context<'_>) -> bool {
        let mut unread = self.unread.borrow_mut();
        let is_pending = |body: &mut Payload| drain(body, context).is_pending();
        self.ahead.is_due() && unread.as_mut().is_some_and(is_pending)
    }

    /// Called when the answer is known; `whole` if it is not streamed. Returns whether the
    /// connection must end with it, because there is a rest of the body that will not be read, or
    /// may not be.
    pub(super) fn settle(&self, whole: bool, context: &mut Context<'_>) -> bool {
        self.answered.set(whole);
        self.settled.set(true);
        if self.phase.get() == Phase::Body {
            let unread = self.unread.take();
            if unread.is_none() && self.pace.get() == Pace::Pieces {
                return true;
            }
            let is_here =
                unread.is_some_and(|mut body| drain(&mut body, context) == Poll::Ready(true));
            self.phase.set(if is_here { Phase::Answering } else { Phase::Closing });
        }
        self.is_closing()
    }

    /// An answer that was made while it was sent is with the connection to its end.
    pub(super) fn is_made(&self) {
        self.answered.set(true);
    }

    /// The answer at hand cannot be brought to its end: the connection ends instead, once what there
    /// is of it has been sent. Where its end would say that the answer is whole, it is reset.
    pub(super) fn break_off(&self, ends_by_closing: bool) {
        self.broken_off.set(Some(BrokenOff { by_reset: ends_by_closing }));
        self.wake();
    }

    /// How the connection is to end in the middle of an answer, if it is.
    pub fn broken_off(&self) -> Option<BrokenOff> {
        self.broken_off.get()
    }

    /// The client sends no more. Says whether that ends the request at hand: while it is forwarded,
    /// nobody can tell a client that waits from one that is gone.
    pub fn hangs_up(&self) -> bool {
        let at_work = matches!(self.phase.get(), Phase::Body | Phase::Answering);
        self.pace.get() == Pace::Pieces && at_work && !self.answered.get()
    }

    /// The handler asks for the body.
    pub(super) fn ask_for_body(&self) {
        self.body_wanted.set(true);
    }

    /// The next piece of the body is awaited from now on, unless it is already.
    pub(super) fn await_piece(&self) {
        if self.pace.get() == Pace::Pieces && self.deadline.get().is_none() {
            self.deadline.set(Some(Instant::now() + self.patience.body));
            // Its stream sets the timer.
            self.wake();
        }
    }

    /// Something of the body has come; `is_end` if it was its end.
    pub(super) fn take_piece(&self, is_end: bool) {
        if self.pace.get() == Pace::Pieces {
            self.deadline.set(None);
        }
        if is_end && self.phase.get() == Phase::Body {
            self.phase.set(Phase::Answering);
        }
    }

    /// Whether the body did not come in time.
    pub(super) fn is_late(&self) -> bool {
        self.late.get()
    }

    /// The handler takes no more of the body; `rest` is what may still come of it.
    pub(super) fn leave_unread(&self, rest: Payload) {
        if self.phase.get() != Phase::Body {
            return;
        }
        if self.settled.get() {
            // Nobody takes the rest, and the answer that is on its way is the connection's last.
            self.phase.set(Phase::Closing);
            self.wake();
        } else {
            *self.unread.borrow_mut() = Some(rest);
        }
    }

    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Called when an answer says that it is the last one. What the client has sent behind its
    /// request is not carried out (RFC 9112 §9.6): it will be sent again on another connection.
    pub(super) fn end_with_answer(&self) {
        self.ended.set(true);
    }

    /// Whether an answer has said that it is the last one.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Called when bytes have come from the client.
    pub fn received(&self) {
        if matches!(self.phase.get(), Phase::Idle | Phase::Leaving) {
            self.interim_due.set(true);
            self.await_head(Phase::Head);
        }
    }

    /// Whether the client is to begin a request, and nothing else is going on.
    pub fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    /// Called when a request was answered that the application has not seen.
    pub fn answered_at_once(&self) {
        self.has_answered.set(true);
        self.ahead.go_on();
        self.await_head(Phase::Idle);
    }

    /// Called when everything that was to be sent has been; `wrote` if that was anything. What came
    /// after the request that was answered begins another one. A streamed answer may go on.
    pub fn sent(&self, wrote: bool) {
        let answered = match self.phase.get() {
            // By an application that says nothing of its requests.
            Phase::Head => wrote,
            Phase::Answering => self.answered.get(),
            Phase::Idle | Phase::Body | Phase::Closing | Phase::Leaving => false,
        };
        if wrote {
            self.blocked.set(None);
        }
        if answered {
            self.has_answered.set(true);
            self.ahead.go_on();
            self.await_head(if self.given_up.get() { Phase::Leaving } else { Phase::Idle });
        }
    }

    /// Called when the client does not take what is to be sent; `waker` is woken when it does.
    pub fn is_blocked(&self, waker: &Waker) {
        if self.blocked.get().is_none() {
            self.blocked.set(Some(Instant::now()));
        }
        self.rests(waker);
    }

    fn await_head(&self, phase: Phase) {
        self.phase.set(phase);
        self.deadline.set(None);
        self.body_wanted.set(false);
    }

    /// How long a head, or the rest of it or of a body, is waited for. For a head, the time starts
    /// with the first call: most heads come in one piece and need no clock.
    pub fn deadline(&self) -> Option<Instant> {
        let patience = match self.phase.get() {
            Phase::Idle if self.has_answered.get() => self.patience.idle,
            Phase::Idle | Phase::Head => self.patience.headers,
            Phase::Body if self.pace.get() == Pace::Pieces => return self.deadline.get(),
            Phase::Body => self.patience.body,
            _ => return None,
        };
        let deadline = self.deadline.get().unwrap_or_else(|| Instant::now() + patience);
        self.deadline.set(Some(deadline));
        Some(deadline)
    }

    /// Called when the deadline has passed: nothing more is read. Returns whether the client has
    /// begun a head and takes what it is sent, so that it is told.
    pub fn expire(&self) -> bool {
        self.late.set(true);
        self.phase.replace(Phase::Closing) == Phase::Head && self.blocked.get().is_none()
    }

    /// Whether nothing more is read.
    pub fn is_closing(&self) -> bool {
        self.phase.get() == Phase::Closing
    }

    /// Whether the handler has asked for the body of the request at hand.
    pub fn is_body_wanted(&self) -> bool {
        self.body_wanted.get()
    }

    /// Whether what is written now may be an interim answer: parts of answers may look the same.
    pub fn takes_interim(&self) -> bool {
        self.interim_due.take() && !self.is_body_wanted()
    }

    /// Called when the connection's task has handled all there is, and sleeps until it is woken.
    pub fn rests(&self, waker: &Waker) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    /// Ends the connection if it only waits for its client; returns whether it did. An idle one
    /// stays after all if a request has come that it has not looked at yet.
    pub fn give_up(&self) -> bool {
        let next = match self.phase.get() {
            _ if self.blocked.get().is_some() => return false,
            Phase::Idle => Phase::Leaving,
            Phase::Head | Phase::Body => Phase::Closing,
            Phase::Answering | Phase::Closing | Phase::Leaving => return false,
        };
        self.end(next)
    }

    /// Ends the connection if its client has not taken its answer for as long as a head is waited
    /// for; returns whether it did.
    pub fn give_up_answering(&self) -> bool {
        let blocked = self.blocked.get().is_some_and(|at| at.elapsed() >= self.patience.headers);
        blocked && self.end(Phase::Closing)
    }

    fn end(&self, phase: Phase) -> bool {
        // A task that is not asleep has work to do: its connection is not idle after all.
        let Some(task) = self.task.take() else { return false };
        if self.given_up.replace(true) {
            return false;
        }
        self.phase.set(phase);
        task.wake();
        true
    }

    /// Called when nothing has come: ends the connection if it was to leave, and returns whether it
    /// was.
    pub fn leave(&self) -> bool {
        let leaving = self.phase.get() == Phase::Leaving;
        if leaving {
            self.phase.set(Phase::Closing);
        }
        leaving
    }

    /// Whether the connection is to end because its place is needed.
    pub fn is_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// Lets the connection stay after all; returns whether it was to leave.
    pub fn stay(&self) -> bool {
        self.phase.get() == Phase::Leaving && self.given_up.replace(false)
    }
}

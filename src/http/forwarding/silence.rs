//! How long the upstream is waited for. Its time runs while it is its turn to do something: to take
//! a piece of the client's body, or to send one of its answer.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Since when it is the upstream's turn; shared by all that happens to one request.
#[derive(Clone)]
pub(in crate::http) struct Turn(Rc<Cell<Option<Instant>>>);

impl Turn {
    /// It is the upstream's turn from now on.
    pub(in crate::http) fn upstream(&self) {
        self.0.set(Some(Instant::now()));
    }

    /// It is the client's.
    pub(in crate::http) fn client(&self) {
        self.0.set(None);
    }
}

/// A wait for the upstream.
pub(in crate::http) struct Silence {
    turn: Turn,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    /// A wait that begins now, and may last so long.
    pub(in crate::http) fn new(patience: Duration) -> Self {
        let turn = Turn(Rc::new(Cell::new(Some(Instant::now()))));
        Self { turn, patience, timer: Box::pin(sleep(patience)) }
    }

    /// Whose turn it is.
    pub(in crate::http) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// Ready when the upstream has been silent for too long.
    pub(in crate::http) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = self.turn.0.get();
            let deadline = since.unwrap_or_else(Instant::now) + self.patience;
            if self.timer.deadline() != deadline {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(context));
            if since.is_some() {
                return Poll::Ready(());
            }
        }
    }
}

//! The connections of one worker, and who leaves when there is no place for another. What becomes of
//! one of them is not decided here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use tokio::time::{Instant, sleep};

use super::limits::LINGER;
use crate::config::Patience;
use crate::http::exchange::Exchange;
use crate::http::state::HttpSettings;

/// How long nobody looks for room again where none was found.
const STUCK: Duration = Duration::from_millis(20);

/// The connections of one worker, the oldest first. While every place is taken, the oldest that only
/// waits for its client makes room for the next; where all are being answered, the oldest whose
/// client does not take its answer.
pub(super) struct WorkerConnections {
    watched: Option<Arc<HttpSettings>>,
    patience: Patience,
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
    /// Those of this thread, which is a worker's: all its services share its room for `most`.
    pub(super) fn of_this_worker(
        watched: Option<Arc<HttpSettings>>,
        patience: Patience,
        most: usize,
    ) -> Rc<Self> {
        let new = || {
            Rc::new(Self {
                watched,
                patience,
                most,
                count: Cell::new(0),
                leaving: Cell::new(0),
                left_at: Cell::new(None),
                stuck_at: Cell::new(None),
                looks_again: Cell::new(false),
                exchanges: RefCell::default(),
            })
        };
        WORKER.with_borrow_mut(|worker| {
            worker.upgrade().unwrap_or_else(|| {
                let connections = new();
                *worker = Rc::downgrade(&connections);
                connections
            })
        })
    }

    /// Makes a place for a new connection; if all are taken, another one is asked to leave.
    pub(super) fn admit(self: &Rc<Self>) -> Rc<Exchange> {
        if let Some(watched) = &self.watched {
            watched.watch.connected();
        }
        self.count.set(self.count.get() + 1);
        self.make_room_if_full();
        let exchange = Rc::new(Exchange::new(self.patience));
        let mut exchanges = self.exchanges.borrow_mut();
        // Those that have ended are dropped now and then, so that nobody has to search for his own.
        if exchanges.len() >= 2 * self.count.get() {
            exchanges.retain(|exchange| exchange.strong_count() > 0);
        }
        exchanges.push_back(Rc::downgrade(&exchange));
        exchange
    }

    /// A connection has ended.
    pub(super) fn dismiss(&self, exchange: &Exchange) {
        self.count.set(self.count.get() - 1);
        self.leaving.set(self.leaving.get() - usize::from(exchange.is_given_up()));
        if let Some(watched) = &self.watched {
            watched.watch.disconnected();
        }
    }

    /// How long a client may take nothing of its answer.
    pub(super) fn patience_for_answers(&self) -> Duration {
        self.patience.answer
    }

    /// Keeps a connection after all that was to make room.
    pub(super) fn keep(&self, exchange: &Rc<Exchange>) {
        self.leaving.set(self.leaving.get() - 1);
        self.exchanges.borrow_mut().push_back(Rc::downgrade(exchange));
    }

    /// Asks somebody to leave, while every place is taken.
    pub(super) fn make_room_if_full(self: &Rc<Self>) {
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

//! The timer by which a connection's task is woken when its client is late. Nearly every client is in
//! time, so it is not moved when a deadline is: one that has gone off too early is set anew.

use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that goes off at a deadline, or before it.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Makes sure that the task is woken when this deadline has passed.
    pub(super) fn set(&mut self, deadline: Instant, context: &mut Context<'_>) {
        let is_set = |timer: &Pin<Box<Sleep>>| timer.deadline() <= deadline && !timer.is_elapsed();
        if self.0.as_ref().is_some_and(is_set) {
            return;
        }
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().reset(deadline);
        // Once it has been asked, it wakes whoever did.
        let _ = timer.as_mut().poll(context);
    }

    /// Whether it has gone off, and this deadline, if there is one, has passed.
    pub(super) fn is_over(&self, deadline: impl FnOnce() -> Option<Instant>) -> bool {
        let Some(timer) = self.0.as_ref().filter(|timer| timer.is_elapsed()) else { return false };
        deadline().is_some_and(|deadline| deadline <= timer.deadline())
    }
}

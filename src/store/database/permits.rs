//! A counting semaphore for threads.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How many may do something at once.
#[derive(Debug)]
pub(super) struct Permits(Arc<State>);

#[derive(Debug)]
struct State {
    free: Mutex<u32>,
    returned: Condvar,
}

/// The right to do it, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<State>);

impl Permits {
    pub(super) fn new(number: u32) -> Self {
        Self(Arc::new(State { free: Mutex::new(number), returned: Condvar::new() }))
    }

    /// Waits for a permit; there is none if that takes longer.
    pub(super) fn take(&self, patience: Duration) -> Option<Permit> {
        let mut free = self.0.free.lock();
        self.0.returned.wait_while_for(&mut free, |free| *free == 0, patience);
        *free = free.checked_sub(1)?;
        Some(Permit(self.0.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_given_than_there_are() {
        let permits = Permits::new(2);
        let held: Vec<_> = (0..3).map(|_| permits.take(Duration::ZERO)).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        let waiting = std::thread::spawn({
            let permits = Permits(permits.0.clone());
            move || permits.take(Duration::from_secs(10)).is_some()
        });
        drop(held);
        assert!(waiting.join().unwrap());
    }
}

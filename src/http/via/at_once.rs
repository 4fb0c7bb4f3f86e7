//! How many requests each connection is answering at once, on all workers of this server.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The most at one connection.
const MOST: u32 = 32;

/// The requests at each connection, by its number.
#[derive(Default)]
pub struct AtOnce(Mutex<HashMap<u8, u32>>);

/// A place at a connection, which is free again when it is dropped.
pub(super) struct Place {
    all: Arc<AtOnce>,
    connection: u8,
}

impl AtOnce {
    /// Takes a place at a connection, if there is one.
    pub(super) fn enter(self: &Arc<Self>, connection: u8) -> Option<Place> {
        let mut taken = self.0.lock();
        let here = taken.entry(connection).or_default();
        if *here >= MOST {
            return None;
        }
        *here += 1;
        Some(Place { all: self.clone(), connection })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.all.0.lock();
        if let Some(here) = taken.get_mut(&self.connection) {
            *here -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let all = Arc::new(AtOnce::default());
        let mut places: Vec<_> = (0..MOST).filter_map(|_| all.enter(1)).collect();
        assert_eq!(places.len(), MOST as usize);
        assert!(all.enter(1).is_none() && all.enter(2).is_some());
        places.pop();
        assert!(all.enter(1).is_some());
    }
}

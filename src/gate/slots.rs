//! Where in memory what has a hash is to be found: a hash table of numbers that is read without
//! waiting. It knows nothing of what the numbers stand for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Places of the first table; each later one has twice as many.
const FIRST_SIZE: usize = 1 << 10;
/// More tables than memory could ever hold.
const TABLES: usize = 32;
/// A place holds a number plus one in so many bits, zero when it is free, and above it as much of
/// the hash as fits: what stands for another hash is nearly always told without a look at it.
const NUMBER_BITS: u32 = 40;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// Tables of places, of which the last one made is in use. The earlier ones are kept, since somebody
/// may still be reading them; together they are smaller than the last one.
pub struct Places {
    tables: [OnceLock<Box<[AtomicU64]>>; TABLES],
    in_use: AtomicUsize,
}

impl Default for Places {
    fn default() -> Self {
        let tables = std::array::from_fn(|_| OnceLock::new());
        let places = Self { tables, in_use: AtomicUsize::new(0) };
        places.table_of(0);
        places
    }
}

impl Places {
    fn table_of(&self, which: usize) -> &[AtomicU64] {
        self.tables[which].get_or_init(|| {
            let size = FIRST_SIZE << which;
            std::iter::repeat_with(AtomicU64::default).take(size).collect()
        })
    }

    fn table(&self) -> &[AtomicU64] {
        self.table_of(self.in_use.load(Ordering::Acquire))
    }

    /// The numbers that may stand for a hash, the right one among them if it is there.
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> {
        let table = self.table();
        let held = way(table, hash).map(|place| place.load(Ordering::Acquire));
        // One place in four is free, so that every way ends.
        held.take_while(|held| *held != 0)
            .filter(move |held| (held ^ hash) & !NUMBER_MASK == 0)
            .map(|held| (held & NUMBER_MASK) as usize - 1)
    }

    /// Notes a number under a hash. Only one may do so at a time, after making room.
    pub fn put(&self, hash: u64, number: usize) {
        put(self.table(), hash, number);
    }

    /// Makes room for so many numbers in all; `present` are those that are here already, with their
    /// hashes. Only one may do so at a time.
    pub fn make_room(&self, numbers: usize, present: impl Iterator<Item = (u64, usize)>) {
        let in_use = self.in_use.load(Ordering::Acquire);
        let has_room = |which: &usize| numbers <= (FIRST_SIZE << which) / 4 * 3;
        let wanted = (in_use..TABLES).find(has_room).unwrap_or(TABLES - 1);
        if wanted > in_use {
            let table = self.table_of(wanted);
            present.for_each(|(hash, number)| put(table, hash, number));
            self.in_use.store(wanted, Ordering::Release);
        }
    }
}

/// The places that may hold what has a hash, from the first one on.
fn way(table: &[AtomicU64], hash: u64) -> impl Iterator<Item = &AtomicU64> {
    let (before, from) = table.split_at(hash as usize & (table.len() - 1));
    from.iter().chain(before)
}

fn put(table: &[AtomicU64], hash: u64, number: usize) {
    let free = way(table, hash).find(|place| place.load(Ordering::Relaxed) == 0);
    if let Some(free) = free {
        let held = hash & !NUMBER_MASK | (number as u64 + 1) & NUMBER_MASK;
        free.store(held, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::gate::slots::*;

    proptest! {
        /// Hashes that share their first place, their upper bits, or everything.
        #[test]
        fn whatever_is_put_is_a_candidate(hashes in prop::collection::vec((0u64..4, 0u64..4000), 0..3000)) {
            let hash = |(upper, lower): &(u64, u64)| upper << NUMBER_BITS | lower;
            let places = Places::default();
            for (number, parts) in hashes.iter().enumerate() {
                let present = hashes[..number].iter().map(hash).enumerate();
                places.make_room(number + 1, present.map(|(number, hash)| (hash, number)));
                places.put(hash(parts), number);
            }
            for (number, parts) in hashes.iter().enumerate() {
                prop_assert!(places.candidates(hash(parts)).any(|candidate| candidate == number));
                let others = places.candidates(hash(parts)).filter(|other| hashes[*other].0 != parts.0);
                prop_assert_eq!(others.count(), 0);
            }
            prop_assert_eq!(places.candidates(5 << NUMBER_BITS).count(), 0);
        }
    }
}

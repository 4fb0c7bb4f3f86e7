//! A lock-free hash table from hashes to slot numbers. It knows nothing of what the numbers stand
//! for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Entries of the first table; each later one has twice as many.
const FIRST_SIZE: usize = 1 << 10;
/// The most tables: each is twice as large as the one before, so the last one could never be
/// filled.
const TABLES: usize = 32;
/// The low bits of an entry hold the slot number plus one, zero meaning free. The bits above hold
/// that part of the hash as a tag, so that nearly every other hash is skipped without reading its
/// slot.
const NUMBER_BITS: u32 = 40;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// A hash table of slot numbers with linear probing, as a series of tables of which the last is in
/// use. The earlier ones are kept, since a reader may still be in one; together they are smaller
/// than the last.
pub struct SlotTable {
    tables: [OnceLock<Box<[AtomicU64]>>; TABLES],
    in_use: AtomicUsize,
}

impl Default for SlotTable {
    fn default() -> Self {
        let tables = std::array::from_fn(|_| OnceLock::new());
        let table = Self { tables, in_use: AtomicUsize::new(0) };
        table.table_of(0);
        table
    }
}

impl SlotTable {
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
    pub fn matches(&self, hash: u64) -> impl Iterator<Item = usize> {
        // What is inserted into a larger table from here on is missed: the answer is that of a moment
        // earlier, as if the reader had come before the writer.
        let table = self.table();
        // Pairs with the store in `occupy`: whoever sees a number also sees the slot behind it.
        let held = probe(table, hash).map(|entry| entry.load(Ordering::Acquire));
        // One entry in four is free, so that every probe ends.
        held.take_while(|held| *held != 0)
            .filter(move |held| (held ^ hash) & !NUMBER_MASK == 0)
            .map(|held| (held & NUMBER_MASK) as usize - 1)
    }

    /// Inserts a number under a hash. One writer at a time, after reserving.
    pub fn insert(&self, hash: u64, number: usize) {
        occupy(self.table(), hash, number);
    }

    /// Grows, if need be, to hold so many numbers in all; `present` are those already here, with their
    /// hashes. One writer at a time.
    pub fn reserve_slots(&self, numbers: usize, present: impl Iterator<Item = (u64, usize)>) {
        let in_use = self.in_use.load(Ordering::Acquire);
        // Linear probing degrades quickly in a fuller table.
        let has_room = |which: &usize| numbers <= (FIRST_SIZE << which) / 4 * 3;
        let wanted = (in_use..TABLES).find(has_room).unwrap_or(TABLES - 1);
        if wanted > in_use {
            let table = self.table_of(wanted);
            present.for_each(|(hash, number)| occupy(table, hash, number));
            // Published once it is complete: a reader finds everything in the old table or in the new.
            self.in_use.store(wanted, Ordering::Release);
        }
    }
}

/// The entries that may hold a hash, in probing order.
fn probe(table: &[AtomicU64], hash: u64) -> impl Iterator<Item = &AtomicU64> {
    let (before, from) = table.split_at(hash as usize & (table.len() - 1));
    from.iter().chain(before)
}

fn occupy(table: &[AtomicU64], hash: u64, number: usize) {
    // The one writer reads what it has stored itself.
    let free = probe(table, hash).find(|entry| entry.load(Ordering::Relaxed) == 0);
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
        /// Hashes that share their first entry, their upper bits, or everything.
        #[test]
        fn whatever_is_inserted_matches(hashes in prop::collection::vec((0u64..4, 0u64..4000), 0..3000)) {
            let hash = |(upper, lower): &(u64, u64)| upper << NUMBER_BITS | lower;
            let table = SlotTable::default();
            for (number, parts) in hashes.iter().enumerate() {
                let present = hashes[..number].iter().map(hash).enumerate();
                table.reserve_slots(number + 1, present.map(|(number, hash)| (hash, number)));
                table.insert(hash(parts), number);
            }
            for (number, parts) in hashes.iter().enumerate() {
                prop_assert!(table.matches(hash(parts)).any(|candidate| candidate == number));
                let others = table.matches(hash(parts)).filter(|other| hashes[*other].0 != parts.0);
                prop_assert_eq!(others.count(), 0);
            }
            prop_assert_eq!(table.matches(5 << NUMBER_BITS).count(), 0);
        }
    }
}

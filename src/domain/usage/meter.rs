//! Counting in memory: what all workers have counted, and the batch of it that is being written.
//!
//! A batch carries a sequence number, and the database keeps each process's last one; so a batch
//! whose commit had an unknown outcome can be tried again without counting twice, and a reader
//! knows which of the counts it copied from memory it will also find in the database.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

pub use super::batch::Batch;
use super::batch::{Collected, Gone};
use crate::gate::key_index::Replaced;
use crate::gate::row_numbers::RowNumbers;
use crate::gate::worker_tally::WorkerTally;
use crate::model::key::KeyNumber;
use crate::model::usage::{Count, KeySelection};

#[derive(Default)]
struct Batches {
    /// The number of the last batch that was frozen.
    sequence: i64,
    frozen: Option<Arc<Batch>>,
    collected: Collected,
}

/// Counts that are not known to be written, with the batch they are or will be in.
pub type Unwritten = Vec<(i64, Count)>;

/// All counts of this process that are not written yet.
pub struct UsageMeter {
    process: String,
    /// Which rows the keys are in that workers count requests of.
    numbers: Arc<RowNumbers>,
    workers: Mutex<Vec<Arc<WorkerTally>>>,
    batches: Mutex<Batches>,
}

impl UsageMeter {
    /// A meter whose batches bear this process's name.
    pub fn new(process: String, numbers: Arc<RowNumbers>) -> Self {
        Self { process, numbers, workers: Mutex::default(), batches: Mutex::default() }
    }

    /// The name of this process in the database.
    pub fn process(&self) -> &str {
        &self.process
    }

    /// A tally for one more worker.
    pub fn worker(&self) -> Arc<WorkerTally> {
        let tally = Arc::new(WorkerTally::default());
        self.workers.lock().push(tally.clone());
        tally
    }

    /// Whether any worker is left that may still count.
    pub fn has_workers(&self) -> bool {
        self.workers.lock().iter().any(|worker| Arc::strong_count(worker) > 1)
    }

    /// The batch to write now: the one that is still waiting, or else all that has been counted
    /// since; `None` when there is nothing. With it comes what `beside` returns: in between nothing
    /// is replaced.
    pub fn freeze<T>(&self, beside: impl FnOnce() -> T) -> Option<(Arc<Batch>, T)> {
        // Locks are always taken in this order: batches, workers, a worker's tally.
        let mut batches = self.batches.lock();
        batches.collected.take_from(&self.workers.lock(), &self.numbers);
        if batches.frozen.is_none() && !batches.collected.is_empty() {
            batches.sequence += 1;
            let sequence = batches.sequence;
            batches.frozen = Some(Arc::new(batches.collected.take_batch(sequence)));
        }
        batches.collected.coarsen();
        batches.frozen.clone().map(|batch| (batch, beside()))
    }

    /// Runs what replaces the index, and sets aside what is not written yet of keys that are gone.
    /// Returns how many requests that were, too.
    pub fn while_replacing(&self, replace: impl FnOnce() -> Replaced) -> (Replaced, i64) {
        let mut batches = self.batches.lock();
        // First, while the numbers still stand for the rows that were counted.
        batches.collected.take_from(&self.workers.lock(), &self.numbers);
        let replaced = replace();
        let gone = Gone::of(&replaced);
        let mut set_aside = batches.collected.set_aside(&gone);
        if let Some(frozen) = &mut batches.frozen {
            set_aside += Arc::make_mut(frozen).set_aside(&gone);
        }
        (replaced, set_aside)
    }

    /// Drops the frozen batch, which is in the database now.
    pub fn written(&self, sequence: i64) {
        let mut batches = self.batches.lock();
        batches.frozen.take_if(|batch| batch.sequence == sequence);
    }

    /// Counters that wait to be written, without those that workers still hold.
    pub fn backlog(&self) -> usize {
        let batches = self.batches.lock();
        let frozen = batches.frozen.as_ref().map_or(0, |batch| batch.counts.len());
        frozen + batches.collected.counts.len()
    }

    /// Copies the counts that are not known to be written. Call it before reading the database:
    /// what the process's mark there covers must then be left out.
    pub fn unwritten(&self, keys: KeySelection<'_>) -> Unwritten {
        // While this lock is held nothing moves from a worker into a batch.
        let mut batches = self.batches.lock();
        let workers = self.workers.lock();
        let only: HashSet<KeyNumber>;
        let wanted: &dyn Fn(&KeyNumber) -> bool = match keys {
            KeySelection::Only(keys) => {
                only = keys.iter().copied().collect();
                &|key| only.contains(key)
            }
            KeySelection::All => {
                batches.collected.take_from(&workers, &self.numbers);
                &|_| true
            }
        };
        let mut copied = Unwritten::new();
        if let Some(batch) = &batches.frozen {
            let counts = batch.counts.iter().filter(|count| wanted(&count.key));
            copied.extend(counts.map(|count| (batch.sequence, *count)));
        }
        let next = batches.sequence + 1;
        let collected = batches.collected.counts.iter().filter(|count| wanted(&count.key));
        copied.extend(collected.map(|count| (next, *count)));
        if let KeySelection::Only(keys) = keys {
            let numbers = self.numbers.of_keys(keys);
            for worker in workers.iter() {
                let mut counts = worker.copy(&numbers);
                self.numbers.find_rows(&mut counts);
                copied.extend(counts.into_iter().map(|count| (next, count)));
            }
        }
        copied
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use chrono::Duration;
    use proptest::prelude::*;

    use crate::domain::usage::batch::{FINE_COUNTERS, SOURCES_IN_A_BATCH};
    use crate::domain::usage::meter::*;
    use crate::gate::key_index::{Holder, KeyIndex};
    use crate::model::id::{KeyId, PublicId};
    use crate::model::key::KeyChange;
    use crate::model::limits::KeyLimits;
    use crate::model::scope::{Access, ScopeSet};
    use crate::model::secret::Digest;
    use crate::model::time::{Moment, parse_rfc3339};
    use crate::model::usage::{Cell, Outcome};

    const KEY: KeyNumber = KeyNumber(1);

    fn start() -> Moment {
        parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn meter() -> UsageMeter {
        UsageMeter::new("p".into(), Arc::default())
    }

    fn frozen(meter: &UsageMeter) -> Option<Arc<Batch>> {
        meter.freeze(|| ()).map(|(batch, ())| batch)
    }

    fn address(host: u8) -> IpAddr {
        [192, 0, 2, host].into()
    }

    fn cell() -> Cell {
        Cell::new(None, Access::Read, Outcome::Ok)
    }

    fn sum(unwritten: Unwritten) -> i64 {
        unwritten.into_iter().map(|(_, count)| count.n).sum()
    }

    #[test]
    fn a_batch_that_failed_is_the_same_when_it_is_tried_again() {
        let meter = meter();
        let worker = meter.worker();
        worker.count(KEY, cell(), start(), None, || None);
        let first = frozen(&meter).unwrap();
        worker.count(KEY, cell(), start(), None, || None);
        let again = frozen(&meter).unwrap();
        assert_eq!((first.sequence, &first.counts), (again.sequence, &again.counts));
        assert_eq!(sum(meter.unwritten(KeySelection::Only(&[KEY]))), 2);
        meter.written(first.sequence);
        let second = frozen(&meter).unwrap();
        assert_eq!((second.sequence, second.counts[0].n), (2, 1));
        meter.written(second.sequence);
        assert!(frozen(&meter).is_none());
    }

    #[test]
    fn what_a_database_that_was_set_back_does_not_know_is_set_aside() {
        let change = |id, number| KeyChange {
            digest: Digest::of(&[id]),
            number,
            id: KeyId::from_number(id.into()),
            scopes: ScopeSet::default(),
            limits: KeyLimits::default(),
            expires_at: None,
            revoked: false,
            imported: false,
            revision: 1,
        };
        let index = KeyIndex::default();
        let entry = |key: &KeyChange| (key.digest, index.entry(key));
        let meter = UsageMeter::new("p".into(), index.numbers.clone());
        let worker = meter.worker();
        let (kept, lost, new) = (change(1, KEY), change(2, KeyNumber(2)), change(3, KeyNumber(2)));
        [&kept, &lost].into_iter().for_each(|key| index.apply(key.digest, index.entry(key)));
        let number = |key: &KeyChange| match index.find(&key.digest).unwrap().holder() {
            Holder::ApiKey { number, .. } => number,
            Holder::AdminToken { .. } => unreachable!(),
        };
        let count = |key| worker.count(key, cell(), start(), None, || None);
        let of_lost = number(&lost);
        // One of each is in a batch, one is collected, and one is with the worker.
        for step in 0..3 {
            [KEY, of_lost].into_iter().for_each(count);
            if step < 2 {
                frozen(&meter);
            }
        }
        let replace = || index.replace(vec![entry(&kept), entry(&new)], start());
        let (_, set_aside) = meter.while_replacing(replace);
        // And one was under way.
        [KEY, of_lost, number(&new)].into_iter().for_each(count);
        assert_eq!(set_aside, 3);
        for key in [&[KEY][..], &[KeyNumber(2)]] {
            let expected = if key[0] == KEY { 4 } else { 1 };
            assert_eq!(sum(meter.unwritten(KeySelection::Only(key))), expected);
        }
        let mut written = Vec::new();
        while let Some(batch) = frozen(&meter) {
            written.extend(batch.counts.iter().map(|count| (count.key, count.n)));
            meter.written(batch.sequence);
        }
        assert_eq!(written, [(KEY, 1), (KEY, 3), (KeyNumber(2), 1)]);
    }

    #[test]
    fn a_source_is_noted_once_a_minute() {
        let meter = meter();
        let worker = meter.worker();
        let mut noted = Vec::new();
        for second in [0, 1, 61] {
            let at = start() + Duration::seconds(second);
            worker.count(KEY, cell(), at, Some(address(1)), || Some("curl"));
            let batch = frozen(&meter).unwrap();
            noted.push(batch.sources.len());
            meter.written(batch.sequence);
        }
        assert_eq!(noted, [1, 0, 1]);
    }

    #[test]
    fn every_other_address_is_noted_and_room_is_bounded() {
        let meter = meter();
        let worker = meter.worker();
        let addresses = |hosts: &[u8]| {
            for host in hosts {
                worker.count(KEY, cell(), start(), Some(address(*host)), || None);
            }
            let batch = frozen(&meter).unwrap();
            meter.written(batch.sequence);
            batch.sources.iter().map(|(_, source)| source.address.clone()).collect::<Vec<_>>()
        };
        assert_eq!(addresses(&[1, 1, 1, 2, 1, 1]), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(addresses(&[1, 2, 1, 3, 1]), ["192.0.2.3"]);
        assert_eq!(addresses(&(0..=255).collect::<Vec<_>>()).len(), 16 - 3);
    }

    #[test]
    fn many_sources_are_spread_over_batches() {
        let meter = meter();
        let worker = meter.worker();
        let keys = 2 * SOURCES_IN_A_BATCH + 1;
        for key in (0..).take(keys) {
            worker.count(KeyNumber(key), cell(), start(), Some(address(1)), || None);
        }
        let (mut sizes, mut noted) = (Vec::new(), Vec::new());
        while let Some(batch) = frozen(&meter) {
            sizes.push((batch.counts.len(), batch.sources.len()));
            noted.extend(batch.sources.iter().map(|(key, _)| *key));
            meter.written(batch.sequence);
        }
        let most = SOURCES_IN_A_BATCH;
        assert_eq!(sizes, [(keys, most), (0, most), (0, 1)]);
        assert!(noted.is_sorted() && noted.len() == keys);
    }

    #[test]
    fn of_more_sources_than_can_be_written_each_has_its_turn() {
        let meter = meter();
        let worker = meter.worker();
        let use_key = |key, host| {
            worker.count(KeyNumber(key), cell(), start(), Some(address(host)), || None);
        };
        let busy = SOURCES_IN_A_BATCH as u32;
        use_key(busy, 0);
        let rounds = (0..4).take_while(|round| {
            (0..busy).for_each(|key| use_key(key, round % 2));
            let batch = frozen(&meter).unwrap();
            meter.written(batch.sequence);
            batch.sources.iter().all(|(key, _)| *key != KeyNumber(busy))
        });
        assert_eq!(rounds.count(), 1, "the second batch has it");
    }

    #[test]
    fn a_long_outage_keeps_the_counts_and_not_the_minutes() {
        let meter = meter();
        let worker = meter.worker();
        worker.count(KeyNumber(0), cell(), start(), None, || None);
        meter.freeze(|| ());
        for minute in 0..40 {
            for key in 0..6_000 {
                let at = start() + Duration::minutes(minute);
                worker.count(KeyNumber(key), cell(), at, None, || None);
            }
            meter.freeze(|| ());
        }
        assert_eq!(sum(meter.unwritten(KeySelection::Only(&[KEY]))), 40);
        assert!(meter.batches.lock().collected.counts.len() <= FINE_COUNTERS);
    }

    proptest! {
        /// Whatever is counted, frozen, lost and retried in whatever order: nothing is lost and
        /// nothing is doubled, and a reader always sees exactly what was counted.
        #[test]
        fn nothing_is_lost_or_doubled(steps in prop::collection::vec((0u8..4, 0i64..180, 0usize..3), 0..200)) {
            let meter = meter();
            let workers = [meter.worker(), meter.worker(), meter.worker()];
            let (mut counted, mut stored, mut mark) = (0i64, 0i64, 0i64);
            for (step, minute, worker) in steps {
                match step {
                    0 | 1 => {
                        workers[worker].count(KEY, cell(), start() + Duration::minutes(minute), None, || None);
                        counted += 1;
                    }
                    // A commit that went through, whose answer may have been lost (step 3).
                    _ => if let Some(batch) = frozen(&meter) {
                        if batch.sequence > mark {
                            stored += batch.counts.iter().map(|count| count.n).sum::<i64>();
                            mark = batch.sequence;
                        }
                        if step == 2 { meter.written(batch.sequence); }
                    }
                }
                let pending = meter.unwritten(KeySelection::Only(&[KEY])).into_iter().filter(|(sequence, _)| *sequence > mark);
                let pending: i64 = pending.map(|(_, count)| count.n).sum();
                prop_assert_eq!(stored + pending, counted);
            }
        }
    }
}

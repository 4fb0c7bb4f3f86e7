//! Counting in memory: what all workers have counted, and the batch of it that is being written.
//!
//! A batch carries a sequence number, and the database keeps each process's last one; so a batch
//! whose commit had an unknown outcome can be tried again without counting twice, and a reader
//! knows which of the counts it copied from memory it will also find in the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::worker_tally::{Counters, Taken, WorkerTally};
use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::{Count, Keys, Source};

/// So many counters are kept by the minute while they cannot be written; beyond, by the hour.
const FINE_COUNTERS: usize = 200_000;
/// So many sources go into one batch, since each costs as much as twenty counters. More wait for
/// the next ones.
const SOURCES_IN_A_BATCH: usize = 2_000;
/// So many wait at most; what is more than that is not noted.
const MOST_SOURCES: usize = 100_000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts that are written in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rises by one with every batch of this process.
    pub sequence: i64,
    /// In the order of the minute rows' primary key, each row once.
    pub counts: Vec<Count>,
    /// Where keys were used from, each key and address once, and not too many at a time. They are in
    /// order, as all rows are, so that two processes that write at once never wait for each other.
    pub sources: Vec<(KeyNumber, Source)>,
    /// When admin tokens were last accepted.
    pub tokens: Vec<(u32, Moment)>,
}

/// What was collected from the workers and is not in a batch yet.
#[derive(Default)]
struct Collected {
    /// In order, each row once.
    counts: Vec<Count>,
    sources: BTreeMap<(KeyNumber, String), Source>,
    /// The last of the sources that went into a batch.
    last_source: Option<(KeyNumber, String)>,
    tokens: BTreeMap<u32, Moment>,
    /// An empty map that a worker is given for its full one: it has room already.
    spare: Counters,
}

impl Collected {
    /// Takes what the workers have counted.
    fn take_from(&mut self, workers: &[Arc<WorkerTally>]) {
        for worker in workers {
            self.take_from_one(worker);
        }
        Count::merge(&mut self.counts);
    }

    fn take_from_one(&mut self, worker: &WorkerTally) {
        let Taken { counters, sources, tokens } = worker.take(std::mem::take(&mut self.spare));
        self.spare = counters.drain_into(&mut self.counts);
        let room = MOST_SOURCES.saturating_sub(self.sources.len());
        for (key, source) in sources.into_iter().take(room) {
            self.sources.insert((key, source.address.clone()), source);
        }
        for (token, at) in tokens {
            let latest = self.tokens.entry(token).or_insert(at);
            *latest = at.max(*latest);
        }
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.sources.is_empty() && self.tokens.is_empty()
    }

    /// Moves counters to the first minute of their hour, so that a long outage cannot fill the
    /// memory.
    fn coarsen(&mut self) {
        if self.counts.len() > FINE_COUNTERS {
            self.counts.iter_mut().for_each(|c| c.minute = c.minute.hour().first_minute());
            Count::merge(&mut self.counts);
        }
    }

    fn take_batch(&mut self, sequence: i64) -> Batch {
        let sources = self.take_sources();
        Batch {
            sequence,
            counts: std::mem::take(&mut self.counts),
            sources,
            tokens: std::mem::take(&mut self.tokens).into_iter().collect(),
        }
    }

    /// Takes those that follow the last ones that were taken, and after the last the first, so that
    /// each has its turn however many come.
    fn take_sources(&mut self) -> Vec<(KeyNumber, Source)> {
        let mut later = match &self.last_source {
            Some(last) => self.sources.split_off(last),
            None => std::mem::take(&mut self.sources),
        };
        let mut taken = BTreeMap::new();
        while taken.len() < SOURCES_IN_A_BATCH
            && let Some((place, source)) = later.pop_first().or_else(|| self.sources.pop_first())
        {
            self.last_source = Some(place.clone());
            taken.insert(place, source);
        }
        self.sources.append(&mut later);
        taken.into_iter().map(|((key, _), source)| (key, source)).collect()
    }
}

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
    workers: Mutex<Vec<Arc<WorkerTally>>>,
    batches: Mutex<Batches>,
}

impl UsageMeter {
    /// A meter whose batches are told from other processes' by this name.
    pub fn new(process: String) -> Self {
        Self { process, workers: Mutex::default(), batches: Mutex::default() }
    }

    /// The name of this process in the database.
    pub fn process(&self) -> &str {
        &self.process
    }

    /// A tally for one more worker.
    pub fn worker(&self) -> Arc<WorkerTally> {
        let tally = Arc::new(WorkerTally::default());
        lock(&self.workers).push(tally.clone());
        tally
    }

    /// The batch to write now: the one that is still waiting, or else all that has been counted
    /// since; `None` when there is nothing.
    pub fn freeze(&self) -> Option<Arc<Batch>> {
        let mut batches = lock(&self.batches);
        batches.collected.take_from(&lock(&self.workers));
        if batches.frozen.is_none() && !batches.collected.is_empty() {
            batches.sequence += 1;
            let sequence = batches.sequence;
            batches.frozen = Some(Arc::new(batches.collected.take_batch(sequence)));
        }
        batches.collected.coarsen();
        batches.frozen.clone()
    }

    /// Forgets the frozen batch: it is in the database.
    pub fn written(&self, sequence: i64) {
        let mut batches = lock(&self.batches);
        batches.frozen.take_if(|batch| batch.sequence == sequence);
    }

    /// Counters that wait to be written, without those that workers still hold.
    pub fn backlog(&self) -> usize {
        let batches = lock(&self.batches);
        let frozen = batches.frozen.as_ref().map_or(0, |batch| batch.counts.len());
        frozen + batches.collected.counts.len()
    }

    /// Copies what is not known to be written. To be read before the database: what
    /// the process's mark there covers is to be left out.
    pub fn unwritten(&self, keys: Keys<'_>) -> Unwritten {
        // While this lock is held nothing moves from a worker into a batch.
        let mut batches = lock(&self.batches);
        let workers = lock(&self.workers);
        let wanted: &dyn Fn(&KeyNumber) -> bool = match keys {
            Keys::These(keys) => &|key| keys.contains(key),
            Keys::All => {
                batches.collected.take_from(&workers);
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
        if let Keys::These(keys) = keys {
            for worker in workers.iter() {
                copied.extend(worker.copy(keys).into_iter().map(|count| (next, count)));
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

    use super::*;
    use crate::domain::worker_tally::Client;
    use crate::model::scope::Access;
    use crate::model::time::parse_rfc3339;
    use crate::model::usage::{Cell, Outcome};

    const KEY: KeyNumber = KeyNumber(1);

    fn start() -> Moment {
        parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn cell() -> Cell {
        Cell::new(None, Access::Read, Outcome::Ok)
    }

    fn sum(unwritten: Unwritten) -> i64 {
        unwritten.into_iter().map(|(_, count)| count.n).sum()
    }

    #[test]
    fn a_batch_that_failed_is_the_same_when_it_is_tried_again() {
        let meter = UsageMeter::new("p".into());
        let worker = meter.worker();
        worker.count(KEY, cell(), start(), || None);
        let first = meter.freeze().unwrap();
        worker.count(KEY, cell(), start(), || None);
        let again = meter.freeze().unwrap();
        assert_eq!((first.sequence, &first.counts), (again.sequence, &again.counts));
        assert_eq!(sum(meter.unwritten(Keys::These(&[KEY]))), 2);
        meter.written(first.sequence);
        let second = meter.freeze().unwrap();
        assert_eq!((second.sequence, second.counts[0].n), (2, 1));
        meter.written(second.sequence);
        assert!(meter.freeze().is_none());
    }

    #[test]
    fn a_source_is_noted_once_a_minute() {
        let meter = UsageMeter::new("p".into());
        let worker = meter.worker();
        let client = Client { address: IpAddr::from([192, 0, 2, 1]), user_agent: Some("curl") };
        let mut noted = Vec::new();
        for second in [0, 1, 61] {
            worker.count(KEY, cell(), start() + Duration::seconds(second), || Some(client));
            let batch = meter.freeze().unwrap();
            noted.push(batch.sources.len());
            meter.written(batch.sequence);
        }
        assert_eq!(noted, [1, 0, 1]);
    }

    #[test]
    fn many_sources_are_spread_over_batches() {
        let meter = UsageMeter::new("p".into());
        let worker = meter.worker();
        let client = Client { address: IpAddr::from([192, 0, 2, 1]), user_agent: None };
        let keys = 2 * SOURCES_IN_A_BATCH + 1;
        for key in (0..).take(keys) {
            worker.count(KeyNumber(key), cell(), start(), || Some(client));
        }
        let (mut sizes, mut noted) = (Vec::new(), Vec::new());
        while let Some(batch) = meter.freeze() {
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
        let meter = UsageMeter::new("p".into());
        let worker = meter.worker();
        let use_key = |key, host| {
            let client = Client { address: IpAddr::from([192, 0, 2, host]), user_agent: None };
            worker.count(KeyNumber(key), cell(), start(), || Some(client));
        };
        let busy = SOURCES_IN_A_BATCH as u32;
        use_key(busy, 0);
        let rounds = (0..4).take_while(|round| {
            (0..busy).for_each(|key| use_key(key, round % 2));
            let batch = meter.freeze().unwrap();
            meter.written(batch.sequence);
            batch.sources.iter().all(|(key, _)| *key != KeyNumber(busy))
        });
        assert_eq!(rounds.count(), 1, "the second batch has it");
    }

    #[test]
    fn a_long_outage_keeps_the_counts_and_not_the_minutes() {
        let meter = UsageMeter::new("p".into());
        let worker = meter.worker();
        worker.count(KeyNumber(0), cell(), start(), || None);
        meter.freeze();
        for minute in 0..40 {
            for key in 0..6_000 {
                let at = start() + Duration::minutes(minute);
                worker.count(KeyNumber(key), cell(), at, || None);
            }
            meter.freeze();
        }
        assert_eq!(sum(meter.unwritten(Keys::These(&[KEY]))), 40);
        assert!(lock(&meter.batches).collected.counts.len() <= FINE_COUNTERS);
    }

    proptest! {
        /// Whatever is counted, frozen, lost and retried in whatever order: nothing is lost and
        /// nothing is doubled, and a reader always sees exactly what was counted.
        #[test]
        fn nothing_is_lost_or_doubled(steps in prop::collection::vec((0u8..4, 0i64..180, 0usize..3), 0..200)) {
            let meter = UsageMeter::new("p".into());
            let workers = [meter.worker(), meter.worker(), meter.worker()];
            let (mut counted, mut stored, mut mark) = (0i64, 0i64, 0i64);
            for (step, minute, worker) in steps {
                match step {
                    0 | 1 => {
                        workers[worker].count(KEY, cell(), start() + Duration::minutes(minute), || None);
                        counted += 1;
                    }
                    // A commit that went through, whose answer may have been lost (step 3).
                    _ => if let Some(batch) = meter.freeze() {
                        if batch.sequence > mark {
                            stored += batch.counts.iter().map(|count| count.n).sum::<i64>();
                            mark = batch.sequence;
                        }
                        if step == 2 { meter.written(batch.sequence); }
                    }
                }
                let pending = meter.unwritten(Keys::These(&[KEY])).into_iter().filter(|(sequence, _)| *sequence > mark);
                let pending: i64 = pending.map(|(_, count)| count.n).sum();
                prop_assert_eq!(stored + pending, counted);
            }
        }
    }
}

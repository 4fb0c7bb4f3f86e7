//! What is counted and waits to be written: what was collected from the workers, and batches of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::gate::key_index::{Holder, Replaced};
use crate::gate::last_errors::LastErrors;
use crate::gate::row_numbers::{RowNumbers, Table};
use crate::gate::worker_tally::{Counters, Taken, WorkerTally};
use crate::model::failed_request::FailedRequest;
use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::{Count, Source};

/// How many counters are kept by the minute while the database is away. Beyond, they are kept by
/// the hour.
pub(in crate::domain) const FINE_COUNTERS: usize = 200_000;
/// The most sources in one batch: each costs as much as twenty counters. More wait for the next
/// batches.
pub(in crate::domain) const SOURCES_IN_A_BATCH: usize = 2_000;
/// The most sources that wait to be written. Further ones are dropped.
const MOST_SOURCES: usize = 100_000;

/// Counts that are written in one transaction.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    /// The batch's number, one higher than that of this process's last batch.
    pub sequence: i64,
    /// The counts in the order of the minute rows' primary key, each row once.
    pub counts: Vec<Count>,
    /// Where keys were used from, each key and address once, and not too many at a time. They are in
    /// order, as all rows are, so that two processes that write at once never wait for each other.
    pub sources: Vec<(KeyNumber, Source)>,
    /// When admin tokens were last accepted.
    pub tokens: Vec<(u32, Moment)>,
    /// The last requests of keys that were refused or failed.
    pub errors: Vec<(KeyNumber, FailedRequest)>,
}

impl Batch {
    /// Removes what is about rows that are gone; returns how many requests that were.
    pub(in crate::domain) fn set_aside(&mut self, gone: &Gone) -> i64 {
        self.sources.retain(|(key, _)| !gone.keys.contains(key));
        self.tokens.retain(|(token, _)| !gone.tokens.contains(token));
        self.errors.retain(|(key, _)| !gone.keys.contains(key));
        gone.set_aside(&mut self.counts)
    }
}

/// Rows that a database which was set back does not have, or has given to somebody else.
pub(in crate::domain) struct Gone {
    keys: HashSet<KeyNumber>,
    tokens: HashSet<u32>,
}

impl Gone {
    pub(in crate::domain) fn of(replaced: &Replaced) -> Self {
        let (mut keys, mut tokens) = (HashSet::new(), HashSet::new());
        for entry in &replaced.gone {
            match entry.holder() {
                Holder::ApiKey { number, .. } => keys.insert(number),
                Holder::AdminToken { number, .. } => tokens.insert(number),
            };
        }
        Self { keys, tokens }
    }

    fn set_aside(&self, counts: &mut Vec<Count>) -> i64 {
        let gone = counts.extract_if(.., |count| self.keys.contains(&count.key));
        gone.map(|count| count.n).sum()
    }
}

/// What was collected from the workers and is not in a batch yet.
#[derive(Default)]
pub(in crate::domain) struct Collected {
    /// The counts in the order of the minute rows' primary key, each row once.
    pub(in crate::domain) counts: Vec<Count>,
    sources: BTreeMap<(KeyNumber, String), Source>,
    /// The last of the sources that went into a batch.
    last_source: Option<(KeyNumber, String)>,
    tokens: BTreeMap<u32, Moment>,
    errors: LastErrors,
    /// An empty map to give a worker for its full one, with room already allocated.
    spare: Counters,
}

impl Collected {
    /// Takes what the workers have counted, and assigns it to database rows.
    pub(in crate::domain) fn take_from(
        &mut self,
        workers: &[Arc<WorkerTally>],
        numbers: &RowNumbers,
    ) {
        let mut set_aside = 0;
        for worker in workers {
            set_aside += self.take_from_one(worker, numbers);
        }
        if set_aside > 0 {
            tracing::warn!(
                requests = set_aside,
                "requests of keys that the database does not know any longer are not counted"
            );
        }
        Count::merge(&mut self.counts);
    }

    fn take_from_one(&mut self, worker: &WorkerTally, numbers: &RowNumbers) -> i64 {
        let Taken { counters, sources, tokens, errors } =
            worker.take(std::mem::take(&mut self.spare));
        self.errors.take_in(errors, |key| numbers.row(Table::Keys, key.0).map(KeyNumber));
        let mut counts = Vec::new();
        self.spare = counters.drain_into(&mut counts);
        let set_aside = numbers.find_rows(&mut counts);
        self.counts.append(&mut counts);
        let room = MOST_SOURCES.saturating_sub(self.sources.len());
        for (key, source) in sources.into_iter().take(room) {
            if let Some(row) = numbers.row(Table::Keys, key.0) {
                self.sources.insert((KeyNumber(row), source.address.clone()), source);
            }
        }
        for (token, at) in tokens {
            if let Some(row) = numbers.row(Table::Tokens, token) {
                let latest = self.tokens.entry(row).or_insert(at);
                *latest = at.max(*latest);
            }
        }
        set_aside
    }

    pub(in crate::domain) fn set_aside(&mut self, gone: &Gone) -> i64 {
        self.sources.retain(|(key, _), _| !gone.keys.contains(key));
        self.tokens.retain(|token, _| !gone.tokens.contains(token));
        self.errors.retain(|key| !gone.keys.contains(&key));
        gone.set_aside(&mut self.counts)
    }

    pub(in crate::domain) fn is_empty(&self) -> bool {
        self.counts.is_empty()
            && self.sources.is_empty()
            && self.tokens.is_empty()
            && self.errors.is_empty()
    }

    /// Moves counters to the first minute of their hour, so that a long outage cannot fill the
    /// memory.
    pub(in crate::domain) fn coarsen(&mut self) {
        if self.counts.len() > FINE_COUNTERS {
            self.counts.iter_mut().for_each(|c| c.minute = c.minute.hour().first_minute());
            Count::merge(&mut self.counts);
        }
    }

    pub(in crate::domain) fn take_batch(&mut self, sequence: i64) -> Batch {
        let sources = self.take_sources();
        Batch {
            sequence,
            counts: std::mem::take(&mut self.counts),
            sources,
            tokens: std::mem::take(&mut self.tokens).into_iter().collect(),
            errors: std::mem::take(&mut self.errors).into_rows(),
        }
    }

    /// Takes the sources that follow the last ones taken, and after the last the first again, so
    /// that each is written in turn however many come.
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

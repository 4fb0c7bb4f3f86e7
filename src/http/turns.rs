//! Turns at the database. However much is asked with API keys, connections are left for managing
//! keys and for pages; and few requests at once may read whole tables, no two of them with one key.
//!
//! Whoever waits for a turn holds neither a thread nor a connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Code, Problem};
use crate::config::CONNECTIONS;
use crate::model::key::KeyNumber;

/// Connections of a server that requests with API keys leave to others.
const LEFT: u32 = 3;
/// Turns of keys in which nothing may be changed, so that reads go on where changes take long.
const ONLY_READING: u32 = 2;
/// How many requests with API keys may search at once.
const OF_SEARCHES: usize = 2;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of the database a request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A few rows, found by an index.
    Little,
    /// A few rows, and changes them.
    Change,
    /// Possibly a whole table.
    Search,
}

/// Limits how many requests use the database at once, over all workers.
pub struct Turns {
    all: Arc<Semaphore>,
    changes: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    /// The one search that each key has, if it searches or waits to.
    own: Mutex<HashMap<KeyNumber, Arc<Semaphore>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self::of(CONNECTIONS)
    }
}

/// A request's turn, which ends when it is dropped.
pub struct Turn {
    _held: Vec<OwnedSemaphorePermit>,
}

impl Turns {
    /// The turns at a database to which a server takes so many connections.
    pub fn of(connections: u32) -> Self {
        let of = |number: u32| Arc::new(Semaphore::new(number.max(1) as usize));
        let all = connections.saturating_sub(LEFT);
        Self {
            all: of(all),
            changes: of(all.saturating_sub(ONLY_READING)),
            searches: Arc::new(Semaphore::new(OF_SEARCHES)),
            own: Mutex::default(),
        }
    }

    /// Waits for a key's turn.
    ///
    /// # Errors
    /// 503 when it does not come in time.
    pub async fn take(&self, key: KeyNumber, effort: Effort) -> Result<Turn, Problem> {
        // The scarcest first, so that nobody waits for it while keeping others from the rest.
        let needed = match effort {
            Effort::Little => vec![self.all.clone()],
            Effort::Change => vec![self.changes.clone(), self.all.clone()],
            Effort::Search => vec![self.own(key), self.searches.clone(), self.all.clone()],
        };
        let taking = async {
            let mut held = Vec::with_capacity(needed.len());
            for turn in needed {
                held.push(turn.acquire_owned().await.map_err(Problem::internal)?);
            }
            Ok(Turn { _held: held })
        };
        tokio::time::timeout(PATIENCE, taking).await.map_err(|_| too_busy(effort))?
    }

    fn own(&self, key: KeyNumber) -> Arc<Semaphore> {
        let mut own = self.own.lock();
        own.retain(|_, turn| Arc::strong_count(turn) > 1);
        own.entry(key).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}

fn too_busy(effort: Effort) -> Problem {
    let detail = match effort {
        Effort::Little | Effort::Change => {
            "Too many requests are running; nothing was changed. Try again, with fewer at once."
        }
        Effort::Search => {
            "Too many searches are running. Try again, with one search of this key at a time."
        }
    };
    Problem::new(Code::Unavailable, detail)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    /// Those turns of as many requests that come at once.
    fn taken(turns: &Turns, requests: impl Iterator<Item = (u32, Effort)>) -> Vec<Turn> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let take = |(key, effort)| {
            let taking = turns.take(KeyNumber(key), effort);
            async move { taking.now_or_never() }
        };
        let taken = runtime.block_on(join_all(requests.map(take)));
        taken.into_iter().flatten().map(Result::unwrap).collect()
    }

    #[test]
    fn searches_leave_turns_for_others_and_one_key_for_other_keys() {
        let turns = Turns::default();
        let first = taken(&turns, (0..10).map(|_| (1, Effort::Search)));
        assert_eq!(first.len(), 1);
        let second = taken(&turns, (2..10).map(|key| (key, Effort::Search)));
        assert_eq!(second.len(), OF_SEARCHES - 1);
        let rest = taken(&turns, (0..10).map(|_| (1, Effort::Little)));
        assert_eq!(rest.len(), (CONNECTIONS - LEFT) as usize - OF_SEARCHES);
        drop(first);
        assert_eq!(taken(&turns, (0..10).map(|_| (1, Effort::Search))).len(), 1);
        drop((second, rest));
        let changes = taken(&turns, (0..10).map(|key| (key, Effort::Change)));
        let reads = taken(&turns, (0..10).map(|key| (key, Effort::Little)));
        assert_eq!((changes.len(), reads.len()), (3, ONLY_READING as usize));
        drop((changes, reads));
        // What is kept of keys goes with their searches.
        taken(&turns, std::iter::once((11, Effort::Search)));
        assert_eq!(turns.own.lock().len(), 1);
    }
}

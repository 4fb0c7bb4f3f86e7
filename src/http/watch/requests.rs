//! Requests by route, access and status, and how long they took.
//!
//! Each worker counts into memory of its own, allotted once; a scrape adds the workers up. A request
//! costs two looks at the clock and three additions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::scope::Access;

/// The route under which requests are counted that match none.
pub const NO_ROUTE: &str = "none";

/// Statuses that are counted by themselves, the commonest first.
const STATUSES: [u16; 23] = [
    200, 401, 403, 201, 204, 404, 422, 429, 400, 503, 304, 303, 405, 409, 415, 413, 408, 202, 500,
    502, 504, 501, 412,
];
/// What the others, which an API behind the gateway may answer, are counted under: by their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Where answers with a status are counted.
fn place_of(status: u16) -> usize {
    let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
    STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() + class)
}

/// Upper bounds of the buckets in nanoseconds; one more bucket has none.
const BOUNDS: [u64; 16] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

type Counts<const N: usize> = [AtomicU64; N];

fn zeros<const N: usize>() -> Counts<N> {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// The counters of all workers.
pub struct Requests {
    routes: Vec<String>,
    workers: Mutex<Vec<Arc<WorkerRequests>>>,
}

/// The counters of one worker. Nobody else adds to them.
pub struct WorkerRequests {
    accepted: AtomicU64,
    routes: Box<[RouteRequests]>,
}

struct RouteRequests {
    answered: [Counts<{ STATUSES.len() + CLASSES.len() }>; Access::ALL.len()],
    took: Counts<{ BOUNDS.len() + 1 }>,
    nanoseconds: AtomicU64,
}

impl RouteRequests {
    fn new() -> Self {
        Self { answered: [zeros(), zeros()], took: zeros(), nanoseconds: AtomicU64::new(0) }
    }
}

impl WorkerRequests {
    /// Counts a request that was answered.
    pub fn answered(&self, route: usize, access: Access, status: u16, time: Duration) {
        let Some(counts) = self.routes.get(route) else { return };
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        add(&counts.answered[access as usize][place_of(status)], 1);
        add(&counts.took[BOUNDS.partition_point(|bound| *bound < nanoseconds)], 1);
        add(&counts.nanoseconds, nanoseconds);
    }

    /// Counts a credential that was accepted.
    pub fn accepted(&self) {
        add(&self.accepted, 1);
    }
}

/// How long the requests of one route took.
#[derive(Debug)]
pub struct Durations {
    /// Their sum, in seconds.
    pub sum: f64,
    /// The number of requests.
    pub count: u64,
    /// Upper bound in seconds, and how many took no longer than it and longer than the one before.
    pub buckets: Vec<(f64, u64)>,
}

impl Requests {
    /// Counters for these routes, and for what matches none.
    pub fn new(routes: impl IntoIterator<Item = String>) -> Self {
        let routes = routes.into_iter().chain([NO_ROUTE.to_owned()]).collect();
        Self { routes, workers: Mutex::default() }
    }

    /// Counters for one more worker.
    pub fn worker(&self) -> Arc<WorkerRequests> {
        let routes = self.routes.iter().map(|_| RouteRequests::new()).collect();
        let worker = Arc::new(WorkerRequests { accepted: AtomicU64::new(0), routes });
        self.workers.lock().push(worker.clone());
        worker
    }

    /// The number that a route's requests are counted under.
    pub fn number_of(&self, route: &str) -> usize {
        self.routes.iter().position(|known| known == route).unwrap_or(self.routes.len() - 1)
    }

    fn sum(&self, counter: impl Fn(&WorkerRequests) -> &AtomicU64) -> u64 {
        self.workers.lock().iter().map(|worker| counter(worker).load(Ordering::Relaxed)).sum()
    }

    /// Credentials accepted so far.
    pub fn accepted(&self) -> u64 {
        self.sum(|worker| &worker.accepted)
    }

    /// Requests answered so far, by route, access and status; those that never came are left out.
    pub fn answered(&self) -> Vec<(&str, Access, String, u64)> {
        let mut found = Vec::new();
        for (number, route) in self.routes.iter().enumerate() {
            for access in Access::ALL.iter().copied() {
                let classes = CLASSES.map(str::to_owned);
                let statuses = STATUSES.iter().map(u16::to_string).chain(classes);
                for (place, status) in statuses.enumerate() {
                    let n =
                        self.sum(|worker| &worker.routes[number].answered[access as usize][place]);
                    if n > 0 {
                        found.push((route.as_str(), access, status, n));
                    }
                }
            }
        }
        found
    }

    /// How long the answered requests took, by route; routes that were never called are left out.
    pub fn durations(&self) -> Vec<(&str, Durations)> {
        let mut found = Vec::new();
        for (number, route) in self.routes.iter().enumerate() {
            let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e9).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds
                .enumerate()
                .map(|(place, bound)| (bound, self.sum(|w| &w.routes[number].took[place])))
                .collect();
            let count = buckets.iter().map(|(_, n)| n).sum();
            let sum = self.sum(|worker| &worker.routes[number].nanoseconds) as f64 / 1e9;
            if count > 0 {
                found.push((route.as_str(), Durations { sum, count, buckets }));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::code::Code;
    use crate::model::words::Word;

    #[test]
    fn every_status_of_our_own_is_counted_by_itself() {
        for code in Code::ALL {
            assert!(place_of(code.status().as_u16()) < STATUSES.len(), "{}", code.as_str());
        }
    }

    #[test]
    fn every_request_is_counted_once_under_its_route_status_and_time() {
        let requests = Requests::new(["/a", "/b"].map(str::to_owned));
        let workers = [requests.worker(), requests.worker()];
        let b = requests.number_of("/b");
        for (worker, status, nanoseconds) in
            [(0, 200, 50_000), (1, 200, 50_001), (0, 200, 20_000_000_000), (1, 418, 1), (0, 599, 1)]
        {
            let time = Duration::from_nanos(nanoseconds);
            workers[worker].answered(b, Access::Write, status, time);
        }
        workers[0].answered(requests.number_of("/nowhere"), Access::Read, 404, Duration::ZERO);
        let write = |status: &str, n| ("/b", Access::Write, status.to_owned(), n);
        let none = (NO_ROUTE, Access::Read, "404".to_owned(), 1);
        assert_eq!(requests.answered(), [write("200", 3), write("4xx", 1), write("5xx", 1), none]);
        let durations = requests.durations();
        let (route, Durations { count, buckets, .. }) = &durations[0];
        assert_eq!((*route, *count), ("/b", 5));
        let filled: Vec<_> = buckets.iter().filter(|(_, n)| *n > 0).copied().collect();
        assert_eq!(filled, [(0.000_05, 3), (0.000_1, 1), (f64::INFINITY, 1)]);
    }
}

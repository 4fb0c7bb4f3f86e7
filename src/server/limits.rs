//! What clients may take of the machine: descriptors, and time to read an answer.

use std::any::Any;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Extensions;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::state::HttpSettings;

/// Descriptors kept back for the database, the threads and the metrics.
const KEPT_BACK: u64 = 64;
/// Descriptors that each worker needs for itself.
const PER_WORKER: u64 = 8;
/// Connections that one worker takes at most, whatever there is.
const MOST_PER_WORKER: u64 = 25_000;

/// How many connections are taken; more wait in the system's queue until one is closed. Without
/// this, taking one more than there are descriptors would fail over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connections {
    pub(super) per_worker: usize,
    pub(super) in_all: usize,
}

/// Takes as many descriptors as the system allows, and says how many connections that is.
pub(super) fn connections(workers: usize) -> Connections {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    share(limit.unwrap_or(u64::MAX), workers as u64)
}

fn share(descriptors: u64, workers: u64) -> Connections {
    let free = descriptors.saturating_sub(KEPT_BACK + PER_WORKER * workers);
    let per_worker = (free / workers).clamp(1, MOST_PER_WORKER);
    Connections { per_worker: per_worker as usize, in_all: (per_worker * workers) as usize }
}

/// Lets the system end a connection whose client takes nothing of its answer for so long, and with
/// it the answer. Connections that are accepted inherit it.
///
/// # Errors
/// When the system does not know this.
pub(super) fn cut_off_silent_readers(listener: &TcpListener, patience: Duration) -> io::Result<()> {
    let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    Ok(set_tcp_user_timeout(listener, milliseconds)?)
}

/// Counts a connection from its beginning to its end.
pub(super) fn count_connections(
    shared: Arc<HttpSettings>,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |_, connection| {
        shared.watch.connected();
        connection.insert(Open(shared.clone()));
    }
}

/// Lives as long as its connection.
struct Open(Arc<HttpSettings>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.watch.disconnected();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(share(1024, 2), Connections { per_worker: 472, in_all: 944 });
        assert_eq!(share(20, 4), Connections { per_worker: 1, in_all: 4 });
        assert_eq!(share(u64::MAX, 2).per_worker, 25_000);
    }
}

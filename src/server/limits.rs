//! What clients may take of the machine: descriptors, and time to read an answer.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
    set_tcp_user_timeout,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Patience;

/// Descriptors kept back for the database, the threads and the metrics.
const KEPT_BACK: u64 = 64;
/// Descriptors that each worker needs for itself.
const PER_WORKER: u64 = 8;
/// Connections that one worker takes at most, however many descriptors there are.
const MOST_PER_WORKER: u64 = 25_000;
/// How often a silent client is asked whether it is still there, before it is taken to be gone.
const PROBES: u32 = 4;

/// How long a client may go on sending after its last answer. Closing while bytes arrive resets the
/// connection, and a reset destroys an answer that has not been read yet.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How many connections are taken; more wait in the system's queue until one is closed. Without
/// this, taking one more than there are descriptors would fail over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connections {
    pub(super) per_worker: usize,
    pub(super) in_all: usize,
}

/// Raises the limit of descriptors as far as the system allows; returns how many connections that
/// makes. With `forwards`, each may need another one, to an upstream.
pub(super) fn connections(workers: usize, forwards: bool) -> Connections {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    share(limit.unwrap_or(u64::MAX), workers as u64, if forwards { 2 } else { 1 })
}

fn share(descriptors: u64, workers: u64, each: u64) -> Connections {
    let free = descriptors.saturating_sub(KEPT_BACK + PER_WORKER * workers);
    let per_worker = (free / workers / each).clamp(1, MOST_PER_WORKER);
    Connections { per_worker: per_worker as usize, in_all: (per_worker * workers) as usize }
}

/// Lets the system end a connection whose client takes nothing of its answer for so long, or is
/// gone without having said so. Connections that are accepted inherit it.
///
/// # Errors
/// When the system does not know this.
pub(super) fn cut_off_who_is_gone(listener: &TcpListener, patience: Patience) -> io::Result<()> {
    let milliseconds = u32::try_from(patience.answer.as_millis()).unwrap_or(u32::MAX);
    set_tcp_user_timeout(listener, milliseconds)?;
    set_socket_keepalive(listener, true)?;
    set_tcp_keepidle(listener, patience.silence)?;
    set_tcp_keepintvl(listener, patience.silence / PROBES)?;
    Ok(set_tcp_keepcnt(listener, PROBES)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(share(1024, 2, 1), Connections { per_worker: 472, in_all: 944 });
        assert_eq!(share(1024, 2, 2), Connections { per_worker: 236, in_all: 472 });
        assert_eq!(share(20, 4, 1), Connections { per_worker: 1, in_all: 4 });
        assert_eq!(share(u64::MAX, 2, 1).per_worker, 25_000);
    }
}

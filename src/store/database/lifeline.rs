//! Ending connections from outside when they take too long. libpq waits for an answer without an
//! end, and a server that is frozen, or whose disk is, never gives one though its machine keeps the
//! connection alive; so whoever waits says how long, and a thread shuts the socket of those who wait
//! longer. They get an error then, and everything ends as after any broken connection.

use std::cell::Cell;
use std::collections::HashSet;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::sys::socket::{Shutdown, SockaddrStorage, getpeername, shutdown};
use procfs::process::{FDTarget, Process};

use super::parameters;

thread_local! {
    /// Until when this thread may wait for the database.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs `f`, in which this thread waits for the database no longer than this, all in all. It has an
/// effect where [`Lifelines::cut_overdue`] is called.
pub fn within<T>(limit: Duration, f: impl FnOnce() -> T) -> T {
    /// Puts the earlier deadline back, also when `f` panics.
    struct Earlier(Option<Instant>);
    impl Drop for Earlier {
        fn drop(&mut self) {
            DEADLINE.set(self.0);
        }
    }
    let earlier = DEADLINE.get();
    let deadline = Instant::now() + limit;
    DEADLINE.set(Some(earlier.map_or(deadline, |earlier| earlier.min(deadline))));
    let _earlier = Earlier(earlier);
    f()
}

/// How much of a patience the thread has left.
pub(super) fn left_of(patience: Duration) -> Duration {
    let deadline = DEADLINE.get();
    deadline.map_or(patience, |at| patience.min(at.saturating_duration_since(Instant::now())))
}

/// The socket of one connection. Its number may be given to another once libpq has closed it, its
/// inode is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Socket {
    fd: RawFd,
    inode: u64,
}

impl Socket {
    /// The sockets of this process.
    fn all() -> HashSet<Self> {
        let Ok(files) = Process::myself().and_then(|process| process.fd()) else {
            return HashSet::new();
        };
        let socket = |file: procfs::process::FDInfo| match file.target {
            FDTarget::Socket(inode) => Some(Self { fd: file.fd, inode }),
            _ => None,
        };
        files.flatten().filter_map(socket).collect()
    }

    fn peers_port(self) -> Option<u16> {
        let peer: SockaddrStorage = getpeername(self.fd).ok()?;
        let port = peer.as_sockaddr_in().map(|peer| peer.port());
        port.or_else(|| Some(peer.as_sockaddr_in6()?.port()))
    }

    fn shut(self) {
        let file = Process::myself().and_then(|process| process.fd_from_fd(self.fd));
        if file.is_ok_and(|file| file.target == FDTarget::Socket(self.inode)) {
            let _ = shutdown(self.fd, Shutdown::Both);
        }
    }
}

/// By what a connection can be ended.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// None where it is not known, as of Unix sockets.
    socket: Option<Socket>,
    until: Mutex<Option<Instant>>,
    cut: AtomicBool,
}

impl Lifeline {
    /// Whether the connection was ended because it took too long.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Runs `f`, which uses the connection, until this thread's deadline.
    pub(super) fn guard<T>(&self, f: impl FnOnce() -> T) -> T {
        *lock(&self.until) = DEADLINE.get();
        let result = f();
        *lock(&self.until) = None;
        result
    }

    fn cut_if_overdue(&self) {
        let until = lock(&self.until);
        if until.is_some_and(|until| until <= Instant::now())
            && let Some(socket) = self.socket
            && !self.cut.swap(true, Ordering::AcqRel)
        {
            socket.shut();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lifelines of all connections to one database.
#[derive(Debug, Default)]
pub(in crate::store) struct Lifelines(Mutex<Vec<Weak<Lifeline>>>);

impl Lifelines {
    /// Ends every connection that is waited for longer than whoever waits wants to.
    pub(super) fn cut_overdue(&self) {
        let mut lines = lock(&self.0);
        lines.retain(|line| line.upgrade().is_some_and(|line| {
            line.cut_if_overdue();
            true
        }));
    }

    /// Connects, and finds the socket of the new connection.
    pub(super) fn connect<C, E>(
        &self,
        url: &str,
        connect: impl FnOnce() -> Result<C, E>,
    ) -> Result<(C, Arc<Lifeline>), E> {
        // One after the other, so that what is new is the one that was made.
        static CONNECTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = lock(&CONNECTING);
        let before = Socket::all();
        let connection = connect()?;
        let ports = parameters::ports(url);
        let is_ours =
            |socket: &Socket| socket.peers_port().is_some_and(|port| ports.contains(&port));
        let new: Vec<_> = Socket::all().difference(&before).copied().filter(is_ours).collect();
        let socket = if let [socket] = new[..] { Some(socket) } else { None };
        let (until, cut) = (Mutex::new(None), AtomicBool::new(false));
        let line = Arc::new(Lifeline { socket, until, cut });
        lock(&self.0).push(Arc::downgrade(&line));
        Ok((connection, line))
    }
}

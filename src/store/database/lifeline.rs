//! Ending connections from outside when they take too long. libpq waits for an answer without an
//! end, and a server that is frozen, or whose disk is, never gives one though its machine keeps the
//! connection alive; so whoever waits says how long, and a thread shuts the socket of those who wait
//! longer. They get an error then, and everything ends as after any broken connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use procfs::process::{FDInfo, FDTarget, Process};
use rustix::net::sockopt::tcp_user_timeout;
use rustix::net::{Shutdown, SocketAddrUnix, getpeername, getsockname, shutdown};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::parameters;

/// What is in the path of every Unix socket of PostgreSQL's.
const UNIX_SOCKET: &str = "/.s.PGSQL.";

thread_local! {
    /// Until when this thread may wait for the database.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// The connection that it uses.
    static IN_USE: RefCell<Option<Arc<Lifeline>>> = const { RefCell::new(None) };
}

/// Runs `f`, in which this thread waits for the database no longer than this, all in all. It has an
/// effect while the database is watched (`Database::watch`).
pub fn within<T>(limit: Duration, f: impl FnOnce() -> T) -> T {
    /// Puts the earlier deadline back, also when `f` panics.
    struct Earlier(Option<Instant>);
    impl Drop for Earlier {
        fn drop(&mut self) {
            set(self.0);
        }
    }
    let earlier = DEADLINE.get();
    let deadline = Instant::now() + limit;
    set(Some(earlier.map_or(deadline, |earlier| earlier.min(deadline))));
    let _earlier = Earlier(earlier);
    f()
}

fn set(deadline: Option<Instant>) {
    DEADLINE.set(deadline);
    IN_USE.with_borrow(|line| {
        if let Some(line) = line {
            *line.until.lock() = deadline;
        }
    });
}

/// How much of a patience the thread has left.
pub(super) fn left_of(patience: Duration) -> Duration {
    let deadline = DEADLINE.get();
    deadline.map_or(patience, |at| patience.min(at.saturating_duration_since(Instant::now())))
}

/// The sockets of this process: the number and the inode of each.
fn sockets() -> HashMap<u64, RawFd> {
    let Ok(files) = Process::myself().and_then(|process| process.fd()) else {
        return HashMap::new();
    };
    let socket = |file: FDInfo| match file.target {
        FDTarget::Socket(inode) => Some((inode, file.fd)),
        _ => None,
    };
    files.flatten().filter_map(socket).collect()
}

/// The socket behind a number, under another one.
fn duplicate(fd: RawFd) -> rustix::io::Result<OwnedFd> {
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(this, fd, PidfdGetfdFlags::empty())
}

/// Whether a socket is one of libpq's, which alone leads to such a path, or has this
/// `TCP_USER_TIMEOUT`.
fn is_of_libpq(socket: &OwnedFd, user_timeout: Option<u32>) -> bool {
    let Some(peer) = getpeername(socket).ok().flatten() else { return false };
    match SocketAddrUnix::try_from(peer.clone()) {
        Ok(unix) => unix.path().is_some_and(|path| path.to_string_lossy().contains(UNIX_SOCKET)),
        Err(_) => user_timeout.is_some() && tcp_user_timeout(socket).ok() == user_timeout,
    }
}

/// By what a connection can be ended.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// None where it cannot be had: where the system does not let a process duplicate a socket by its
    /// number.
    socket: Option<OwnedFd>,
    until: Mutex<Option<Instant>>,
    cut: AtomicBool,
}

impl Lifeline {
    /// Whether the connection was ended because it took too long.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// The port of this end; none where it is not known.
    pub(super) fn own_port(&self) -> Option<u16> {
        let socket = self.socket.as_ref()?;
        let address: SocketAddr = getsockname(socket).ok()?.try_into().ok()?;
        Some(address.port())
    }

    /// Runs `f`, which uses the connection, until this thread's deadline.
    pub(super) fn guard<T>(self: &Arc<Self>, f: impl FnOnce() -> T) -> T {
        /// Lets the connection be, also when `f` panics.
        struct Over(Option<Arc<Lifeline>>);
        impl Drop for Over {
            fn drop(&mut self) {
                let line = IN_USE.replace(self.0.take());
                if let Some(line) = line {
                    *line.until.lock() = None;
                }
            }
        }
        let _over = Over(IN_USE.replace(Some(self.clone())));
        *self.until.lock() = DEADLINE.get();
        f()
    }

    fn cut_if_overdue(&self) {
        let until = self.until.lock();
        if until.is_some_and(|until| until <= Instant::now())
            && let Some(socket) = &self.socket
            && !self.cut.swap(true, Ordering::AcqRel)
        {
            let _ = shutdown(socket, Shutdown::Both);
        }
    }
}

/// Says that nobody can end a connection.
fn tell_once() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            "connections to the database cannot be ended from this end, so that one which is frozen \
             may be waited for without an end: let this process call pidfd_getfd (Linux 5.6)"
        );
    });
}

/// The lifelines of all connections to one database.
#[derive(Debug, Default)]
pub(in crate::store) struct Lifelines(Mutex<Vec<Weak<Lifeline>>>);

impl Lifelines {
    /// Ends every connection that is waited for longer than whoever waits wants to.
    pub(super) fn cut_overdue(&self) {
        let mut lines = self.0.lock();
        lines.retain(|line| {
            line.upgrade().is_some_and(|line| {
                line.cut_if_overdue();
                true
            })
        });
    }

    /// Has nobody who waits wait longer than until then.
    pub(super) fn hurry(&self, at: Instant) {
        for line in self.0.lock().iter().filter_map(Weak::upgrade) {
            let mut until = line.until.lock();
            *until = until.map(|until| until.min(at));
        }
    }

    /// Connects, and finds the socket of the new connection.
    pub(super) fn connect<C, E>(
        &self,
        url: &str,
        connect: impl FnOnce() -> Result<C, E>,
    ) -> Result<(C, Arc<Lifeline>), E> {
        // One after the other, so that what is new is the one that was made.
        static CONNECTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = CONNECTING.lock();
        let before = sockets();
        let connection = connect()?;
        let user_timeout = parameters::user_timeout(url);
        let after = sockets().into_iter();
        let new = after.filter(|(inode, _)| !before.contains_key(inode));
        let new = new.filter_map(|(_, fd)| duplicate(fd).ok());
        let mut ours = new.filter(|socket| is_of_libpq(socket, user_timeout));
        let socket = ours.next().filter(|_| ours.next().is_none());
        if socket.is_none() {
            tell_once();
        }
        let (until, cut) = (Mutex::new(None), AtomicBool::new(false));
        let line = Arc::new(Lifeline { socket, until, cut });
        self.0.lock().push(Arc::downgrade(&line));
        Ok((connection, line))
    }
}

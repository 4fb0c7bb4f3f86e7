//! Why a server does not start, each as one sentence for people.

use std::io;

use crate::config::ListenAddress;
use crate::domain;
use crate::store;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {why}; {remedy} with {option}")]
    Listen {
        /// The address that was to be listened on.
        address: ListenAddress,
        /// The option that gives it.
        option: &'static str,
        /// What is in the way.
        why: String,
        /// What helps, if it is done with the option.
        remedy: &'static str,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The application cannot be put together.
    #[error(transparent)]
    Domain(#[from] domain::Error),
    /// A demo was asked for in a database that holds something.
    #[error("{database}: {why}; name another database with --database-url, or leave out --demo")]
    NoDemo {
        /// The database that was given.
        database: String,
        /// What keeps the demo from being made.
        why: &'static str,
    },
    /// No worker answers.
    #[error(
        "the threads that answer requests could not be started, or have ended: {0}; let the process have \
         more threads and open files (ulimit -u and -n, TasksMax= and LimitNOFILE= in a unit)"
    )]
    Workers(io::Error),
    /// A thread has panicked without which the server would go on by what it knew.
    #[error("a background thread panicked")]
    Background,
    /// The operating system refuses something else.
    #[error("{0}")]
    Io(#[from] io::Error),
}

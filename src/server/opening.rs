//! Opening the database of a server that has its ports already, and waiting for a PostgreSQL server
//! that is not there yet: after a power failure it may start later than we do.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix_server::{ServerBuilder, ServerHandle};
use actix_web::rt::task::JoinHandle;
use actix_web::{rt, web};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ports::{Listener, Port, Ports};
use super::serving::{Serving, few_routes};
use super::{StartError, load, open};
use crate::clock::Clock;
use crate::config::{Patience, Settings};
use crate::domain::Bitting;
use crate::http::waiting;
use crate::store;
use crate::store::database::migrate::Missing;

/// The pause between two attempts to open the database.
const PAUSE: Duration = Duration::from_millis(500);
/// After how long the ports are answered at although the attempt has not failed.
const LONG: Duration = Duration::from_secs(10);
/// How often the log says that the database is still waited for.
const TELL: Duration = Duration::from_secs(10);
/// How many clients are answered at once in the meantime.
const CLIENTS: usize = 64;

impl Ports {
    /// Opens the database and loads every key; waits for one that is out of reach as long as the
    /// settings say, and for one that is being migrated to its end. Meanwhile the ports answer that
    /// there is none, and `waiting` is called once. There is nothing to return when the process is
    /// asked to stop before.
    ///
    /// # Errors
    /// [`StartError`] at once for what waiting does not mend, such as a wrong password; the same
    /// when the time is over.
    pub async fn open_database(
        &self,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        mut stop: impl Future<Output = ()> + Unpin,
        waiting: impl FnOnce(),
    ) -> Result<Option<Bitting>, StartError> {
        let mut wait = Wait { since: Instant::now(), told: None };
        let (mut room, mut waiting) = (None, Some(waiting));
        let mut answer = || -> io::Result<()> {
            if let Some(waiting) = waiting.take() {
                room = Some(Room::open(self, settings.patience)?);
                waiting();
            }
            Ok(())
        };
        let opened = loop {
            let mut attempt = std::pin::pin!(attempt(settings, clock.clone())?);
            let tried = match until(&mut stop, timeout(LONG, attempt.as_mut())).await {
                // Migrating a large database takes long, and so may reading one.
                Some(Err(_long)) => {
                    answer()?;
                    until(&mut stop, attempt).await
                }
                tried => tried.and_then(Result::ok),
            };
            let why = match tried {
                None => break Ok(None),
                Some(Err(StartError::Store(why))) if is_waited_for(&why) => why.to_string(),
                Some(opened) => break opened.map(Some),
            };
            if wait.since.elapsed() >= settings.database_wait {
                break Err(wait.is_over(why, settings.database_wait));
            }
            wait.tell(&why, settings.database_wait);
            answer()?;
            if until(&mut stop, tokio::time::sleep(PAUSE)).await.is_none() {
                break Ok(None);
            }
        };
        if let Some(room) = room {
            room.close().await;
        }
        opened
    }
}

/// Whether a start waits for a database that fails so. Whoever holds a lock on a table, which is noticed by
/// the time that a statement takes, gives it back some time.
fn is_waited_for(why: &store::Error) -> bool {
    why.may_pass() || why.is_timeout()
}

/// Opens the database, and waits for one that is out of reach as long as the settings say, where there
/// are no ports to answer on in the meantime.
///
/// # Errors
/// Those of [`Ports::open_database`].
pub(super) fn open_patiently(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Bitting, StartError> {
    let mut wait = Wait { since: Instant::now(), told: None };
    loop {
        match open(settings, clock.clone(), Missing::Create) {
            Err(StartError::Store(why)) if is_waited_for(&why) => {
                let why = why.to_string();
                if wait.since.elapsed() >= settings.database_wait {
                    return Err(wait.is_over(why, settings.database_wait));
                }
                wait.tell(&why, settings.database_wait);
                thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

/// The first of the two to be done; none if that is the stop.
async fn until<T>(
    stop: &mut (impl Future<Output = ()> + Unpin),
    what: impl Future<Output = T>,
) -> Option<T> {
    match select(stop, std::pin::pin!(what)).await {
        Either::Left(((), _)) => None,
        Either::Right((result, _)) => Some(result),
    }
}

/// Opens the database and loads every key, on a thread of its own, which nobody needs to wait for: a
/// connection to a machine that is off takes seconds to fail.
fn attempt(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> io::Result<impl Future<Output = Result<Bitting, StartError>>> {
    let (settings, (done, opened)) = (settings.clone(), oneshot::channel());
    thread::Builder::new().name("opening".to_owned()).spawn(move || {
        let opened = open(&settings, clock, Missing::Create);
        let _ = done.send(opened.and_then(|bitting| load(&bitting).map(|()| bitting)));
    })?;
    Ok(async move {
        let ended = |_| Err(io::Error::other("opening the database was cut off").into());
        opened.await.unwrap_or_else(ended)
    })
}

/// How long the database has been waited for, and what has been logged about it.
struct Wait {
    since: Instant,
    told: Option<Instant>,
}

impl Wait {
    fn tell(&mut self, why: &str, limit: Duration) {
        if self.told.is_some_and(|told| told.elapsed() < TELL) {
            return;
        }
        let (waited, limit) = (self.since.elapsed().as_secs(), humantime::format_duration(limit));
        tracing::warn!(
            waited,
            "the database cannot be reached: {why}; it is waited for, {limit} at most"
        );
        self.told = Some(Instant::now());
    }

    fn is_over(&self, why: String, limit: Duration) -> StartError {
        let why = match self.told {
            None => why,
            Some(_) => {
                let limit = humantime::format_duration(limit);
                format!("{why}; it was waited for {limit} (--database-wait)")
            }
        };
        store::Error::Away(why).into()
    }
}

/// The servers that answer on the ports in the meantime.
struct Room(Vec<(ServerHandle, JoinHandle<io::Result<()>>)>);

impl Room {
    /// The same ports under other descriptors: they stay taken when these are closed.
    fn open(ports: &Ports, patience: Patience) -> io::Result<Self> {
        let clones = |ports: &[Port]| -> io::Result<Vec<Listener>> {
            ports.iter().map(|port| port.listener.try_clone()).collect()
        };
        let mut ours = clones(&ports.application)?;
        if let Some((metrics, _)) = &ports.metrics {
            ours.push(Listener::Tcp(metrics.try_clone()?));
        }
        let mut servers = vec![answer(ours, patience, waiting::answers)?];
        if !ports.gateway.is_empty() {
            servers.push(answer(clones(&ports.gateway)?, patience, waiting::answers_of_gateway)?);
        }
        Ok(Self(servers))
    }

    async fn close(self) {
        for (handle, serving) in self.0 {
            handle.stop(true).await;
            let _ = serving.await;
        }
    }
}

/// Serves the same on some ports, of which there is one at least.
fn answer(
    listeners: Vec<Listener>,
    patience: Patience,
    answers: fn(&mut web::ServiceConfig),
) -> io::Result<(ServerHandle, JoinHandle<io::Result<()>>)> {
    let mut builder = ServerBuilder::new()
        .workers(1)
        .max_concurrent_connections(CLIENTS)
        .shutdown_timeout(1)
        .disable_signals();
    let stop = builder.graceful_shutdown_signal();
    // The next request of a client may be for the real server.
    let serving = Serving { most: CLIENTS, keeps_alive: false, stop, patience, watched: None };
    for listener in listeners {
        builder = serving.open(builder, listener, move || (None, few_routes(answers)))?;
    }
    let service = builder.run();
    Ok((service.handle(), rt::spawn(service)))
}

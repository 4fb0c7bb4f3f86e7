//! The server: built from settings, listening, stopped gracefully.

mod background;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpServer;
use actix_web::dev::{Server as HttpService, ServerHandle};

use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::{self, Bitting};
use crate::http;
use crate::http::state::{HttpSettings, State};
use crate::store;
use crate::store::migrate::{self, Missing};

use background::Background;

/// Connections to the database that reads may use at once.
const CONNECTIONS: u32 = 8;
/// How long running requests may go on once the server is stopping.
const STOP_PATIENCE_SECONDS: u64 = 7;
/// How long stopping may take in all: requests, then the last counts.
const STOP_LIMIT: Duration = Duration::from_millis(9500);
/// How long an idle connection is kept: longer than proxies keep theirs, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send its headers.
const HEADER_PATIENCE: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {why}; choose another address or port with --listen")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// The operating system's reason.
        why: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The application cannot be put together.
    #[error(transparent)]
    Domain(#[from] domain::Error),
    /// The operating system refuses something else.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Opens the database for one of the front doors, and puts the application together.
///
/// # Errors
/// [`StartError`] with one sentence for people.
pub fn open(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    missing: Missing,
) -> Result<Bitting, StartError> {
    let (target, brand) = (&settings.database, settings.brand.as_ref());
    let (database, mark) = migrate::open(target, CONNECTIONS, brand, clock.wall(), missing)?;
    Ok(Bitting::new(database, &mark, clock, settings.max_staleness)?)
}

/// A server that is listening.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The application.
    pub bitting: Arc<Bitting>,
    service: HttpService,
    stopping: Arc<AtomicBool>,
    background: Background,
}

impl Server {
    /// Takes the port, opens the database, loads every key and starts to serve. Must be called
    /// inside actix's runtime.
    ///
    /// # Errors
    /// [`StartError`] with one sentence for people; the port is tried before the database is
    /// touched.
    pub fn start(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let refused = |why| StartError::Listen { address: settings.listen, why };
        let listener = TcpListener::bind(settings.listen).map_err(refused)?;
        let address = listener.local_addr()?;
        let bitting = Arc::new(open(settings, clock, Missing::Create)?);
        bitting.read_feed()?;
        if let Some((email, password)) = &settings.first_admin {
            bitting.ensure_administrator(email, password)?;
        }

        let stopping = Arc::new(AtomicBool::new(false));
        let http_settings = Arc::new(HttpSettings {
            trusted_proxies: settings.trusted_proxies.clone(),
            public_url: settings.public_url.clone(),
        });
        let factory = {
            let (bitting, stopping) = (bitting.clone(), stopping.clone());
            move || http::app(State::new(bitting.clone(), http_settings.clone(), stopping.clone()))
        };
        let service = HttpServer::new(factory)
            .workers(settings.workers)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEADER_PATIENCE)
            .shutdown_timeout(STOP_PATIENCE_SECONDS)
            .disable_signals()
            .listen(listener)?
            .run();
        let background = Background::start(bitting.clone(), settings.usage_flush)?;
        Ok(Self { address, bitting, service, stopping, background })
    }

    /// Serves until `stop` is done; then finishes what is running and writes every count.
    ///
    /// # Errors
    /// When serving fails, or the last counts could not be written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let handle: ServerHandle = self.service.handle();
        let serving = actix_web::rt::spawn(self.service);
        stop.await;
        let deadline = Instant::now() + STOP_LIMIT;
        tracing::info!("stopping: running requests are finished, counts are written");
        self.stopping.store(true, Ordering::Relaxed);
        handle.stop(true).await;
        serving.await.map_err(io::Error::other)??;
        let background = self.background;
        let flushed = actix_web::rt::task::spawn_blocking(move || background.stop(deadline)).await;
        Ok(flushed.map_err(io::Error::other)??)
    }
}

/// Runs a future to its end on actix's runtime, which the server needs.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

/// Done when the operating system asks the process to stop: SIGTERM or Ctrl-C.
///
/// # Errors
/// When signals cannot be listened for.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        futures_util::future::select(
            std::pin::pin!(terminate.recv()),
            std::pin::pin!(interrupt.recv()),
        )
        .await;
    })
}

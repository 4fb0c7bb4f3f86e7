//! The server: built from settings, listening, stopped gracefully.

mod background;
mod limits;
mod refusals;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::{Server as HttpService, ServerHandle};
use actix_web::{App, HttpServer, web};

use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::demo::{Demo, Wish};
use crate::domain::{self, Bitting};
use crate::http::state::{HttpSettings, State};
use crate::http::turns;
use crate::http::watch::requests::Requests;
use crate::http::watch::{Watch, exposition};
use crate::http::{self, routes};
use crate::store;
use crate::store::migrate::{self, Missing};

use background::Background;

/// Connections to the database that reads may use at once.
const CONNECTIONS: u32 = 8;
const _: () = assert!(turns::OF_KEYS + 3 <= CONNECTIONS as usize, "managing and pages need some");
/// How long running requests may go on once the server is stopping.
const STOP_PATIENCE_SECONDS: u64 = 7;
/// How long stopping may take in all: requests, then the last counts.
const STOP_LIMIT: Duration = Duration::from_millis(9500);
/// How long an idle connection is kept: longer than proxies keep theirs, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {why}; choose another address or port with {option}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What it was said with.
        option: &'static str,
        /// The operating system's reason.
        why: io::Error,
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
        /// Which one.
        database: String,
        /// What is in the way.
        why: &'static str,
    },
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
    /// Where it serves metrics, if at all.
    pub metrics_address: Option<SocketAddr>,
    /// The application.
    pub bitting: Arc<Bitting>,
    /// The demo, if this start has made one.
    pub demo: Option<Box<Demo>>,
    service: HttpService,
    metrics: Option<HttpService>,
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
        let (listener, address) = listen(settings.listen, "--listen")?;
        limits::cut_off_silent_readers(&listener, settings.patience.answer)?;
        let metrics = settings.metrics_listen.map(|at| listen(at, "--metrics-listen"));
        let (metrics_listener, metrics_address) = metrics.transpose()?.unzip();
        let connections = limits::connections(settings.workers);
        let bitting = Arc::new(open(settings, clock, Missing::Create)?);
        let demo = if settings.demo { make_demo(&bitting)? } else { None };
        bitting.read_feed()?;
        if let Some((email, password)) = &settings.first_admin {
            bitting.ensure_administrator(email, password)?;
        }

        let stopping = Arc::new(AtomicBool::new(false));
        let requests = metrics_listener.is_some().then(|| Requests::new(routes::paths()));
        let shared = Arc::new(HttpSettings {
            trusted_proxies: settings.trusted_proxies.clone(),
            public_url: settings.public_url.clone(),
            patience: settings.patience,
            watch: Watch::new(connections.in_all, requests),
            ..HttpSettings::default()
        });
        let factory = {
            let (bitting, stopping) = (bitting.clone(), stopping.clone());
            let shared = shared.clone();
            move || http::service(State::new(bitting.clone(), shared.clone(), stopping.clone()))
        };
        let service = HttpServer::new(factory)
            .workers(settings.workers)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(settings.patience.headers)
            .max_connections(connections.per_worker)
            .on_connect(limits::count_connections(shared.clone()))
            .shutdown_timeout(STOP_PATIENCE_SECONDS)
            .disable_signals()
            .listen(listener)?
            .run();
        let metrics = metrics_listener
            .map(|listener| serve_metrics(listener, bitting.clone(), shared.clone()))
            .transpose()?;
        let background = Background::start(bitting.clone(), shared, settings.usage_flush)?;
        Ok(Self { address, metrics_address, bitting, demo, service, metrics, stopping, background })
    }

    /// Serves until `stop` is done; then finishes what is running and writes every count.
    ///
    /// # Errors
    /// When serving fails, or the last counts could not be written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let handle: ServerHandle = self.service.handle();
        let serving = actix_web::rt::spawn(self.service);
        let metrics = self.metrics.map(|service| {
            let handle = service.handle();
            (handle, actix_web::rt::spawn(service))
        });
        stop.await;
        let deadline = Instant::now() + STOP_LIMIT;
        tracing::info!("stopping: running requests are finished, counts are written");
        self.stopping.store(true, Ordering::Relaxed);
        handle.stop(true).await;
        serving.await.map_err(io::Error::other)??;
        if let Some((handle, serving)) = metrics {
            handle.stop(false).await;
            serving.await.map_err(io::Error::other)??;
        }
        let background = self.background;
        let flushed = actix_web::rt::task::spawn_blocking(move || background.stop(deadline)).await;
        Ok(flushed.map_err(io::Error::other)??)
    }
}

/// Fills an empty database with a demo, unless it holds one already.
fn make_demo(bitting: &Bitting) -> Result<Option<Box<Demo>>, StartError> {
    let why = match bitting.make_demo()? {
        Wish::Made(demo) => return Ok(Some(demo)),
        Wish::MadeBefore => return Ok(None),
        Wish::NotEmpty => "the database is not empty; no demo was made and nothing was changed",
        Wish::Unfinished => "making a demo in this database was broken off, and it is incomplete",
    };
    Err(StartError::NoDemo { database: bitting.database.target().to_string(), why })
}

/// Takes a port.
fn listen(
    address: SocketAddr,
    option: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |why| StartError::Listen { address, option, why };
    let listener = TcpListener::bind(address).map_err(refused)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves the metrics on a port and a thread of their own, so that they can be seen when the server
/// is busy, and not by its clients.
fn serve_metrics(
    listener: TcpListener,
    bitting: Arc<Bitting>,
    shared: Arc<HttpSettings>,
) -> io::Result<HttpService> {
    let registry = web::Data::new(exposition::registry(bitting, shared));
    let app = move || {
        let page = web::get().to(exposition::metrics);
        App::new().app_data(registry.clone()).route("/metrics", page)
    };
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
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

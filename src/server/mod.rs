//! The server: built from settings, listening, stopped gracefully.

mod alarm;
mod background;
mod built_in;
mod connection;
mod doors;
mod github_keys;
pub mod guard;
mod health;
mod limits;
pub mod notifier;
mod opening;
mod ports;
mod refusals;
mod serving;
mod start_error;
mod stream;
mod unix_socket;
mod worker_connections;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_server::{Server as Listening, ServerBuilder, ServerHandle};
use actix_web::web;
use procfs::process::Process;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config::{ListenAddress, Settings};
use crate::domain::connections::Connections;
use crate::domain::warnings::Warnings;
use crate::domain::{Bitting, resources};
use crate::http::document::Document;
use crate::http::state::{HttpSettings, State};
use crate::http::turns::Turns;
use crate::http::watch::requests::Requests;
use crate::http::watch::{Watch, exposition};
use crate::http::{openapi, proxy};
use crate::records::demo::Demo;
use crate::store::database::migrate;
use crate::store::database::migrate::Missing;

use background::Background;
pub use built_in::{catalog, endpoints, settings, settings_of_program};
use doors::Doors;
use ports::Listener;
pub use ports::Ports;
use serving::{Serving, few_routes};
pub use start_error::StartError;
use unix_socket::SocketFile;
pub use unix_socket::connect as connect_to_unix_socket;

/// Connections to the metrics at once: they must not take the descriptors of the others.
const METRICS_CONNECTIONS: usize = 16;
/// How long a server that starts tries to tell others of itself.
const LONGEST_NOTE: Duration = Duration::from_secs(2);
/// How long stopping may take in all: requests, then the last counts.
const STOP_LIMIT: Duration = Duration::from_millis(9500);
/// How long workers that have stopped are given to drop what they were doing.
const LAST_DROP: Duration = Duration::from_millis(500);
const DROP_POLL: Duration = Duration::from_millis(5);

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
    let connections = settings.database_connections;
    let (database, mark) = migrate::open(target, connections, brand, clock.wall(), missing)?;
    let catalog = resources::register(&database, &settings.resources)?;
    let connections = Connections::new(&settings.connections)?;
    let staleness = settings.max_staleness;
    let mut bitting = Bitting::new(database, &mark, catalog, clock, staleness, connections)?;
    bitting.warnings = Warnings::on(settings.warnings.channels());
    bitting.policy = settings.policy.clone();
    bitting.preflight = settings.preflight;
    Ok(bitting)
}

/// What the workers share.
fn http_settings(settings: &Settings, bitting: &Bitting, watch: Watch) -> HttpSettings {
    let (builtin_api, names) = (settings.builtin_api, bitting.catalog.clone());
    let public_url = settings.public_url.clone();
    let document = Document::new(move || {
        openapi::document(&endpoints(builtin_api), &names, public_url.as_deref())
    });
    HttpSettings {
        trusted_proxies: settings.trusted_proxies.clone(),
        public_url: settings.public_url.clone(),
        patience: settings.patience,
        builtin_api,
        watch,
        document,
        turns: Turns::of(settings.database_connections),
        via: settings.connections.via,
        at_once: Arc::default(),
        github_keys: settings.github_keys.as_ref().map(github_keys::known).map(Arc::new),
        owns_threads: true,
    }
}

/// Reads what requests are judged by into memory, and compares the resources with those of others.
fn load(bitting: &Bitting) -> Result<(), StartError> {
    bitting.read_feed()?;
    bitting.tell_locked_connections();
    // That this server runs is written, which may have to wait for a standby; judging keys need not.
    if let Err(why) = bitting.within(LONGEST_NOTE, Bitting::compare_resources) {
        tracing::warn!(%why, "other servers do not know of this one yet");
    }
    Ok(bitting.share_limits()?)
}

/// A server that is listening.
pub struct Server {
    /// Where the server listens, in the order of the settings: at one place at least.
    pub addresses: Vec<ListenAddress>,
    /// Where it serves metrics, if at all.
    pub metrics_address: Option<SocketAddr>,
    /// Where it forwards requests, if at all.
    pub gateway_addresses: Vec<ListenAddress>,
    /// The application that the server serves.
    pub bitting: Arc<Bitting>,
    /// The demo, if this start has made one.
    pub demo: Option<Box<Demo>>,
    service: Listening,
    metrics: Option<Listening>,
    stopping: Arc<AtomicBool>,
    background: Background,
    socket_files: Vec<SocketFile>,
}

impl Server {
    /// Starts to serve what [`Ports::open_database`] has opened and loaded. Must be called inside actix's
    /// runtime.
    ///
    /// # Errors
    /// [`StartError`] with one sentence for people.
    pub fn on(ports: Ports, bitting: Bitting, settings: &Settings) -> Result<Self, StartError> {
        let Ports { mut application, mut gateway, metrics } = ports;
        let (metrics_listener, metrics_address) = metrics.unzip();
        let addresses = ports::addresses(&application);
        let gateway_addresses = ports::addresses(&gateway);
        let all = application.iter_mut().chain(&mut gateway);
        let socket_files = all.filter_map(|port| port.file.take()).collect();
        let connections = limits::connections(settings.workers, settings.gateway.is_some());
        let bitting = Arc::new(bitting);
        let demo = if settings.demo { built_in::make_demo(&bitting)? } else { None };
        if demo.is_some() {
            load(&bitting)?;
        }
        if let Some((email, password)) = &settings.first_admin {
            bitting.ensure_administrator(email, password)?;
        }

        let stopping = Arc::new(AtomicBool::new(false));
        let paths = || {
            endpoints(settings.builtin_api).into_iter().map(|endpoint| endpoint.path().to_owned())
        };
        let gateway = settings.gateway.clone().map(|settings| (gateway, settings));
        let forwarded = gateway.as_ref().map(|_| proxy::GATEWAY.to_owned());
        let requests =
            metrics_listener.is_some().then(|| Requests::new(paths().chain(forwarded.clone())));
        let watch = Watch::new(connections.in_all, requests);
        let shared = Arc::new(http_settings(settings, &bitting, watch));
        let state = {
            let (bitting, stopping) = (bitting.clone(), stopping.clone());
            let shared = shared.clone();
            move || State::new(bitting.clone(), shared.clone(), stopping.clone())
        };
        let (workers, per_worker) = (settings.workers, connections.per_worker);
        let service =
            Doors { application, gateway, workers, per_worker }.serve(shared.clone(), state)?;
        let metrics = metrics_listener
            .map(|listener| serve_metrics(listener, bitting.clone(), shared.clone()))
            .transpose()?;
        let background = Background::start(bitting.clone(), shared, settings)?;
        Ok(Self {
            addresses,
            metrics_address,
            gateway_addresses,
            bitting,
            demo,
            service,
            metrics,
            stopping,
            background,
            socket_files,
        })
    }

    /// Serves until `stop` is done; then finishes what is running and writes every count.
    ///
    /// # Errors
    /// When serving fails, or the last counts could not be written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let handle: ServerHandle = self.service.handle();
        let mut serving = actix_web::rt::spawn(self.service);
        let metrics = self.metrics.map(|service| {
            let handle = service.handle();
            (handle, actix_web::rt::spawn(service))
        });
        let failed = tokio::select! {
            () = stop => None,
            ended = &mut serving => {
                let why = ended.map_err(io::Error::other).flatten().err();
                let why = why.unwrap_or_else(|| io::Error::other("they ended"));
                tracing::error!(%why, "nothing answers requests any more: writing the last counts");
                Some(StartError::Workers(why))
            }
            () = self.background.ended() => {
                tracing::error!("a background thread has ended: stopping, since keys and counts \
                                 are no longer kept");
                Some(StartError::Background)
            }
        };
        // From here on another process may take their places.
        drop(self.socket_files);
        let deadline = Instant::now() + STOP_LIMIT;
        self.stopping.store(true, Ordering::Relaxed);
        let served = if matches!(failed, Some(StartError::Workers(_))) {
            Ok(())
        } else {
            tracing::info!("stopping: finishing running requests, then writing the last counts");
            handle.stop(true).await;
            serving.await.map_err(io::Error::other).flatten()
        };
        let measured = match metrics {
            Some((handle, serving)) => {
                handle.stop(false).await;
                serving.await.map_err(io::Error::other).flatten()
            }
            None => Ok(()),
        };
        // A request that was cut off is counted when its worker drops it.
        let last_drop = deadline.min(Instant::now() + LAST_DROP);
        while self.bitting.meter.has_workers() && Instant::now() < last_drop {
            tokio::time::sleep(DROP_POLL).await;
        }
        let background = self.background;
        let flushed = actix_web::rt::task::spawn_blocking(move || background.stop(deadline)).await;
        flushed.map_err(io::Error::other)??;
        tracing::info!("stopped: all counts are written");
        served.and(measured)?;
        failed.map_or(Ok(()), Err)
    }
}

/// Serves the metrics on a port and a thread of their own, so that they can be seen when the server
/// is busy, and not by its clients.
fn serve_metrics(
    listener: TcpListener,
    bitting: Arc<Bitting>,
    shared: Arc<HttpSettings>,
) -> io::Result<Listening> {
    let patience = shared.patience;
    let registry = web::Data::new(exposition::registry(bitting, shared));
    let builder = ServerBuilder::new()
        .workers(1)
        .max_concurrent_connections(METRICS_CONNECTIONS)
        .disable_signals();
    let stop = builder.graceful_shutdown_signal();
    let serving =
        Serving { most: METRICS_CONNECTIONS, keeps_alive: true, stop, patience, watched: None };
    let page = move || {
        let registry = registry.clone();
        let application = few_routes(|routes| {
            routes.app_data(registry).route("/metrics", web::get().to(exposition::metrics));
        });
        (None, application)
    };
    Ok(serving.open(builder, Listener::Tcp(listener), page)?.run())
}

/// Runs a future to its end on actix's runtime, which the server needs.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

/// Has whoever writes a file that may grow no more (`ulimit -f`) be told so, as where a disk is full,
/// instead of ending the process.
///
/// # Errors
/// When the signal cannot be listened for.
pub fn outlive_file_limits() -> io::Result<()> {
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

/// Done when the operating system asks the process to stop: by SIGTERM, Ctrl-C, or SIGHUP, which a
/// terminal sends when it is closed and from which `nohup` keeps a process.
///
/// # Errors
/// When signals cannot be listened for.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hang_up = SignalKind::hangup();
    let mut hang_up = if is_ignored(hang_up) { None } else { Some(signal(hang_up)?) };
    Ok(async move {
        let hung_up = async {
            match &mut hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hung_up => {}
        }
    })
}

/// Whether whoever has started this process has it ignore a signal.
fn is_ignored(signal: SignalKind) -> bool {
    let ignored =
        Process::myself().and_then(|process| process.status()).map(|status| status.sigign);
    ignored.is_ok_and(|ignored| ignored >> (signal.as_raw_value() - 1) & 1 == 1)
}

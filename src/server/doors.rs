//! The ports that requests come in by, and the workers that serve them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_server::{GracefulShutdownSignal, Server as Listening, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response};
use actix_web::rt::net::TcpStream;
use futures_util::future::ready;

use super::built_in::endpoints;
use super::connection::{Connection, LINGER, WorkerConnections};
use crate::config::GatewaySettings;
use crate::http;
use crate::http::proxy;
use crate::http::state::{HttpSettings, State};

/// How long running requests may go on once the server is stopping.
const STOP_PATIENCE_SECONDS: u64 = 7;
/// How long an idle connection is kept: longer than proxies keep theirs, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The ports, and how many connections are served at once.
pub(super) struct Doors {
    /// That of the application.
    pub(super) listener: TcpListener,
    /// That of the gateway, and what it forwards to.
    pub(super) gateway: Option<(TcpListener, GatewaySettings)>,
    pub(super) workers: usize,
    pub(super) per_worker: usize,
}

impl Doors {
    /// Serves the application and the gateway with the same workers. This is what actix-web's
    /// `HttpServer` does, but for the streams, which are ours.
    pub(super) fn serve(
        self,
        state: impl Fn() -> State + Clone + Send + 'static,
    ) -> io::Result<Listening> {
        let mut builder = ServerBuilder::new()
            .workers(self.workers)
            .max_concurrent_connections(self.per_worker)
            .shutdown_timeout(STOP_PATIENCE_SECONDS)
            .disable_signals();
        let (stop, per_worker) = (builder.graceful_shutdown_signal(), self.per_worker);
        let address = self.listener.local_addr()?;
        let application = {
            let (state, stop) = (state.clone(), stop.clone());
            move || {
                let state = state();
                let port = Port { address, per_worker, shared: state.settings.clone() };
                let endpoints = endpoints(state.settings.builtin_api);
                port.serve(http::service(state, endpoints), stop.clone())
            }
        };
        builder = builder.listen("http", self.listener, application)?;
        if let Some((listener, gateway)) = self.gateway {
            let address = listener.local_addr()?;
            let forwarding = move || {
                let state = state();
                let port = Port { address, per_worker, shared: state.settings.clone() };
                port.serve(proxy::service(state, gateway.clone()), stop.clone())
            };
            builder = builder.listen("gateway", listener, forwarding)?;
        }
        Ok(builder.run())
    }
}

/// A port as one worker serves it.
struct Port {
    address: SocketAddr,
    per_worker: usize,
    shared: Arc<HttpSettings>,
}

impl Port {
    fn serve<S>(
        self,
        service: S,
        stop: GracefulShutdownSignal,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
    where
        S: ServiceFactory<
                Request,
                Config = AppConfig,
                Response = Response<BoxBody>,
                Error = Error,
                InitError = (),
            > + 'static,
        S::Service: 'static,
    {
        let others = WorkerConnections::of_this_worker(self.shared.clone(), self.per_worker);
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(self.shared.patience.headers)
            .client_disconnect_timeout(LINGER)
            .local_addr(self.address)
            .on_connect_ext(|connection: &Connection<TcpStream>, extensions| {
                extensions.insert(connection.exchange());
            })
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .finish(map_config(service, |()| AppConfig::default()));
        let admit = fn_service(move |stream: TcpStream| {
            let client = stream.peer_addr().ok();
            let connection = others.admit(stream);
            ready(Ok::<_, DispatchError>((connection, Protocol::Http1, client)))
        });
        admit.and_then(http)
    }
}

//! The ports that requests come in by, and the workers that serve them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_server::{GracefulShutdownSignal, Server as Listening, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response};
use actix_web::rt::net::{TcpStream, UnixStream};
use futures_util::future::ready;

use super::built_in::endpoints;
use super::connection::{Connection, LINGER, WorkerConnections};
use super::ports::{Listener, Port};
use super::stream::Stream;
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
    /// Those of the application.
    pub(super) application: Vec<Port>,
    /// Those of the gateway, and what it forwards to.
    pub(super) gateway: Option<(Vec<Port>, GatewaySettings)>,
    pub(super) workers: usize,
    pub(super) per_worker: usize,
}

impl Doors {
    /// Serves the application and the gateway with the same workers. This is what actix-web's
    /// `HttpServer` does, but for the streams, which are ours.
    pub(super) fn serve(
        self,
        shared: Arc<HttpSettings>,
        state: impl Fn() -> State + Clone + Send + 'static,
    ) -> io::Result<Listening> {
        let mut builder = ServerBuilder::new()
            .workers(self.workers)
            .max_concurrent_connections(self.per_worker)
            .shutdown_timeout(STOP_PATIENCE_SECONDS)
            .disable_signals();
        let stop = builder.graceful_shutdown_signal();
        let common = Common { per_worker: self.per_worker, stop, shared };
        for port in self.application {
            let state = state.clone();
            builder = common.open(builder, port, move || {
                let state = state();
                let endpoints = endpoints(state.settings.builtin_api);
                http::service(state, endpoints)
            })?;
        }
        if let Some((ports, gateway)) = self.gateway {
            let connector = proxy::connector(&gateway).map_err(io::Error::other)?;
            for port in ports {
                let (state, gateway) = (state.clone(), gateway.clone());
                let connector = connector.clone();
                let service = move || proxy::service(state(), gateway.clone(), connector.clone());
                builder = common.open(builder, port, service)?;
            }
        }
        Ok(builder.run())
    }
}

/// What all ports have in common.
#[derive(Clone)]
struct Common {
    per_worker: usize,
    stop: GracefulShutdownSignal,
    shared: Arc<HttpSettings>,
}

impl Common {
    /// Adds a port, at which each worker serves what this makes.
    fn open<S: Application>(
        &self,
        builder: ServerBuilder,
        port: Port,
        service: impl Fn() -> S + Clone + Send + 'static,
    ) -> io::Result<ServerBuilder>
    where
        S::Service: 'static,
    {
        let (common, name) = (self.clone(), port.address.to_string());
        match port.listener {
            Listener::Tcp(listener) => {
                builder.listen(name, listener, move || common.serve::<TcpStream, _>(service()))
            }
            Listener::Unix(listener) => {
                builder.listen_uds(name, listener, move || common.serve::<UnixStream, _>(service()))
            }
        }
    }

    /// What one worker does with the connections of a port.
    fn serve<T: Stream, S: Application>(
        &self,
        service: S,
    ) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()>
    + use<T, S>
    where
        S::Service: 'static,
    {
        let stop = self.stop.clone();
        let others = WorkerConnections::of_this_worker(self.shared.clone(), self.per_worker);
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(self.shared.patience.headers)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|connection: &Connection<T>, extensions| {
                extensions.insert(connection.exchange());
            })
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .finish(map_config(service, |()| AppConfig::default()));
        let admit = fn_service(move |stream: T| {
            let admitted = stream.peer().map(|client| {
                let connection = others.admit(stream);
                (connection, Protocol::Http1, client)
            });
            ready(admitted.map_err(DispatchError::Io))
        });
        admit.and_then(http)
    }
}

/// What answers requests.
trait Application:
    ServiceFactory<
        Request,
        Config = AppConfig,
        Response = Response<BoxBody>,
        Error = Error,
        InitError = (),
    > + 'static
{
}

impl<S> Application for S where
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = Response<BoxBody>,
            Error = Error,
            InitError = (),
        > + 'static
{
}

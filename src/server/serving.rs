//! How connections are served, whatever port they come in by: none of their clients may hold up others.
//! This is what actix-web's `HttpServer` does, but for the streams, which are ours.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, ServiceResponse};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::{App, Error, web};

use super::connection::Connection;
use super::limits::LINGER;
use super::ports::Listener;
use super::stream::Stream;
use super::worker_connections::WorkerConnections;
use crate::config::Patience;
use crate::http::fast_path::FastPath;
use crate::http::state::HttpSettings;

/// How connections are served.
#[derive(Clone)]
pub(super) struct Serving {
    /// How many connections a worker has at once.
    pub(super) most: usize,
    /// Whether a connection may bring more than one request.
    pub(super) keeps_alive: bool,
    pub(super) stop: GracefulShutdownSignal,
    pub(super) patience: Patience,
    /// Where they are counted, if they are.
    pub(super) watched: Option<Arc<HttpSettings>>,
}

impl Serving {
    /// Adds a port, at which each worker serves what this makes: an application, and what answers some
    /// requests before it.
    pub(super) fn open<S: Application>(
        &self,
        builder: ServerBuilder,
        listener: Listener,
        service: impl Fn() -> (Option<FastPath>, S) + Clone + Send + 'static,
    ) -> io::Result<ServerBuilder>
    where
        S::Service: 'static,
    {
        let serving = self.clone();
        match listener {
            Listener::Tcp(listener) => {
                builder.listen("tcp", listener, move || serving.serve::<TcpStream, _>(service()))
            }
            Listener::Unix(listener) => builder
                .listen_uds("unix", listener, move || serving.serve::<UnixStream, _>(service())),
        }
    }

    /// What one worker does with the connections of a port.
    fn serve<T: Stream, S: Application>(
        &self,
        (fast_path, application): (Option<FastPath>, S),
    ) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()>
    + use<T, S>
    where
        S::Service: 'static,
    {
        let stop = self.stop.clone();
        let stop_of_connections = self.stop.clone();
        let others =
            WorkerConnections::of_this_worker(self.watched.clone(), self.patience, self.most);
        let fast_path = fast_path.map(Rc::new);
        // What clients are waited for is known to the connection alone: actix does not see what the
        // fast path answers.
        let keep_alive = if self.keeps_alive { KeepAlive::Os } else { KeepAlive::Disabled };
        let http = HttpService::build()
            .keep_alive(keep_alive)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|connection: &Connection<T>, extensions| {
                extensions.insert(connection.exchange());
            })
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .finish(map_config(application, |()| AppConfig::default()));
        let admit = fn_service(move |stream: T| {
            let stop = stop_of_connections.clone();
            let admitted = stream.peer().map(|client| {
                let address = client.map(|client| client.ip());
                let connection =
                    Connection::new(stream, address, fast_path.clone(), others.clone());
                (connection, Protocol::Http1, client)
            });
            async move {
                let (mut connection, protocol, client) = admitted.map_err(DispatchError::Io)?;
                // Once it has been asked, it wakes this task; the connection knows then.
                let mut stopped = Some(pin!(stop.notified()));
                poll_fn(|context| match stopped.take().map(|stopped| stopped.poll(context)) {
                    Some(Poll::Ready(())) => Poll::Ready(()),
                    Some(Poll::Pending) | None => connection.poll_needed(context),
                })
                .await;
                Ok((connection, protocol, client))
            }
        });
        admit.and_then(http)
    }
}

/// What answers requests.
pub(super) trait Application:
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

/// An application of a few routes, without what the server's own one has around it.
pub(super) fn few_routes(configure: impl FnOnce(&mut web::ServiceConfig)) -> impl Application {
    let answers = App::new().configure(configure).into_factory();
    answers.map(|answer: ServiceResponse| answer.into())
}

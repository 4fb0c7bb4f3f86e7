//! The ports that requests come in by, and the workers that serve them.

use std::io;
use std::sync::Arc;

use actix_server::{Server as Listening, ServerBuilder};

use super::built_in::endpoints;
use super::ports::Port;
use super::serving::Serving;
use crate::config::GatewaySettings;
use crate::http;
use crate::http::proxy;
use crate::http::state::{HttpSettings, State};

/// How long running requests may go on once the server is stopping.
const STOP_PATIENCE_SECONDS: u64 = 7;

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
        let serving = Serving {
            most: self.per_worker,
            keeps_alive: true,
            stop: builder.graceful_shutdown_signal(),
            patience: shared.patience,
            watched: Some(shared),
        };
        for port in self.application {
            let state = state.clone();
            builder = serving.open(builder, port.listener, move || {
                let state = state();
                let endpoints = endpoints(state.settings.builtin_api);
                let (fast_path, application) = http::service(state, endpoints);
                (Some(fast_path), application)
            })?;
        }
        if let Some((ports, gateway)) = self.gateway {
            let connector = proxy::connector(&gateway).map_err(io::Error::other)?;
            for port in ports {
                let (state, gateway) = (state.clone(), gateway.clone());
                let connector = connector.clone();
                let service =
                    move || (None, proxy::service(state(), gateway.clone(), connector.clone()));
                builder = serving.open(builder, port.listener, service)?;
            }
        }
        Ok(builder.run())
    }
}

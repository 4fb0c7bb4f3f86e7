//! The gateway: an API of somebody else's behind Bitting. Each request is judged as at every other
//! door and, when it is allowed, forwarded; both bodies are streamed.
//!
//! `gateway` is the door, `forward` what happens behind it. `headers` is all that either side
//! may see of the other's headers, and `client` the connections to the upstream. The bodies and the
//! waiting are in `forwarding`.

mod client;
mod forward;
mod gateway;
mod headers;

use std::rc::Rc;

use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, web};

use super::middleware::observe::Observe;
use super::state::State;
use crate::config::GatewaySettings;
use crate::outbound::Connector;

pub use client::connector;
pub use gateway::GATEWAY;

/// What one worker serves at the gateway's address: every path there is the upstream's.
pub fn service(
    state: State,
    settings: GatewaySettings,
    connector: Connector,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = Response<BoxBody>,
    Error = Error,
    InitError = (),
> {
    let state = web::Data::new(state);
    let gateway = Rc::new(gateway::Gateway::new(state.clone(), settings, connector));
    let forwards = fn_service(move |request: ServiceRequest| {
        let gateway = gateway.clone();
        async move { Ok::<_, Error>(gateway.handle(request).await) }
    });
    let app = App::new().default_service(forwards).wrap(Observe::of_gateway(state, GATEWAY));
    app.into_factory().map(ServiceResponse::into)
}

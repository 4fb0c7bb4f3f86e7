//! HTTP: requests into calls, results into responses. Nothing here knows diesel or the store.
//!
//! [`service`] is what every worker of the server serves: the fast path, and [`app`] behind it, which
//! is the one description of the application.

pub mod api;
pub mod assets;
pub mod client_address;
mod code;
mod cookies;
pub mod endpoint;
pub mod error;
pub mod extract;
pub mod fast_path;
pub mod middleware;
pub mod openapi;
pub mod routes;
pub mod state;
pub mod ui;
pub mod watch;

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpResponse, ResponseError, web};

use endpoint::Endpoint;
use error::{Code, Problem};
use fast_path::FastPath;
use middleware::observe;
use state::State;

/// What one worker serves: the application behind its fast path.
pub fn service(
    state: State,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = Response<BoxBody>,
    Error = Error,
    InitError = (),
> {
    let state = web::Data::new(state);
    let app = app(state.clone(), routes::endpoints());
    FastPath::before(app.into_factory(), state)
}

/// Builds the application for one worker from a URL table: ours, or one with what no endpoint of
/// ours does, for tests.
pub fn app(
    state: web::Data<State>,
    endpoints: Vec<Endpoint>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(state.clone())
        .configure(|config| routes::register(config, &state, endpoints))
        .default_service(web::to(unknown_path))
        .wrap(observe::Observe::new(state))
}

async fn unknown_path(state: web::Data<State>) -> HttpResponse {
    state.note_unknown_path();
    Problem::new(Code::NotFound, "There is nothing at this path.").error_response()
}

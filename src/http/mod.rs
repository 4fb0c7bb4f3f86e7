//! HTTP: requests into calls, results into responses. Nothing here knows diesel or the store.
//!
//! [`app`] is the one description of the application; the server and every test use it.

pub mod api;
pub mod assets;
pub mod client_address;
mod code;
pub mod endpoint;
pub mod error;
pub mod extract;
pub mod middleware;
pub mod openapi;
pub mod routes;
pub mod state;
pub mod ui;
pub mod watch;

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpResponse, ResponseError, web};

use endpoint::Endpoint;
use error::{Code, Problem};
use middleware::observe;
use state::State;

/// Builds the application for one worker.
pub fn app(
    state: State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    app_of(state, routes::endpoints())
}

/// The same with another URL table: for tests of what no endpoint of ours does.
pub fn app_of(
    state: State,
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
    let state = web::Data::new(state);
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

//! HTTP: requests into calls, results into responses. Nothing here knows diesel or the store.
//!
//! [`configure`] is the one description of the application; the server and every test use it.

pub mod api;
pub mod client_address;
pub mod endpoint;
pub mod error;
pub mod extract;
pub mod middleware;
pub mod routes;
pub mod state;

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpResponse, ResponseError, web};

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
    let state = web::Data::new(state);
    App::new()
        .app_data(state.clone())
        .configure(|config| routes::register(config, &state))
        .default_service(web::to(unknown_path))
        .wrap(observe::Observe::new(state))
}

async fn unknown_path() -> HttpResponse {
    Problem::new(Code::NotFound, "There is nothing at this path.").error_response()
}

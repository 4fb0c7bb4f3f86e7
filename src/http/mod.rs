//! HTTP: requests into calls, results into responses. Nothing here knows diesel or the store.
//!
//! [`service`] is what every worker of the server serves: the fast path, and [`app`] for what that does
//! not answer, which is the one description of the application.

pub mod ahead;
mod answer_body;
pub mod api;
pub mod assets;
pub mod authz;
pub mod client_address;
mod code;
pub mod constant;
mod cookies;
pub mod document;
pub mod endpoint;
pub mod error;
pub mod exchange;
pub mod extract;
pub mod fast_path;
mod fields;
mod forwarding;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod giving_way;
mod leftover;
mod limit_headers;
pub mod middleware;
pub mod openapi;
pub mod pages;
pub mod proxy;
mod raw_answer;
mod raw_head;
mod request_body;
mod request_id;
pub mod routes;
pub mod state;
pub mod turns;
pub mod via;
pub mod waiting;
pub mod watch;

use std::rc::Rc;

use actix_http::Request;
use actix_service::{IntoServiceFactory, Service, ServiceFactoryExt, apply_fn_factory};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{Accept, Header, Quality};
use actix_web::{App, Error, HttpRequest, HttpResponse, web};

use endpoint::Endpoint;
use exchange::{Exchange, Pace};
use fast_path::FastPath;
use middleware::{observe, page};
use pages::docs;
use state::State;

/// What one worker serves: the fast path, and the application for all that it does not answer.
pub fn service(
    state: State,
    endpoints: Vec<Endpoint>,
) -> (
    FastPath,
    impl ServiceFactory<
        Request,
        Config = AppConfig,
        Response = Response<BoxBody>,
        Error = Error,
        InitError = (),
    >,
) {
    let state = web::Data::new(state);
    let app = app(state.clone(), endpoints).into_factory();
    let application = apply_fn_factory(app, |mut request: Request, app: &_| {
        begin(&mut request);
        app.call(request)
    });
    (FastPath::new(state), application.map(ServiceResponse::into))
}

/// Lets a request's connection know of its body. What is forwarded to a vendor is taken as it comes.
fn begin(request: &mut Request) {
    if let Some(exchange) = request.conn_data::<Rc<Exchange>>().cloned() {
        let forwarded = request.path().starts_with(via::PREFIX);
        let pace = if forwarded { Pace::Pieces } else { Pace::Whole };
        let end = request_body::end_of_body(request.head());
        request_body::begin(exchange, request.payload(), end, pace);
    }
}

/// Builds the application for one worker from a URL table.
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
        .app_data(web::Data::new(docs::LazyReference::default()))
        .configure(|config| routes::register(config, &state, endpoints))
        .default_service(web::to(unknown_page))
        .wrap(observe::Observe::new(state))
}

/// 404 outside the API, as a page for somebody who may have mistyped an address.
async fn unknown_page(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    if prefers_html(&request) {
        page::recognise(&request, &state).await;
    }
    routes::unknown_path(state).await
}

/// Whether whoever asks would rather read a page than JSON, and says so.
fn prefers_html(request: &HttpRequest) -> bool {
    let accepted = Accept::parse(request).map(|accept| accept.0).unwrap_or_default();
    let quality = |media_types: &[&str]| {
        let named = accepted.iter().filter(|range| media_types.contains(&range.item.essence_str()));
        named.map(|range| range.quality).max().unwrap_or(Quality::ZERO)
    };
    let html = quality(&["text/html", "application/xhtml+xml"]);
    html > quality(&["application/json", "application/problem+json"])
}

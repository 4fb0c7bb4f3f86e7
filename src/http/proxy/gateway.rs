//! The door of the gateway: the decision about one request, and its count.

use std::rc::Rc;
use std::time::Instant;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::UPGRADE;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::forward::Forwarder;
use super::headers::keep_private;
use crate::config::GatewaySettings;
use crate::gate::caller::KeyCaller;
use crate::gate::identities::IdentityHeaders;
use crate::gate::route::Route;
use crate::http::authz::family::Asked;
use crate::http::authz::forward::Judgement;
use crate::http::authz::judging::{Judged, finish, identify, judge, record};
use crate::http::error::{Code, Problem};
use crate::http::exchange::{Exchange, Pace};
use crate::http::limit_headers::announce;
use crate::http::middleware::measure::Measure;
use crate::http::request_body;
use crate::http::state::{SharedState, State};
use crate::model::scope::Access;
use crate::model::words::Word;
use crate::outbound::Connector;

/// What the gateway's requests are called in metrics and logs.
pub const GATEWAY: &str = "gateway";

/// What stands for the code of an answer that is the upstream's own.
const UPSTREAM: &str = "upstream";

/// The gateway of one worker.
pub(super) struct Gateway {
    state: SharedState,
    measure: Option<Measure>,
    forwarder: Forwarder,
}

impl Gateway {
    pub(super) fn new(
        state: web::Data<State>,
        settings: GatewaySettings,
        connector: Connector,
    ) -> Self {
        let measure = Measure::of(&state, GATEWAY);
        let state = SharedState::new(state);
        let forwarder = Forwarder::new(state.clone(), settings, connector);
        Self { state, measure, forwarder }
    }

    /// Answers a request, and measures it.
    pub(super) async fn handle(&self, mut request: ServiceRequest) -> ServiceResponse {
        let began = self.measure.as_ref().map(|_| Instant::now());
        if let Some(exchange) = request.request().conn_data::<Rc<Exchange>>().cloned() {
            let end = request_body::end_of_body(request.head());
            request_body::begin(exchange, request.parts_mut().1, end, Pace::Pieces);
        }
        let (request, payload) = request.into_parts();
        let (access, response) = match Judgement::of(asked(&request), &self.state.bitting) {
            Judgement::Preflight => {
                let answered = self.let_through(&request, payload).await;
                let response = answered.unwrap_or_else(|problem| problem.error_response());
                (Access::Read, response)
            }
            Judgement::Key(route) => (route.access(), self.judge(&request, payload, route).await),
        };
        if let (Some(measure), Some(began)) = (&self.measure, began) {
            measure.answered(access, response.status(), began);
        }
        ServiceResponse::new(request, response)
    }

    /// Forwards what is asked of nobody.
    async fn let_through(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<HttpResponse, Problem> {
        refuse_what_is_no_exchange(request)?;
        self.forwarder.forward(request, payload, &IdentityHeaders::default()).await
    }

    /// Decides, forwards what is allowed, and counts the request by its answer.
    async fn judge(&self, request: &HttpRequest, payload: Payload, route: Route) -> HttpResponse {
        let state = &self.state;
        let Judged { verdict, mut count } = judge(request, state, route).await;
        let answered = match verdict {
            Ok(key) => self.serve(request, payload, key).await,
            Err(problem) => Err(problem),
        };
        let (status, code) = match &answered {
            Ok(response) => (response.status(), UPSTREAM),
            Err(problem) => (problem.status_code(), problem.code().as_str()),
        };
        if answered.is_ok() {
            count.answered_elsewhere(status.as_u16());
        }
        if status.is_client_error() || status.is_server_error() {
            record(&count, (status, code), request, state, asked(request), route);
        }
        let standing = finish(count, request, state, status);
        let mut response = match answered {
            Ok(mut response) => {
                keep_private(response.headers_mut());
                response
            }
            Err(problem) => problem.error_response(),
        };
        announce(response.headers_mut(), standing, state);
        response
    }

    /// Forwards an allowed request.
    async fn serve(
        &self,
        request: &HttpRequest,
        payload: Payload,
        key: KeyCaller,
    ) -> Result<HttpResponse, Problem> {
        refuse_what_is_no_exchange(request)?;
        let identity = identify(&self.state, key.id()).await?;
        self.forwarder.forward(request, payload, &identity.headers).await
    }
}

/// What is asked about: the request itself, by its target as it was sent. One that is more than a path
/// is not in its normal spelling: what stands before the path would name a server that is not asked.
fn asked(request: &HttpRequest) -> Asked<'_> {
    let uri = request.uri();
    let path = uri.path_and_query().filter(|_| uri.authority().is_none());
    Asked { method: Some(request.method().as_str()), target: path.map(|path| path.as_str()) }
}

/// Requests that ask for something else than an answer. An offer of HTTP/2 may be declined without a
/// word (RFC 9113 §3.1), and Java's client makes it with every first request.
fn refuse_what_is_no_exchange(request: &HttpRequest) -> Result<(), Problem> {
    let refused = |detail: &str| Err(Problem::new(Code::NotImplemented, detail));
    let mut protocols = request.headers().get_all(UPGRADE);
    if protocols.any(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c")) {
        return refused(
            "The gateway does not forward WebSockets or other upgrades. Leave out Upgrade, or let \
             a proxy in front of both forward such connections.",
        );
    }
    match *request.method() {
        Method::CONNECT | Method::TRACE => {
            refused("The gateway does not forward this method. Use another one.")
        }
        _ => Ok(()),
    }
}

//! The middleware that puts somebody else's actix-web application behind the gate: each request is
//! judged and counted in this process, by what the configuration says of its method and path.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, USER_AGENT};
use actix_web::{Error, HttpMessage, ResponseError};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::family::{Asked, target};
use super::forward::Judgement;
use super::judging::{Judged, finish, identify, judge, record, record_of};
use crate::domain::Bitting;
use crate::gate::admission::PendingCount;
use crate::gate::limiter::Standing;
use crate::gate::route::Route;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::limit_headers::announce;
use crate::http::middleware::count::{is_recordable, known_method};
use crate::http::middleware::observe::tell;
use crate::http::request_id::RequestId;
use crate::http::state::{HttpSettings, State};
use crate::model::words::Word;

/// Judges and counts every request of the application, scope or resource that it wraps; see
/// [`Guard`](crate::server::guard::Guard), which makes it.
///
/// What it lets through carries an `Arc<KeyIdentity>` among its extensions, but for a browser's
/// preflight where those need no key. Wrap it around what answers, and anything that changes paths
/// around it: it goes by the path it sees. Wrap it once: a request that passes two is counted twice.
#[derive(Clone)]
pub struct Protect {
    bitting: Arc<Bitting>,
    settings: Arc<HttpSettings>,
}

impl Protect {
    /// Judges by this application's keys and resources.
    pub fn new(bitting: Arc<Bitting>, settings: Arc<HttpSettings>) -> Self {
        Self { bitting, settings }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = Protected<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let stopping = Arc::new(AtomicBool::new(false));
        let state = State::new(self.bitting.clone(), self.settings.clone(), stopping);
        ready(Ok(Protected { state: Rc::new(state), service: Rc::new(service) }))
    }
}

/// One worker's part of an application behind the gate.
pub struct Protected<S> {
    state: Rc<State>,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (state, service) = (self.state.clone(), self.service.clone());
        Box::pin(async move {
            let asked = asked(&request);
            let judgement = Judgement::of(asked, &state.bitting);
            let Judgement::Key(route) = judgement else {
                return Ok(service.call(request).await?.map_into_boxed_body());
            };
            let Judged { verdict, count } = judge(request.request(), &state, route).await;
            let identity = match verdict {
                Ok(key) => identify(&state, key.id()).await,
                Err(problem) => Err(problem),
            };
            match identity {
                Ok(identity) => {
                    request.extensions_mut().insert(identity);
                    let counting = Counting::of(&request, &state, route, count);
                    let handled = async { service.call(request).await };
                    counting.of_answer(AssertUnwindSafe(handled).catch_unwind().await, &state)
                }
                Err(problem) => Ok(refuse(request, &problem, &state, route, count)),
            }
        })
    }
}

/// What a request asks for: what the application itself goes by.
fn asked(request: &ServiceRequest) -> Asked<'_> {
    Asked { method: Some(request.method().as_str()), target: Some(target(request.head())) }
}

fn refuse(
    request: ServiceRequest,
    problem: &Problem,
    state: &State,
    route: Route,
    count: PendingCount,
) -> ServiceResponse {
    let told = (problem.status_code(), problem.code().as_str());
    record(&count, told, request.request(), state, asked(&request), route);
    let standing = finish(count, request.request(), state, told.0);
    let id = RequestId::of(request.request(), state);
    let mut response = tell(problem, &id, state);
    announce(response.headers_mut(), standing, state);
    request.into_response(response)
}

/// What counting a request takes. It is read before the request is handed on, which actix-web's
/// router requires to be the only holder of it.
struct Counting {
    method: &'static str,
    address: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    id: RequestId,
    route: Route,
    count: PendingCount,
}

impl Counting {
    fn of(request: &ServiceRequest, state: &State, route: Route, count: PendingCount) -> Self {
        Self {
            method: known_method(request.method().as_str()),
            address: client_address(request.request().head(), &state.settings),
            user_agent: request.headers().get(USER_AGENT).cloned(),
            id: RequestId::of(request.request(), state),
            route,
            count,
        }
    }

    /// Counts the request by its answer. One whose handler panics ends with a 500, and ends nothing
    /// else.
    fn of_answer<B: MessageBody + 'static>(
        self,
        handled: std::thread::Result<Result<ServiceResponse<B>, Error>>,
        state: &State,
    ) -> Result<ServiceResponse, Error> {
        let (error, mut response) = match handled {
            Ok(Ok(mut response)) => {
                let standing = self.finish(response.status(), state);
                announce(response.headers_mut(), standing, state);
                return Ok(response.map_into_boxed_body());
            }
            // An error is asked for its response once alone: some give it away.
            Ok(Err(error)) => {
                let response = error.error_response();
                (error, response)
            }
            Err(_panic) => {
                let problem = Problem::internal("a handler panicked");
                let response = tell(&problem, &self.id, state);
                (problem.into(), response)
            }
        };
        let standing = self.finish(response.status(), state);
        announce(response.headers_mut(), standing, state);
        Err(InternalError::from_response(error, response).into())
    }

    fn finish(self, status: StatusCode, state: &State) -> Option<Standing> {
        let Self { method, address, user_agent, route, mut count, .. } = self;
        // A 503 is the application's own, and not about the key.
        count.answered_elsewhere(status.as_u16());
        if status.is_client_error() || status.is_server_error() {
            let told = (status, Code::of_status(status).as_str());
            record_of(&count, told, (method, address), state, route);
        }
        count.finish(status.as_u16(), address, || {
            let agent = user_agent.as_ref()?.to_str().ok()?;
            is_recordable(agent, state).then_some(agent)
        })
    }
}

//! The frame around every request: its id, the one place where a problem becomes a body, and the
//! headers that responses have.

use std::future::{Ready, ready as ready_now};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{
    RequestHead, Service, ServiceRequest, ServiceResponse, Transform, forward_ready,
};
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, UPGRADE, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use pin_project_lite::pin_project;

use super::page::AsPage;
use crate::gate::caller::Caller;
use crate::http::answer_body::AnswerBody;
use crate::http::authz::answer::KEY_ID;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::exchange::Exchange;
use crate::http::fields::AnswerFields;
use crate::http::pages;
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::http::state::{SharedState, State};
use crate::model::secret::mask;

const BEHIND_THE_LAST: &str = "This request came behind one whose answer ended the connection, and was not carried out. Send it again on another connection.";
/// The media type of a problem (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// The outermost middleware: gives every request an id, and every answer its body, headers and log
/// line.
#[derive(Clone)]
pub struct Observe {
    state: SharedState,
    /// What requests are called that match no pattern.
    route: &'static str,
}

impl Observe {
    /// Frames all requests of one worker.
    pub fn new(state: web::Data<State>) -> Self {
        Self { state: SharedState::new(state), route: "" }
    }

    /// Frames those that are forwarded under this name.
    pub fn of_gateway(state: web::Data<State>, route: &'static str) -> Self {
        Self { state: SharedState::new(state), route }
    }
}

/// Marks an answer that is somebody else's: it is passed on as it is, piece by piece.
pub(in crate::http) struct PassedOn;

impl<S, B> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = ObserveService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready_now(Ok(ObserveService { state: self.state.clone(), route: self.route, service }))
    }
}

/// The whole application, framed.
pub struct ObserveService<S> {
    state: SharedState,
    route: &'static str,
    service: S,
}

impl<S, B> Service<ServiceRequest> for ObserveService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = ObserveFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (began, route) = (are_logged().then(Instant::now), self.route);
        let state = self.state.clone();
        let exchange = request.conn_data::<Rc<Exchange>>();
        if exchange.is_some_and(|exchange| exchange.has_ended()) {
            let refused = Problem::new(Code::BadRequest, BEHIND_THE_LAST).error_response();
            let known = Some(request.into_response(refused));
            return ObserveFuture { answer: None, known, state, route, began };
        }
        let answer = Some(self.service.call(request));
        ObserveFuture { answer, known: None, state, route, began }
    }
}

pin_project! {
    /// A request on its way through the application, with what its answer needs.
    pub struct ObserveFuture<F> {
        #[pin]
        answer: Option<F>,
        // Waits for the connection's next turn.
        known: Option<ServiceResponse<BoxBody>>,
        state: SharedState,
        route: &'static str,
        began: Option<Instant>,
    }
}

impl<F, B> Future for ObserveFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (answer, is_new) = match (this.known.take(), this.answer.as_pin_mut()) {
            (Some(known), _) => (known, false),
            (None, None) => return Poll::Pending,
            (None, Some(answer)) => (ready!(answer.poll(context))?.map_into_boxed_body(), true),
        };
        let exchange = answer.request().conn_data::<Rc<Exchange>>().cloned();
        let is_rest_due = |exchange: &Exchange| match is_new {
            true => exchange.has_unread_body(),
            false => exchange.is_rest_coming(context),
        };
        if exchange.as_deref().is_some_and(is_rest_due) {
            *this.known = Some(answer);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let noted = answer.request().extensions().get::<RequestId>().copied();
        let id = noted.unwrap_or_else(|| RequestId::choose(answer.request().headers(), this.state));
        let mut response = render_problem(answer, &id);
        let passed_on = response.response().extensions().contains::<PassedOn>();
        if passed_on {
            name(response.headers_mut(), &id);
        } else {
            frame(response.headers_mut(), &id, this.state);
        }
        let is_whole = match response.response().body().size() {
            BodySize::None | BodySize::Sized(0) => true,
            BodySize::Sized(_) => !passed_on,
            BodySize::Stream => false,
        };
        let ends = exchange
            .as_ref()
            .is_some_and(|exchange| exchange.settle(is_whole, context) || exchange.has_ended());
        let upgrades = asks_for_upgrade(response.request().head());
        let is_last = !is_kept_alive(response.request().head())
            || upgrades
            || ends
            || this.state.stopping.load(Ordering::Relaxed);
        if is_last {
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
            if upgrades {
                head.no_chunking(true);
            }
            if let Some(exchange) = &exchange {
                exchange.end_with_answer();
            }
        }
        if let Some(began) = this.began {
            log_request(&response, &id, *began, this.state, this.route);
        }
        Poll::Ready(Ok(match exchange.filter(|_| !is_whole) {
            Some(exchange) => response.map_body(|_, body| AnswerBody { body, exchange }.boxed()),
            None => response,
        }))
    }
}

/// An error that actix itself answered with.
fn fault_below(response: &ServiceResponse) -> Option<Problem> {
    let error = response.response().error()?;
    Some(match response.status() {
        status if status.is_server_error() => Problem::internal(error),
        status => Problem::new(
            Code::of_status(status),
            "The request could not be understood. Check its syntax.",
        ),
    })
}

/// Turns a problem into its body and headers.
fn render_problem(response: ServiceResponse, id: &RequestId) -> ServiceResponse {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let stated = response.response().extensions().get::<Problem>().cloned();
    let Some(problem) = stated.or_else(|| fault_below(&response)) else { return response };
    log_cause(&problem, Some(response.request()), id);
    let as_page = response.request().extensions().contains::<AsPage>();
    let (body, media_type) = if as_page {
        (pages::problem_page(&problem, response.request(), id.as_str()), "text/html; charset=utf-8")
    } else {
        (problem.body(id.as_str()), PROBLEM)
    };
    let mut response = response.map_body(|_, _| BoxBody::new(body));
    *response.response_mut().status_mut() = problem.status_code();
    let headers = response.headers_mut();
    explain(headers, &problem, media_type);
    if as_page {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(pages::POLICY));
    }
    response
}

/// A problem as it is told outside of the application, which frames no answer there.
pub(in crate::http) fn tell(problem: &Problem, id: &RequestId, state: &State) -> HttpResponse {
    log_cause(problem, None, id);
    let response = HttpResponse::new(problem.status_code());
    let mut response = response.set_body(BoxBody::new(problem.body(id.as_str())));
    explain(response.headers_mut(), problem, PROBLEM);
    frame(response.headers_mut(), id, state);
    response
}

fn log_cause(problem: &Problem, request: Option<&HttpRequest>, id: &RequestId) {
    if let Some(cause) = problem.cause() {
        let path = request.and_then(HttpRequest::match_pattern).unwrap_or_default();
        let request_id = id.as_str();
        tracing::warn!(request_id, path, code = ?problem.code(), cause, "a request failed");
    }
}

/// The headers that go with the body of a problem.
fn explain(headers: &mut HeaderMap, problem: &Problem, media_type: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let mut set = |name, value: Option<&str>| {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    };
    set(WWW_AUTHENTICATE, problem.challenge().as_deref());
    set(ALLOW, problem.allow());
    set(RETRY_AFTER, problem.retry_after().as_deref());
}

/// Names the request, unless whoever answered it has done so.
fn name(headers: &mut HeaderMap, id: &RequestId) {
    if !headers.contains_key(X_REQUEST_ID)
        && let Ok(id) = HeaderValue::from_bytes(id.as_bytes())
    {
        headers.append(X_REQUEST_ID, id);
    }
}

/// The headers of every answer, unless it `is_kept` and says itself for how long: `nosniff` keeps JSON
/// from being taken for a page.
pub(in crate::http) fn frame_data(fields: &mut impl AnswerFields, id: &RequestId, is_kept: bool) {
    fields.put(&X_REQUEST_ID, id.as_bytes());
    fields.put(&X_CONTENT_TYPE_OPTIONS, b"nosniff");
    if !is_kept {
        fields.put(&CACHE_CONTROL, b"no-store");
    }
}

/// The headers every response has. What tells a browser how to treat a page is left out of the
/// API's answers, and of what a proxy is told. Appending is cheaper than inserting, which makes room
/// for what it replaces.
pub(in crate::http) fn frame(headers: &mut HeaderMap, id: &RequestId, state: &State) {
    let (mut is_no_page, mut is_kept) = (false, false);
    // One walk over the few there are costs less than looking two up.
    for (name, value) in headers.iter() {
        is_no_page |= name == CONTENT_TYPE && value == "application/json" || name == KEY_ID;
        is_kept |= name == CACHE_CONTROL;
    }
    frame_data(headers, id, is_kept);
    if is_no_page {
        return;
    }
    if state.settings.is_encrypted() {
        headers.append(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if !headers.contains_key(REFERRER_POLICY) {
        headers.append(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.append(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
    }
}

/// Whether a request lets its connection stay. One that asks for another protocol does not: nothing
/// else is spoken here, and actix reads no further request from it.
pub(in crate::http) fn is_kept_alive(request: &RequestHead) -> bool {
    request.connection_type() == ConnectionType::KeepAlive
}

/// Whether a request asks for something else than an answer. Actix takes all that follows it for its
/// body, and ends an answer in pieces with the connection alone, whatever its head says.
pub(in crate::http) fn asks_for_upgrade(request: &RequestHead) -> bool {
    let is_websocket = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.trim().eq_ignore_ascii_case("websocket"))
    };
    request.method == Method::CONNECT || request.headers.get_all(UPGRADE).any(is_websocket)
}

/// Whether each request is logged.
pub(in crate::http) fn are_logged() -> bool {
    tracing::enabled!(target: "bitting::request", tracing::Level::DEBUG)
}

/// The route's pattern and not the path: a path or query may hold a secret, and so may a method.
fn log_request(
    response: &ServiceResponse,
    id: &RequestId,
    began: Instant,
    state: &State,
    otherwise: &str,
) {
    let request = response.request();
    let caller = request.extensions().get::<Caller>().map(Caller::public_id);
    let client = client_address(request.head(), &state.settings);
    tracing::debug!(
        target: "bitting::request",
        request_id = id.as_str(),
        method = %mask(request.method().as_str()),
        route = request.match_pattern().as_deref().unwrap_or(otherwise),
        status = response.status().as_u16(),
        caller,
        client = client.map(tracing::field::display),
        microseconds = began.elapsed().as_micros() as u64,
        "request"
    );
}

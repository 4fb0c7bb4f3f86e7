//! A request to the upstream, and its answer.

use std::future::poll_fn;
use std::rc::Rc;

use actix_web::body::{BodySize, BoxBody};
use actix_web::dev::Payload;
use actix_web::http::{self as received, ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::{Either, select};
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;

use super::client::{UpstreamClient, client};
use super::download::Download;
use super::fault::Fault;
use super::headers::{Outgoing, frame, give_back};
use super::silence::Silence;
use super::upload::Upload;
use crate::config::GatewaySettings;
use crate::gate::identities::IdentityHeaders;
use crate::http::error::{Code, Problem};
use crate::http::exchange::Exchange;
use crate::http::extract::body::broken_off;
use crate::http::middleware::observe::PassedOn;
use crate::http::request_id::RequestId;
use crate::http::state::SharedState;
use crate::outbound::link::closed_while_idle;

/// What one worker forwards with.
pub(super) struct Forwarder {
    state: SharedState,
    settings: GatewaySettings,
    client: UpstreamClient,
}

impl Forwarder {
    pub(super) fn new(state: SharedState, settings: GatewaySettings) -> Self {
        let client = client(settings.timeout);
        Self { state, settings, client }
    }

    /// Forwards a request with its body, and returns the upstream's answer as soon as its head is
    /// there.
    ///
    /// # Errors
    /// Why there is no answer, as it is told to the client.
    pub(super) async fn forward(
        &self,
        request: &HttpRequest,
        payload: Payload,
        holder: &IdentityHeaders,
    ) -> Result<HttpResponse, Problem> {
        let (method, uri) = self.target(request)?;
        let headers = Outgoing {
            request: request.head(),
            id: RequestId::of(request, &self.state),
            holder,
            host: self.settings.upstream.authority(),
            pass_credential: self.settings.pass_credential,
            settings: &self.state.settings,
        };
        let mut silence = Silence::new(self.settings.timeout);
        let length = announced_length(request);
        let has_body = !matches!(payload, Payload::None);
        let build = |body| {
            let mut outgoing = Request::new(body);
            *outgoing.method_mut() = method.clone();
            *outgoing.uri_mut() = uri.clone();
            *outgoing.headers_mut() = headers.headers();
            frame(outgoing.headers_mut(), has_body, length);
            outgoing
        };
        let answered = if has_body {
            let (upload, fault) = Upload::begin(payload, length, silence.turn());
            let answered = self.ask(build(upload), &mut silence).await;
            if let (Err(_), Some(why)) = (&answered, fault.take()) {
                return Err(broken_off(&why, self.state.settings.patience.body));
            }
            answered
        } else {
            self.ask_twice(|| build(Upload::none()), &mut silence).await
        };
        match answered.and_then(|answer| check(answer, request)) {
            Ok(answer) => Ok(self.give(request, answer, silence)),
            Err(fault) => {
                fault.tell(&self.state);
                Err(fault.problem())
            }
        }
    }

    /// What is asked of the upstream, and where: the path and query are as they came.
    fn target(&self, request: &HttpRequest) -> Result<(Method, Uri), Problem> {
        let refused = || Problem::new(Code::BadRequest, "The method or the URL is not valid.");
        let path = request.uri().path_and_query().ok_or_else(refused)?;
        let path = PathAndQuery::try_from(path.as_str()).map_err(|_| refused())?;
        let method = Method::from_bytes(request.method().as_str().as_bytes());
        let upstream = self.settings.upstream.authority();
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(upstream).path_and_query(path);
        Ok((method.map_err(|_| refused())?, uri.build().map_err(|_| refused())?))
    }

    /// Sends a request without a body. RFC 9110 §9.2.2 would allow more methods to be sent again, but
    /// what they do there may be counted or paid for.
    async fn ask_twice(
        &self,
        build: impl Fn() -> Request<Upload>,
        silence: &mut Silence,
    ) -> Result<Response<Incoming>, Fault> {
        let request = build();
        let may_repeat = matches!(*request.method(), Method::GET | Method::HEAD);
        match self.ask(request, silence).await {
            Err(Fault::NoAnswer(why)) if may_repeat && closed_while_idle(&why) => {
                silence.turn().upstream();
                self.ask(build(), silence).await
            }
            answered => answered,
        }
    }

    /// Sends a request once, and waits for the head of its answer.
    async fn ask(
        &self,
        request: Request<Upload>,
        silence: &mut Silence,
    ) -> Result<Response<Incoming>, Fault> {
        let silent = poll_fn(|context| silence.poll(context));
        match select(self.client.request(request), silent).await {
            Either::Left((answered, _)) => Ok(answered?),
            Either::Right(((), _)) => Err(Fault::Silent),
        }
    }

    /// The upstream's answer as one of ours.
    fn give(
        &self,
        request: &HttpRequest,
        answer: Response<Incoming>,
        silence: Silence,
    ) -> HttpResponse {
        let (head, body) = answer.into_parts();
        let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::new(status);
        give_back(&head.headers, &mut response);
        let size = size_of(request, status, &head.headers, &body);
        if status == StatusCode::NOT_MODIFIED
            && let Some(length) = sole_length(&head.headers)
        {
            response.headers_mut().insert(received::header::CONTENT_LENGTH, length.into());
        }
        let old = request.version() < received::Version::HTTP_11;
        let ends_by_closing = old && size == BodySize::Stream;
        if ends_by_closing {
            response.head_mut().no_chunking(true);
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response.extensions_mut().insert(PassedOn);
        let exchange = request.conn_data::<Rc<Exchange>>().cloned();
        let state = self.state.clone();
        let body = Download { body, size, silence, ends_by_closing, waits: false, exchange, state };
        response.set_body(BoxBody::new(body))
    }
}

/// Refuses an answer that two readers may take for different ones (RFC 9112 §6.3).
fn check(answer: Response<Incoming>, request: &HttpRequest) -> Result<Response<Incoming>, Fault> {
    let invalid = |why: &str| Err(Fault::Invalid(why.to_owned()));
    let headers = answer.headers();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
        return invalid("it switches to another protocol, which was not asked for");
    }
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        (Some(_), _) => return invalid("its Transfer-Encoding is not just chunked"),
    }
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        return invalid("it has a Transfer-Encoding and a Content-Length");
    }
    let bodiless = request.method() == received::Method::HEAD;
    if bodiless && headers.contains_key(CONTENT_LENGTH) && sole_length(headers).is_none() {
        return invalid("its Content-Length is not a number");
    }
    Ok(answer)
}

/// How the body is framed for the client. Where there is none, the answer may still say how long it
/// would be.
fn size_of(
    request: &HttpRequest,
    status: StatusCode,
    headers: &HeaderMap,
    body: &Incoming,
) -> BodySize {
    if request.method() == received::Method::HEAD {
        return sole_length(headers).map_or(BodySize::None, BodySize::Sized);
    }
    match (status, body.size_hint().exact()) {
        (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _) => BodySize::None,
        (_, Some(length)) => BodySize::Sized(length),
        (_, None) => BodySize::Stream,
    }
}

/// What `Content-Length` says, where it says one thing.
fn sole_length(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let (only, none) = (lines.next()?, lines.next());
    let digits = only.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    none.is_none().then(|| digits?.parse().ok())?
}

/// How long the client says its body is; the connection sees to it that it is.
fn announced_length(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(received::header::CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}

//! Sends a request on, once or, where that is safe, twice, and makes the answer one of ours.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use actix_web::body::BodySize;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::{self as received, ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::{Either, select};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;

use super::download::Download;
use super::fault::{Asked, Fault};
use super::silence::Silence;
use super::upload::Upload;
use crate::http::exchange::Exchange;
use crate::http::middleware::observe::{PassedOn, asks_for_upgrade};
use crate::http::request_body::announced_length;
use crate::http::state::SharedState;
use crate::outbound::link::closed_while_idle;

/// What is asked of somebody else.
pub(in crate::http) struct Question {
    pub(in crate::http) method: Method,
    pub(in crate::http) uri: Uri,
    /// All headers but those that frame the body.
    pub(in crate::http) headers: HeaderMap,
}

/// Why there is no answer.
pub(in crate::http) enum Failed {
    /// The client has not sent its body to the end.
    Body(PayloadError),
    /// The other side has not answered.
    Answer(Fault),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Answer(fault)
    }
}

/// The head of an answer, and how long the rest of it is waited for.
pub(in crate::http) struct Answered {
    pub(in crate::http) answer: Response<Incoming>,
    pub(in crate::http) silence: Silence,
}

/// Sends a request on with its client's body, and waits for the head of the answer.
///
/// # Errors
/// Why there is none.
pub(in crate::http) async fn send<C>(
    client: &Client<C, Upload>,
    patience: Duration,
    question: Question,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Answered, Failed>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let mut silence = Silence::new(patience);
    let length = announced_length(request.headers());
    let has_body = !matches!(payload, Payload::None);
    let build = |body| {
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = question.method.clone();
        *outgoing.uri_mut() = question.uri.clone();
        *outgoing.headers_mut() = question.headers.clone();
        frame(outgoing.headers_mut(), has_body, length);
        outgoing
    };
    let answer = if has_body {
        let (upload, fault) = Upload::begin(payload, length, silence.turn());
        let answered = ask(client, build(upload), &mut silence).await;
        if let (Err(_), Some(why)) = (&answered, fault.take()) {
            return Err(Failed::Body(why));
        }
        answered
    } else {
        ask_twice(client, || build(Upload::none()), &mut silence).await
    };
    Ok(Answered { answer: check(answer?, request)?, silence })
}

/// Sends a request without a body. RFC 9110 §9.2.2 would allow more methods to be sent again, but
/// what they do there may be counted or paid for.
async fn ask_twice<C>(
    client: &Client<C, Upload>,
    build: impl Fn() -> Request<Upload>,
    silence: &mut Silence,
) -> Result<Response<Incoming>, Fault>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = build();
    let may_repeat = matches!(*request.method(), Method::GET | Method::HEAD);
    match ask(client, request, silence).await {
        Err(Fault::NoAnswer(why)) if may_repeat && closed_while_idle(&why) => {
            silence.turn().upstream();
            ask(client, build(), silence).await
        }
        answered => answered,
    }
}

/// Sends a request once, and waits for the head of its answer.
async fn ask<C>(
    client: &Client<C, Upload>,
    request: Request<Upload>,
    silence: &mut Silence,
) -> Result<Response<Incoming>, Fault>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let silent = poll_fn(|context| silence.poll(context));
    match select(client.request(request), silent).await {
        Either::Left((answered, _)) => Ok(answered?),
        Either::Right(((), _)) => Err(Fault::Silent),
    }
}

/// What frames a body on this connection: nothing where there is none, and no header where hyper
/// sets it by the body's length.
fn frame(headers: &mut HeaderMap, has_body: bool, length: Option<u64>) {
    match (has_body, length) {
        // It would be taken for no body with GET.
        (true, None) => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        (true, Some(_)) | (false, None) => {}
        (false, Some(_)) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
}

/// An answer of ours with this status and a body of this size, which is still to be set; and that body
/// as it comes.
pub(in crate::http) fn begin_answer(
    request: &HttpRequest,
    status: http::StatusCode,
    size: BodySize,
    (body, silence): (Incoming, Silence),
    state: &SharedState,
    asked: Asked,
) -> (HttpResponse, Download) {
    let status = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::new(status);
    let unchunked =
        request.version() < received::Version::HTTP_11 || asks_for_upgrade(request.head());
    let ends_by_closing = unchunked && size == BodySize::Stream;
    if ends_by_closing {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response.extensions_mut().insert(PassedOn);
    let exchange = request.conn_data::<Rc<Exchange>>().cloned();
    let state = state.clone();
    let waits = false;
    let body = Download { body, size, silence, ends_by_closing, waits, exchange, state, asked };
    (response, body)
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
pub(in crate::http) fn size_of(
    request: &HttpRequest,
    status: http::StatusCode,
    headers: &HeaderMap,
    body: &Incoming,
) -> BodySize {
    if request.method() == received::Method::HEAD {
        return sole_length(headers).map_or(BodySize::None, BodySize::Sized);
    }
    match (status, body.size_hint().exact()) {
        (http::StatusCode::NO_CONTENT | http::StatusCode::NOT_MODIFIED, _) => BodySize::None,
        (_, Some(length)) => BodySize::Sized(length),
        (_, None) => BodySize::Stream,
    }
}

/// What `Content-Length` says, where it says one thing.
pub(in crate::http) fn sole_length(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let (only, none) = (lines.next()?, lines.next());
    let digits = only.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    none.is_none().then(|| digits?.parse().ok())?
}

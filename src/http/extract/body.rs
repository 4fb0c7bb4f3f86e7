//! Bodies: small enough and in time; those of the API of the right type, and a JSON object.

use std::io;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{self, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

use super::caller::judge_again;
use crate::config::Patience;
use crate::http::error::{Code, Problem};
use crate::http::request_body::announced_length;
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::strict_json::{self, Fault};

/// The longest body that is read, in bytes.
const LARGEST: usize = 256 * 1024;

/// A body that must be a JSON object.
pub struct JsonObject(pub Map<String, Value>);

/// A body that may be missing, or a JSON object.
pub struct OptionalJsonObject(pub Map<String, Value>);

impl FromRequest for JsonObject {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = check_type(request);
        let bytes = read(request, payload.take());
        Box::pin(async move {
            accepted?;
            object(&bytes.await?).map(Self)
        })
    }
}

impl FromRequest for OptionalJsonObject {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = check_type(request);
        let bytes = read(request, payload.take());
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.is_empty() {
                return Ok(Self(Map::new()));
            }
            accepted?;
            object(&bytes).map(Self)
        })
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match strict_json::parse(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(FieldErrors::one("body", "must be a JSON object").into()),
        Err(Fault::Twice(member)) => {
            Err(FieldErrors::one(&member, "must not be given twice").into())
        }
        Err(Fault::Malformed { line, column }) => {
            let detail = format!("The body is not valid JSON: see line {line}, column {column}.");
            Err(Problem::new(Code::MalformedJson, detail))
        }
    }
}

fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let refused = |detail: &str| Err(Problem::new(Code::UnsupportedMediaType, detail));
    if request.headers().contains_key(CONTENT_ENCODING) {
        return refused(
            "Encoded bodies are not supported. Send the body without Content-Encoding.",
        );
    }
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is = |name| media_type.eq_ignore_ascii_case(name);
    let merge = request.method() == Method::PATCH && is("application/merge-patch+json");
    if is("application/json") || merge {
        Ok(())
    } else {
        refused("Send the body as Content-Type: application/json.")
    }
}

/// Reads a body, if it is small enough and comes in time; the connection sees to the time.
pub(in crate::http) fn read(
    request: &HttpRequest,
    mut payload: Payload,
) -> impl Future<Output = Result<BytesMut, Problem>> + 'static {
    let announced = announced_length(request.headers()).unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    let state = request.app_data::<web::Data<State>>();
    let patience = state.map_or(Patience::default().body, |state| state.settings.patience.body);
    let (request, state) = (request.clone(), state.cloned());
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("The body is larger than {LARGEST} bytes. Send less at once."),
        )
    };
    async move {
        if announced > LARGEST {
            return Err(too_large());
        }
        let mut bytes = BytesMut::with_capacity(announced);
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|why| broken_off(&why, patience))?;
            if bytes.len() + chunk.len() > LARGEST {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        if let Some(state) = state {
            judge_again(&request, &state)?;
        }
        Ok(bytes)
    }
}

/// A body that its client did not bring to its end.
pub(in crate::http) fn broken_off(why: &PayloadError, patience: Duration) -> Problem {
    match why {
        PayloadError::Io(why) if why.kind() == io::ErrorKind::TimedOut => {
            let seconds = patience.as_secs();
            let detail = format!(
                "The body did not arrive within {seconds} seconds. Send the request again."
            );
            Problem::new(Code::RequestTimeout, detail)
        }
        _ => Problem::new(Code::BadRequest, "The body ended too early. Send the request again."),
    }
}

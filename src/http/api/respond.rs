//! Answers that may be kept to be given again, as responses.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::domain::idempotency::Idempotent;
use crate::http::error::Problem;
use crate::model::idempotency::Answer;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer of a request whose answer is kept whole, whenever it was carried out.
pub(super) fn carried_out(
    outcome: Idempotent<serde_json::Result<Answer>>,
) -> Result<HttpResponse, Problem> {
    match outcome {
        Idempotent::Fresh(answer) => fresh(answer),
        Idempotent::Replayed(answer) => replayed(&answer),
    }
}

/// The answer of a request that was carried out now.
pub(crate) fn fresh(answer: serde_json::Result<Answer>) -> Result<HttpResponse, Problem> {
    let answer = answer.map_err(Problem::internal)?;
    Ok(builder(&answer)?.body(answer.body().to_owned()))
}

/// The answer of a request that was carried out before; a header says so.
pub(crate) fn replayed(answer: &Answer) -> Result<HttpResponse, Problem> {
    let replayed = (IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(builder(answer)?.insert_header(replayed).body(answer.body().to_owned()))
}

fn builder(answer: &Answer) -> Result<HttpResponseBuilder, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    for (name, value) in [(LOCATION, &answer.location), (ETAG, &answer.etag)] {
        if let Some(value) = value {
            response.insert_header((name, value.as_str()));
        }
    }
    Ok(response)
}

//! Errors in the API document: made of the table of codes, with the bodies they really have.

use std::collections::BTreeMap;

use actix_web::ResponseError;
use serde_json::{Map, Value, json};

use super::headers;
use super::schemas::Schemas;
use crate::domain;
use crate::gate::decision::Refusal;
use crate::gate::route::Need;
use crate::http::error::{Code, Problem};
use crate::model::catalog::Catalog;
use crate::model::field_errors::MOST_NAMED;
use crate::model::id::{KeyId, PublicId};
use crate::model::key::Status;
use crate::model::scope::{Access, Scope};
use crate::model::words::{Word, choice};
use crate::model::{FieldError, FieldErrors};

/// How every operation with a body can fail.
pub(super) const OF_BODIES: [Code; 5] = [
    Code::MalformedJson,
    Code::RequestTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::ValidationFailed,
];

/// How every operation that API keys call can fail.
pub(super) const OF_LIMITS: [Code; 3] =
    [Code::AddressNotAllowed, Code::RateLimited, Code::QuotaExceeded];

/// How a request through a connection can fail before a vendor answers it.
pub(super) const OF_VENDORS: [Code; 13] = [
    Code::InsufficientScope,
    Code::NotFound,
    Code::NotOffered,
    Code::MethodNotAllowed,
    Code::RequestTimeout,
    Code::BodyTooLarge,
    Code::ConnectionRejected,
    Code::ConnectionDisabled,
    Code::ConnectionLocked,
    Code::ConnectionBusy,
    Code::VendorUnreachable,
    Code::VendorAnswer,
    Code::VendorTimeout,
];

const REQUEST_ID: &str = "01990c2d6b7e7c3a8f5e2b1a4c6d8e90";
/// The number of a key in examples.
const SAMPLE_KEY: u128 = 0x0199_0c2d_6b7e_7c3a_8f5e_2b1a_4c6d_8e91;

/// A problem with this code, as the server would answer it where there are these resources.
fn sample(code: Code, catalog: &Catalog) -> Problem {
    let scopes = catalog.scopes();
    let first = |access| scopes.iter().find(|scope| scope.access == access).map(Scope::to_string);
    let refused = |refusal| Problem::of_refusal(refusal, "GET, HEAD, OPTIONS");
    match code {
        Code::MultipleCredentials => refused(Refusal::MultipleCredentials),
        Code::MissingKey => refused(Refusal::MissingKey),
        Code::InvalidKey => refused(Refusal::InvalidKey),
        Code::KeyRevoked => refused(Refusal::KeyRevoked),
        Code::KeyExpired => refused(Refusal::KeyExpired),
        Code::Unavailable => refused(Refusal::Unavailable),
        Code::WrongCredential => refused(Refusal::WrongCredential(Need::AdminToken)),
        Code::NotFound => refused(Refusal::NotFound),
        Code::NotOffered => refused(Refusal::NotOffered),
        Code::MethodNotAllowed => refused(Refusal::MethodNotAllowed),
        Code::InsufficientScope => refused(Refusal::InsufficientScope {
            required: first(Access::Write).unwrap_or_default(),
            granted: first(Access::Read).into_iter().collect(),
        }),
        Code::AddressNotAllowed => refused(Refusal::AddressNotAllowed),
        Code::RateLimited => refused(Refusal::RateLimited { seconds: 1 }),
        Code::QuotaExceeded => refused(Refusal::QuotaExceeded { seconds: 3600 }),
        Code::KeyRetired => domain::Error::Retired(Status::Revoked).into(),
        Code::ValidationFailed => {
            FieldErrors::one("limit", "must be a number from 1 to 100").into()
        }
        Code::AlreadyRotated => {
            domain::Error::AlreadyRotated(KeyId::from_number(SAMPLE_KEY)).into()
        }
        Code::Internal => Problem::internal(""),
        other => Problem::new(other, other.about()),
    }
}

/// The body of a problem with this code.
pub(super) fn body(code: Code, catalog: &Catalog) -> Value {
    serde_json::from_slice(&sample(code, catalog).body(REQUEST_ID)).unwrap_or_default()
}

fn status(code: Code) -> u16 {
    sample(code, &Catalog::default()).status_code().as_u16()
}

/// The schema of every error's body.
pub(super) fn schema(schemas: &mut Schemas) -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    let words =
        |about: &str| json!({"type": "array", "items": {"type": "string"}, "description": about});
    let mut code = choice::<Code>();
    code["description"] = "What went wrong, as a word that programs can rely on.".into();
    json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": text("A URN that ends with the code."),
            "title": text("What went wrong, in a few words that never change."),
            "status": {
                "type": "integer", "minimum": 400, "maximum": 599,
                "description": "The HTTP status.",
            },
            "detail": text("What went wrong this time, for people."),
            "code": code,
            "request_id": text("The value of the header X-Request-Id; quote it when you report a problem."),
            "errors": {
                "type": "array", "items": schemas.of::<FieldError>(),
                "maxItems": MOST_NAMED,
                "description": "With `validation_failed`: every invalid field or parameter, the first \
                                hundred of them where there are more.",
            },
            "required": text("With `insufficient_scope`: the scope that was needed."),
            "granted": words("With `insufficient_scope`: the scopes that the credential has."),
            "replaced_by": text("With `already_rotated`: the key that took its place."),
        },
    })
}

/// An example of every code.
pub(super) fn examples(catalog: &Catalog) -> Map<String, Value> {
    let example = |code: &Code| {
        let value = body(*code, catalog);
        (code.as_str().to_owned(), json!({"summary": code.about(), "value": value}))
    };
    Code::ALL.iter().map(example).collect()
}

/// The responses of an operation that can fail with these codes.
pub(super) fn responses(codes: &[Code]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(status(*code)).or_default().push(*code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), response(&codes))).collect()
}

/// The response with one status; `codes` all have it.
pub(super) fn response(codes: &[Code]) -> Value {
    let words = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>();
    let about = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.about()));
    let examples = words
        .iter()
        .map(|word| ((*word).to_owned(), json!({"$ref": format!("#/components/examples/{word}")})));
    let mut named = headers::refer(&["X-Request-Id"]);
    let samples: Vec<Problem> =
        codes.iter().map(|code| sample(*code, &Catalog::default())).collect();
    let mut name = |header, has: fn(&Problem) -> bool| {
        let with = samples.iter().filter(|problem| has(problem)).count();
        if with == samples.len() {
            named.extend(headers::refer(&[header]));
        } else if with > 0 {
            named.extend(headers::optional(header));
        }
    };
    name("WWW-Authenticate", |problem| problem.challenge().is_some());
    name("Allow", |problem| problem.allow().is_some());
    name("Retry-After", |problem| problem.retry_after().is_some());
    json!({
        "description": about.collect::<Vec<_>>().join(" "),
        "headers": named,
        "content": {"application/problem+json": {
            "schema": {
                "$ref": "#/components/schemas/Problem",
                "properties": {"code": {"enum": words}},
            },
            "examples": examples.collect::<Map<_, _>>(),
        }},
    })
}

//! What a proxy is told: the headers that say who a key is, and refusals in statuses that the proxy
//! hands on.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

use super::family::Family;
use crate::gate::identities::IdentityHeaders;
use crate::http::error::Problem;
use crate::http::fields::AnswerFields;
use crate::model::words::Word;

const IDENTITY: [HeaderName; 4] = {
    let [id, name, owner, scopes] = IdentityHeaders::NAMES;
    [
        HeaderName::from_static(id),
        HeaderName::from_static(name),
        HeaderName::from_static(owner),
        HeaderName::from_static(scopes),
    ]
};
/// What every answer has that lets a request pass.
pub const KEY_ID: HeaderName = HeaderName::from_static(IdentityHeaders::NAMES[0]);
const CODE: HeaderName = HeaderName::from_static("x-bitting-code");

/// Adds the headers that say who a key is. All four are always there, so that a client's own never
/// survive.
pub fn introduce(headers: &mut HeaderMap, identity: &IdentityHeaders) {
    for (name, value) in IDENTITY.iter().zip(identity.values()) {
        headers.put(name, value);
    }
}

/// The refusal as a family of proxies passes it on, with its code in a header. nginx knows only 401
/// and 403, and turns anything else into a 500.
pub fn refuse(problem: Problem, family: Family) -> HttpResponse {
    let code = problem.code().as_str();
    let told = match (family, problem.status_code()) {
        (Family::Forwarded | Family::Envoy, status) => status,
        (Family::Nginx, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) => {
            StatusCode::UNAUTHORIZED
        }
        (Family::Nginx, _) => StatusCode::FORBIDDEN,
    };
    let mut response = problem.told_as(told).error_response();
    response.headers_mut().insert(CODE, HeaderValue::from_static(code));
    response
}

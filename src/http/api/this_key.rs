//! What any live key can ask about itself.

use actix_web::body::BoxBody;
use actix_web::dev::Response;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use crate::gate::caller::KeyCaller;
use crate::http::error::Problem;
use crate::http::extract::QueryReader;
use crate::http::state::State;
use crate::http::turns::Effort;
use crate::model::usage::{PerWindow, Tally};
use crate::model::view::WhoAmIView;

/// A key's limits and figures.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "LimitsAndUsage")]
pub struct LimitsView {
    /// The limits.
    limits: Limits,
    /// Requests in each window.
    usage: PerWindow<Tally>,
}

/// A key's limits.
#[derive(Default, Serialize, JsonSchema)]
struct Limits {
    /// Requests a minute; null is no limit.
    requests_per_minute: Option<u32>,
}

/// `GET /v1/whoami`: the key as it may know itself, with its usage, in which this request is not
/// counted yet.
pub async fn whoami(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run_for(&caller, Effort::Little, move |bitting| {
        let key = bitting.find_own_key(caller.id())?;
        let usage = bitting.usage_of_key(key.number)?;
        Ok((key, usage))
    });
    let (key, usage) = found.await?;
    Ok(HttpResponse::Ok().json(WhoAmIView::new(&key, &usage)))
}

/// The answer to a ping, on the fast path and behind the router.
pub fn pong() -> Response<BoxBody> {
    let mut response = Response::with_body(StatusCode::OK, BoxBody::new(r#"{"ping":"pong"}"#));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().append(CONTENT_TYPE, json);
    response
}

/// `GET /v1/ping`: the cheapest way to test a credential.
pub async fn ping(_caller: KeyCaller, query: QueryReader) -> Result<HttpResponse, Problem> {
    query.finish()?;
    Ok(pong().into())
}

/// `GET /v1/admin/limits`: the key's limits and usage.
pub async fn limits(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run_for(&caller, Effort::Little, move |bitting| {
        let key = bitting.find_own_key(caller.id())?;
        bitting.usage_of_key(key.number)
    });
    let usage = found.await?;
    let limits = Limits::default();
    Ok(HttpResponse::Ok().json(LimitsView { limits, usage: usage.windows }))
}

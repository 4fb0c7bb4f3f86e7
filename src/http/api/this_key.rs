//! What any live key can ask about itself.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::Bitting;
use crate::gate::budget::Left;
use crate::gate::caller::KeyCaller;
use crate::gate::key_use::Remaining;
use crate::http::error::Problem;
use crate::http::extract::QueryReader;
use crate::http::state::State;
use crate::http::turns::Effort;
use crate::model::limits::{Allowance, KeyLimits, Networks, QuotaPeriod, RatePeriod};
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

/// A key's limits, and what is left of them.
#[derive(Default, Serialize, JsonSchema)]
struct Limits {
    /// Requests a minute, where the rate limit is by the minute.
    requests_per_minute: Option<u32>,
    /// How fast the key may be used; as fast as you like if null.
    rate_limit: Option<LimitLeft<RatePeriod>>,
    /// How many requests are accepted; any number if null.
    quota: Option<LimitLeft<QuotaPeriod>>,
    /// From where the key may be used; from anywhere if null.
    allowed_networks: Option<Networks>,
}

/// A limit, and what is left of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LimitBy{P}")]
struct LimitLeft<P> {
    /// How many requests.
    requests: u32,
    /// In which time.
    per: P,
    /// How many requests are accepted now.
    remaining: u32,
    /// Seconds until all of them are again.
    reset: u32,
}

impl<P: Copy> LimitLeft<P> {
    fn of(limit: Option<Allowance<P>>, left: Option<Left>) -> Option<Self> {
        let (Allowance { requests, per }, Left { requests: remaining, reset }) = limit.zip(left)?;
        Some(Self { requests, per, remaining, reset })
    }
}

impl Limits {
    fn new(limits: &KeyLimits, remaining: Remaining) -> Self {
        let by_minute = limits.rate_limit.filter(|limit| limit.per == RatePeriod::Minute);
        Self {
            requests_per_minute: by_minute.map(|limit| limit.requests),
            rate_limit: LimitLeft::of(limits.rate_limit, remaining.rate),
            quota: LimitLeft::of(limits.quota, remaining.quota),
            allowed_networks: limits.allowed_networks.clone(),
        }
    }
}

impl LimitsView {
    /// As a key with these limits sees them that has not been used.
    pub fn unused(limits: &KeyLimits) -> Self {
        let left = |requests| Left { requests, reset: 0 };
        let remaining = Remaining {
            rate: limits.rate_limit.map(|limit| left(limit.requests)),
            quota: limits.quota.map(|quota| left(quota.requests)),
        };
        Self { limits: Limits::new(limits, remaining), ..Self::default() }
    }
}

/// `GET /v1/whoami`: the key as it may know itself, with its usage, in which this request is not
/// counted yet.
pub async fn whoami(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let look_up = move |bitting: &Bitting| bitting.own_key_with_usage(&caller);
    let (key, usage) = state.run_for(&caller, Effort::Little, look_up).await?;
    Ok(HttpResponse::Ok().json(WhoAmIView::new(&key, &usage, &state.bitting.catalog)))
}

/// The body of the answer to a ping, on the fast path and behind the router.
pub const PONG: &str = r#"{"ping":"pong"}"#;

/// `GET /v1/ping`: the cheapest way to test a credential.
pub async fn ping(_caller: KeyCaller, query: QueryReader) -> Result<HttpResponse, Problem> {
    query.finish()?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(PONG))
}

/// `GET /v1/admin/limits`: the key's limits, what is left of them, and its usage.
pub async fn limits(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run_for(&caller, Effort::Little, move |bitting| {
        let limits = bitting.limits_of(&caller);
        let (_, usage) = bitting.own_key_with_usage(&caller)?;
        Ok((usage, limits))
    });
    let (usage, (limits, remaining)) = found.await?;
    let limits = Limits::new(&limits, remaining);
    Ok(HttpResponse::Ok().json(LimitsView { limits, usage: usage.windows }))
}

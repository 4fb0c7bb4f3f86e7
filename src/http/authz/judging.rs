//! Judging the key of a request for a route that is not the request's own.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest};

use super::family::Asked;
use crate::gate::admission::{Admission, PendingCount};
use crate::gate::advice::advise;
use crate::gate::caller::{Caller, KeyCaller};
use crate::gate::decision::Refusal;
use crate::gate::identities::KeyIdentity;
use crate::gate::limiter::Standing;
use crate::gate::route::Route;
use crate::http::client_address::client_address;
use crate::http::error::Problem;
use crate::http::extract::caller::by_name;
use crate::http::middleware::count::{known_method, user_agent_of};
use crate::http::middleware::observe::are_logged;
use crate::http::state::State;
use crate::model::failed_request::FailedRequest;
use crate::model::id::KeyId;

/// A request whose key was judged, to be counted once its answer is known.
pub struct Judged {
    /// The caller, or the problem that refuses it.
    pub verdict: Result<KeyCaller, Problem>,
    /// Counts the request, once [`finish`] is given its status.
    pub count: PendingCount,
}

/// Judges the key of a request, from memory if the key is known there.
pub async fn judge(request: &HttpRequest, state: &State, route: Route) -> Judged {
    judge_among(request, || by_name(request.headers()), state, route).await
}

/// Judges the key of a request that is among these headers.
pub async fn judge_among<'a, I: Iterator<Item = (&'a str, &'a [u8])>>(
    request: &HttpRequest,
    headers: impl Fn() -> I,
    state: &State,
    route: Route,
) -> Judged {
    let presented = state.bitting.gate.read(headers());
    let address = || client_address(request.head(), &state.settings);
    let admission = match state.door.admit(&presented, route, address) {
        Some(admission) => admission,
        None => state.door.admit_after_feed(&presented, route, address).await,
    };
    let Admission { verdict, count, .. } = admission;
    let verdict = match verdict {
        Ok(caller) => {
            state.note_accepted();
            if are_logged() {
                request.extensions_mut().insert(caller);
            }
            match caller {
                Caller::Key(key) => Ok(key),
                Caller::Token(_) => Err(Problem::internal("a token was accepted as a key")),
            }
        }
        Err(refusal) => {
            let problem = tell(refusal, headers(), state, route);
            state.settings.watch.refused(problem.code());
            Err(problem)
        }
    };
    Judged { verdict, count }
}

fn tell<'a>(
    refusal: Refusal,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    state: &State,
    route: Route,
) -> Problem {
    let advice = (refusal == Refusal::InvalidKey).then(|| advise(headers, &state.bitting.brand));
    let resource = route.resource().and_then(|resource| state.bitting.catalog.find(resource));
    let allow = match resource {
        Some(resource) if !resource.writable => "GET, HEAD, OPTIONS",
        _ => "",
    };
    let problem = Problem::of_refusal(refusal, allow);
    match advice {
        Some(advice) => problem.with_hint(advice),
        None => problem,
    }
}

/// Who a key is, from memory after its first request.
///
/// # Errors
/// 503 when that is the first one and the database is out of reach.
pub async fn identify(state: &State, id: KeyId) -> Result<Arc<KeyIdentity>, Problem> {
    match state.bitting.gate.index.identities.find(id) {
        Some(identity) => Ok(identity),
        None => state.run(move |bitting| bitting.identify_key(id)).await,
    }
}

/// Records a request that was refused or failed. Of its path only the resource is kept, since the
/// rest may hold a secret.
pub fn record(
    count: &PendingCount,
    told: (StatusCode, &str),
    request: &HttpRequest,
    state: &State,
    asked: Asked<'_>,
    route: Route,
) {
    let method = known_method(asked.method.unwrap_or_default());
    let address = client_address(request.head(), &state.settings);
    record_of(count, told, (method, address), state, route);
}

/// Records a request that has been handed on and was refused or failed, by its method and its client's
/// address.
pub fn record_of(
    count: &PendingCount,
    (status, code): (StatusCode, &str),
    (method, address): (&'static str, Option<IpAddr>),
    state: &State,
    route: Route,
) {
    let resource = route.resource().and_then(|resource| state.bitting.catalog.find(resource));
    count.record_failure(|at| FailedRequest {
        at,
        method: method.to_owned(),
        route: resource.and_then(|resource| resource.requests.paths.first().cloned()),
        status: status.as_u16(),
        code: code.to_owned(),
        address: address.map(|address| address.to_string()),
    });
}

/// Counts a request by the status of its answer; returns what is left of its key's limits.
pub fn finish(
    count: PendingCount,
    request: &HttpRequest,
    state: &State,
    status: StatusCode,
) -> Option<Standing> {
    let address = client_address(request.head(), &state.settings);
    count.finish(status.as_u16(), address, || user_agent_of(request.headers(), state))
}

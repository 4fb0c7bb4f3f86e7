//! The caller, as an argument: a handler that takes one cannot run without the decision.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use tokio::task::futures::TaskLocalFuture;

use crate::gate::caller::{Caller, KeyCaller, TokenCaller};
use crate::gate::decision::{Decision, Refusal};
use crate::gate::presented_key::{Presented, Unusable};
use crate::gate::route::Route;
use crate::http::client_address::client_address;
use crate::http::error::Problem;
use crate::http::state::State;

/// The caller of a handler, and the route they were accepted for.
pub type Accepted = (Caller, Route);

tokio::task_local! {
    // Not among the request's extensions, which are a map on the heap.
    static CALLER: Option<Accepted>;
}

/// A running handler, with the caller on whose behalf it runs.
pub type OnBehalf<F> = TaskLocalFuture<Option<Accepted>, F>;

/// Lets a handler work on behalf of a caller, whom its extractors find; `None` where anybody may
/// call.
pub fn on_behalf_of<F: Future>(accepted: Option<Accepted>, handler: F) -> OnBehalf<F> {
    CALLER.scope(accepted, handler)
}

fn accepted() -> Option<Accepted> {
    CALLER.try_with(|accepted| *accepted).ok().flatten()
}

/// The credential among a request's headers.
pub fn present(headers: &HeaderMap, state: &State) -> Result<Presented, Unusable> {
    state.bitting.gate.read(by_name(headers))
}

/// Headers by name and value, as the gate reads them.
pub fn by_name(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), HeaderValue::as_bytes(value)))
}

/// Judges a request again once its body has arrived, which may have taken the client a while: the
/// credential may have ended in the meantime.
///
/// # Errors
/// The refusal, as that of any later request.
pub fn judge_again(request: &HttpRequest, state: &State) -> Result<(), Problem> {
    let Some((_, route)) = accepted() else { return Ok(()) };
    let presented = present(request.headers(), state);
    let refusal = refused_by_now(request, &presented, route, state);
    refusal.map_or(Ok(()), |refusal| Err(Problem::of_refusal(refusal, "")))
}

/// Why a credential that was accepted for a request is refused by now, if it is.
pub fn refused_by_now(
    request: &HttpRequest,
    presented: &Result<Presented, Unusable>,
    route: Route,
    state: &State,
) -> Option<Refusal> {
    let address = || client_address(request.head(), &state.settings);
    let gate = &state.bitting.gate;
    match gate.judge(presented, route, gate.now(), address) {
        Some(Decision { verdict: Err(refusal), .. }) => Some(refusal),
        Some(Decision { verdict: Ok(_), .. }) | None => None,
    }
}

/// The caller on whose behalf the current handler runs.
///
/// # Errors
/// When its route was not judged.
pub fn caller() -> Result<Caller, Problem> {
    let caller = accepted().map(|(caller, _)| caller);
    caller.ok_or_else(|| Problem::internal("a handler asks for a caller where nobody calls"))
}

fn proven<T>(of: impl FnOnce(Caller) -> Option<T>) -> Result<T, Problem> {
    of(caller()?).ok_or_else(|| Problem::internal("a handler asks for another caller"))
}

impl FromRequest for KeyCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proven(|caller| match caller {
            Caller::Key(key) => Some(key),
            Caller::Token(_) => None,
        }))
    }
}

impl FromRequest for TokenCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proven(|caller| match caller {
            Caller::Token(token) => Some(token),
            Caller::Key(_) => None,
        }))
    }
}

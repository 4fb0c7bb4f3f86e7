//! The caller, as an argument: a handler that takes one cannot run without the decision.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tokio::task::futures::TaskLocalFuture;

use crate::auth::caller::{Caller, KeyCaller, TokenCaller};
use crate::http::error::Problem;

tokio::task_local! {
    // Not among the request's extensions, which are a map on the heap.
    static CALLER: Option<Caller>;
}

/// A handler at work on behalf of its caller.
pub type OnBehalf<F> = TaskLocalFuture<Option<Caller>, F>;

/// Lets a handler work on behalf of a caller, whom its extractors find; `None` where anybody may
/// call.
pub fn on_behalf_of<F: Future>(caller: Option<Caller>, handler: F) -> OnBehalf<F> {
    CALLER.scope(caller, handler)
}

/// On whose behalf the handler at work is called.
///
/// # Errors
/// When its route was not judged.
pub fn caller() -> Result<Caller, Problem> {
    let caller = CALLER.try_with(|caller| *caller).ok().flatten();
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

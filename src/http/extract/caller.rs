//! The caller, as an argument: a handler that takes one cannot run without the decision.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::auth::caller::{Caller, KeyCaller, TokenCaller};
use crate::http::error::Problem;

fn proven<T>(request: &HttpRequest, of: impl FnOnce(Caller) -> Option<T>) -> Result<T, Problem> {
    let caller = request.extensions().get::<Caller>().copied();
    caller.and_then(of).ok_or_else(|| Problem::internal("a handler asks for another caller"))
}

impl FromRequest for KeyCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proven(request, |caller| match caller {
            Caller::Key(key) => Some(key),
            Caller::Token(_) => None,
        }))
    }
}

impl FromRequest for TokenCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proven(request, |caller| match caller {
            Caller::Token(token) => Some(token),
            Caller::Key(_) => None,
        }))
    }
}

//! The client of the current request, for the audit log and the list of sessions.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpRequest};

use crate::http::client_address::client_address;
use crate::http::error::Problem;
use crate::http::request_id::RequestId;
use crate::http::state::State;
use crate::model::actor::ClientInfo;

impl FromRequest for ClientInfo {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user_agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        ready(State::of(request).map(|state| Self {
            address: client_address(request.head(), &state.settings),
            user_agent: user_agent.map(str::to_owned),
            request_id: Some(RequestId::of(request, state).as_str().to_owned()),
        }))
    }
}

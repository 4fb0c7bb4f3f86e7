//! Who manages keys, from where, in which request: for the audit log.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::gate::caller::TokenCaller;
use crate::http::client_address::client_address;
use crate::http::error::Problem;
use crate::http::request_id::RequestId;
use crate::http::state::State;
use crate::model::actor::Origin;
use crate::model::credential::Credential;

/// An accepted admin token, with where its request came from.
pub struct Manager {
    caller: TokenCaller,
    address: Option<std::net::IpAddr>,
    request_id: Option<String>,
}

impl Manager {
    /// The token as a credential that a use case checks again in its transaction.
    pub fn credential(&self) -> Credential {
        self.caller.credential()
    }

    /// The principal for which use cases are called. Asks the database for the token's name.
    pub fn principal(self, bitting: &Bitting) -> domain::Result<Principal> {
        let actor = bitting.token_as_actor(self.caller.id())?;
        let origin = Origin { actor, address: self.address, request_id: self.request_id };
        let granted = bitting.catalog.scopes_of(self.caller.may_grant());
        Ok(Principal::token(self.caller.id(), origin, granted))
    }
}

impl FromRequest for Manager {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<State>>();
        let address = state.and_then(|state| client_address(request.head(), &state.settings));
        let id = state.map(|state| RequestId::of(request, state).as_str().to_owned());
        let caller = TokenCaller::from_request(request, payload).into_inner();
        ready(caller.map(|caller| Self { caller, address, request_id: id }))
    }
}

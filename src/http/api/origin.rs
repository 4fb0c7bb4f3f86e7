//! Who manages keys, from where, in which request: for the audit log.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::gate::caller::TokenCaller;
use crate::http::error::Problem;
use crate::model::actor::ClientInfo;
use crate::model::credential::Credential;

/// An accepted admin token, with the client that sent it.
pub struct Manager {
    caller: TokenCaller,
    client: ClientInfo,
}

impl Manager {
    /// The token as a credential that a use case checks again in its transaction.
    pub fn credential(&self) -> Credential {
        self.caller.credential()
    }

    /// The principal for which use cases are called. Asks the database for the token's name.
    pub fn principal(self, bitting: &Bitting) -> domain::Result<Principal> {
        bitting.token_as_principal(&self.caller, self.client)
    }
}

impl FromRequest for Manager {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut read = || {
            let caller = TokenCaller::from_request(request, payload).into_inner()?;
            let client = ClientInfo::from_request(request, payload).into_inner()?;
            Ok(Self { caller, client })
        };
        ready(read())
    }
}

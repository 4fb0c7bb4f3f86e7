//! Counting the request at hand: once, when its status is known; if the client goes away before,
//! when its handler is dropped.

use actix_web::dev::{RequestHead, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::USER_AGENT;

use crate::auth::decision::{Need, Refusal};
use crate::domain::key_index::Holder;
use crate::domain::worker_tally::Client;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::state::{Held, State};
use crate::model::key::KeyNumber;
use crate::model::scope::{Access, Resource};
use crate::model::time::Moment;
use crate::model::usage::{Cell, Outcome};

/// The line of the tally that a request will be counted under.
pub struct Entry {
    state: Held,
    key: Option<KeyNumber>,
    resource: Option<Resource>,
    access: Access,
    /// When the request was judged: the moment it is counted under.
    at: Moment,
    outcome: Option<Outcome>,
}

impl Entry {
    /// Only API keys are counted.
    pub(super) fn open(
        state: Held,
        holder: Option<Holder>,
        need: Option<Need>,
        access: Access,
        at: Moment,
    ) -> Self {
        let key = match holder {
            Some(Holder::ApiKey { number, .. }) => Some(number),
            Some(Holder::AdminToken { .. }) | None => None,
        };
        let resource = match need {
            Some(Need::Scope(resource)) => Some(resource),
            Some(Need::AnyKey | Need::AdminToken) | None => None,
        };
        Self { state, key, resource, access, at, outcome: None }
    }

    /// Notes a refusal whose status does not tell its outcome.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::KeyRevoked | Refusal::KeyExpired => self.outcome = Some(Outcome::Retired),
            Refusal::Unavailable => self.key = None,
            Refusal::MultipleCredentials
            | Refusal::MissingKey
            | Refusal::InvalidKey
            | Refusal::WrongCredential(_)
            | Refusal::NotFound
            | Refusal::MethodNotAllowed
            | Refusal::InsufficientScope { .. } => {}
        }
    }

    /// Notes whether the credential, which was good at the request's head, had ended by its end: it
    /// is then counted as one that was refused at once.
    pub(super) fn ended_meanwhile(&mut self, response: &ServiceResponse) {
        if response.status() != StatusCode::UNAUTHORIZED {
            return;
        }
        let extensions = response.response().extensions();
        let Some(code) = extensions.get::<Problem>().map(Problem::code) else { return };
        if matches!(code, Code::KeyRevoked | Code::KeyExpired) {
            self.outcome = Some(Outcome::Retired);
        }
        self.state.settings.watch.refused(code);
    }

    /// Counts the request: its status is known.
    pub(super) fn close(mut self, response: &ServiceResponse) {
        let status = response.status();
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        let outcome = self.outcome.unwrap_or_else(|| Outcome::of_status(status.as_u16()));
        if let Some(key) = self.key.take().filter(|_| !unavailable) {
            self.count(key, outcome, Some(response.request().head()));
        }
    }

    fn count(&self, key: KeyNumber, outcome: Outcome, request: Option<&RequestHead>) {
        let cell = Cell::new(self.resource, self.access, outcome);
        let client = || request.and_then(|request| client_of(request, &self.state));
        self.state.tally.count(key, cell, self.at, client);
    }
}

/// Dropped before it was closed: the client went away before the answer.
impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.count(key, Outcome::ClientError, None);
        }
    }
}

/// Who sent a request, as it may be noted.
pub(in crate::http) fn client_of<'a>(
    request: &'a RequestHead,
    state: &State,
) -> Option<Client<'a>> {
    let address = client_address(request, &state.settings)?;
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    // A secret that was sent as a user agent must not be stored.
    let user_agent = user_agent.filter(|agent| !state.bitting.brand.may_occur_in(agent));
    Some(Client { address, user_agent })
}

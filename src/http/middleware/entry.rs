//! Counting the request at hand: once, when its status is known; if the client goes away before,
//! when its handler is dropped.

use actix_web::dev::{RequestHead, ServiceResponse};
use actix_web::http::header::USER_AGENT;
use actix_web::http::{Method, StatusCode};

use crate::gate::decision::{Need, Refusal};
use crate::gate::key_index::Holder;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::state::{SharedState, State};
use crate::model::catalog::ResourceNumber;
use crate::model::failed_request::FailedRequest;
use crate::model::key::KeyNumber;
use crate::model::scope::Access;
use crate::model::time::Moment;
use crate::model::usage::{Cell, Outcome};
use crate::model::words::Word;

/// The methods that are kept as they are; another is the client's own word.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// The line of the tally that a request will be counted under.
pub struct Entry {
    state: SharedState,
    key: Option<KeyNumber>,
    resource: Option<ResourceNumber>,
    access: Access,
    /// When the request was judged: the moment it is counted under.
    at: Moment,
    outcome: Option<Outcome>,
    has_route: bool,
}

impl Entry {
    /// Only API keys are counted.
    pub(super) fn open(
        state: SharedState,
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
        Self { state, key, resource, access, at, outcome: None, has_route: need.is_some() }
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
        let Some(key) = self.key.take() else { return };
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            self.state.tally.note_error(key, self.failed(response));
        }
        if status != StatusCode::SERVICE_UNAVAILABLE {
            let outcome = self.outcome.unwrap_or_else(|| Outcome::of_status(status.as_u16()));
            self.count(key, outcome, Some(response.request().head()));
        }
    }

    /// What is kept of a request that was refused or failed: nothing that the client could put a
    /// secret into.
    fn failed(&self, response: &ServiceResponse) -> FailedRequest {
        let (request, status) = (response.request(), response.status());
        let stated = response.response().extensions().get::<Problem>().map(Problem::code);
        let known = METHODS.iter().find(|method| *method == request.method());
        let address = client_address(request.head(), &self.state.settings);
        FailedRequest {
            at: self.at,
            method: known.map_or("OTHER", |method| method.as_str()).to_owned(),
            route: self.has_route.then(|| request.match_pattern()).flatten(),
            status: status.as_u16(),
            code: stated.unwrap_or_else(|| Code::of_status(status)).as_str().to_owned(),
            address: address.map(|address| address.to_string()),
        }
    }

    fn count(&self, key: KeyNumber, outcome: Outcome, request: Option<&RequestHead>) {
        let cell = Cell::new(self.resource, self.access, outcome);
        let settings = &self.state.settings;
        let address = request.and_then(|request| client_address(request, settings));
        let agent = || request.and_then(|request| user_agent_of(request, &self.state));
        self.state.tally.count(key, cell, self.at, address, agent);
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

/// What a client calls itself, as it may be noted.
pub(in crate::http) fn user_agent_of<'a>(
    request: &'a RequestHead,
    state: &State,
) -> Option<&'a str> {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    // A secret that was sent as a user agent must not be stored.
    user_agent.filter(|agent| !state.bitting.brand.may_occur_in(agent))
}

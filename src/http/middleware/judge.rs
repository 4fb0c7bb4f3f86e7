//! The decision, attached to one route: who calls, may they, and the count of it.
//!
//! It decides on the route that was matched and never on the text of the path, which has many
//! spellings. A request of a right secret is counted once, when its status is known; if the client
//! goes away before, when its handler is dropped.

use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{ALLOW, HeaderValue, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::auth::caller::Caller;
use crate::auth::decision::{Decision, Need, Refusal, Route};
use crate::auth::presented_key::{self, Presented, Unusable};
use crate::auth::{judge_after_feed, judge_from_memory};
use crate::domain::key_index::Holder;
use crate::domain::usage_meter::Client;
use crate::http::client_address::client_address;
use crate::http::error::Problem;
use crate::http::state::State;
use crate::model::key::KeyNumber;
use crate::model::scope::{Access, Resource};
use crate::model::usage::{Cell, Outcome};

/// The guard of one route.
#[derive(Clone)]
pub struct Judge(Rc<Guarded>);

struct Guarded {
    state: web::Data<State>,
    target: Target,
    methods: Vec<Method>,
    allow: String,
}

#[derive(Clone, Copy)]
enum Target {
    /// Anybody may call it.
    Public,
    /// It asks something of its caller.
    Needs(Need),
    /// There is nothing at this path.
    UnknownPath,
}

impl Judge {
    /// For an endpoint of the URL table.
    pub fn of_endpoint(state: web::Data<State>, need: Option<Need>, methods: &[Method]) -> Self {
        let target = need.map_or(Target::Public, Target::Needs);
        let mut allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
        allow.push("OPTIONS");
        let allow = allow.join(", ");
        Self(Rc::new(Guarded { state, target, methods: methods.to_vec(), allow }))
    }

    /// For paths at which there is nothing.
    pub fn of_unknown_path(state: web::Data<State>) -> Self {
        let (target, methods) = (Target::UnknownPath, Vec::new());
        Self(Rc::new(Guarded { state, target, methods, allow: String::new() }))
    }
}

impl<S> Transform<S, ServiceRequest> for Judge
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = JudgeService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(JudgeService { guarded: self.0.clone(), service: Rc::new(service) }))
    }
}

/// A route behind its guard.
pub struct JudgeService<S> {
    guarded: Rc<Guarded>,
    service: Rc<S>,
}

impl<S> Service<ServiceRequest> for JudgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (guarded, service) = (self.guarded.clone(), self.service.clone());
        Box::pin(async move {
            let (need, answer) = match guarded.target {
                _ if request.method() == Method::OPTIONS => (None, Some(guarded.options())),
                Target::Needs(need) => (Some(need), None),
                Target::UnknownPath => (None, None),
                Target::Public if guarded.methods.contains(request.method()) => {
                    return handle(&*service, request).await;
                }
                Target::Public => {
                    (None, Some(Problem::method_not_allowed(&guarded.allow).error_response()))
                }
            };
            match answer {
                Some(answer) => Ok(request.into_response(answer)),
                None => guarded.judged(need, request, &*service).await,
            }
        })
    }
}

impl Guarded {
    /// OPTIONS is answered before credentials are looked at, and not counted.
    fn options(&self) -> HttpResponse {
        match self.target {
            Target::UnknownPath => {
                Problem::of_refusal(Refusal::NotFound, &self.allow).error_response()
            }
            Target::Public | Target::Needs(_) => {
                HttpResponse::NoContent().insert_header((ALLOW, self.allow.as_str())).finish()
            }
        }
    }

    async fn judged<S>(
        &self,
        need: Option<Need>,
        request: ServiceRequest,
        service: &S,
    ) -> Result<ServiceResponse, Error>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    {
        let bitting = &self.state.bitting;
        let access = access_of(request.method());
        let route = need.map_or(Route::Unknown, |need| Route::Known {
            need,
            access,
            offered: self.methods.contains(request.method()),
        });
        let presented = present(&request, bitting);
        let decision = match judge_from_memory(bitting, &presented, route) {
            Some(decision) => decision,
            None => judge_after_feed(bitting, &presented, route).await,
        };
        let Decision { holder, verdict } = decision;
        let mut entry = Entry::open(&self.state, holder, need, access);
        let response = match verdict {
            Ok(caller) => {
                if let Caller::Token(token) = caller {
                    self.state.tally.note_token(token.number(), bitting.time.now());
                }
                request.extensions_mut().insert(caller);
                handle(service, request).await?
            }
            Err(refusal) => {
                entry.refused(&refusal);
                self.refuse(request, refusal)
            }
        };
        entry.close(&response);
        Ok(response)
    }

    fn refuse(&self, request: ServiceRequest, refusal: Refusal) -> ServiceResponse {
        let missing = refusal == Refusal::MissingKey;
        let mut problem = Problem::of_refusal(refusal, &self.allow);
        if missing && holds_a_key(request.query_string(), &self.state) {
            problem = problem.with_hint(
                "A key in the URL is not read: URLs end up in logs and histories. If it is a real \
                 key, revoke it.",
            );
        }
        request.into_response(problem.error_response())
    }
}

/// Runs the handler. One that panics ends its own request with 500, and nothing else.
async fn handle<S>(service: &S, request: ServiceRequest) -> Result<ServiceResponse, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let original = request.request().clone();
    AssertUnwindSafe(service.call(request)).catch_unwind().await.unwrap_or_else(|_panic| {
        let problem = Problem::internal("a handler panicked");
        Ok(ServiceResponse::new(original, problem.error_response()))
    })
}

fn present(
    request: &ServiceRequest,
    bitting: &crate::domain::Bitting,
) -> Result<Presented, Unusable> {
    let headers = request.headers().iter();
    presented_key::read(
        headers.map(|(name, value)| (name.as_str(), HeaderValue::as_bytes(value))),
        &bitting.brand,
    )
}

fn holds_a_key(query: &str, state: &State) -> bool {
    let names = ["api_key=", "apikey=", "access_token=", "token=", "key="];
    state.bitting.brand.may_occur_in(query)
        || query.split('&').any(|pair| names.iter().any(|name| pair.starts_with(name)))
}

/// GET and HEAD read; all else writes.
fn access_of(method: &Method) -> Access {
    match *method {
        Method::GET | Method::HEAD => Access::Read,
        _ => Access::Write,
    }
}

/// The line of the tally that a request will be counted under.
struct Entry<'a> {
    state: &'a State,
    key: Option<KeyNumber>,
    resource: Option<Resource>,
    access: Access,
    outcome: Option<Outcome>,
}

impl<'a> Entry<'a> {
    /// Only API keys are counted.
    fn open(state: &'a State, holder: Option<Holder>, need: Option<Need>, access: Access) -> Self {
        let key = match holder {
            Some(Holder::ApiKey { number, .. }) => Some(number),
            Some(Holder::AdminToken { .. }) | None => None,
        };
        let resource = match need {
            Some(Need::Scope(resource)) => Some(resource),
            Some(Need::AnyKey | Need::AdminToken) | None => None,
        };
        Self { state, key, resource, access, outcome: None }
    }

    /// Notes a refusal whose status does not tell its outcome.
    fn refused(&mut self, refusal: &Refusal) {
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

    /// Counts the request: its status is known.
    fn close(mut self, response: &ServiceResponse) {
        let status = response.status();
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        let outcome = self.outcome.unwrap_or_else(|| Outcome::of_status(status.as_u16()));
        if let Some(key) = self.key.take().filter(|_| !unavailable) {
            self.count(key, outcome, Some(response.request()));
        }
    }

    fn count(&self, key: KeyNumber, outcome: Outcome, request: Option<&HttpRequest>) {
        let cell = Cell::new(self.resource, self.access, outcome);
        let client = request.and_then(|request| client_of(request, self.state));
        self.state.tally.count(key, cell, self.state.bitting.time.now(), client);
    }
}

/// Dropped before it was closed: the client went away before the answer.
impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.count(key, Outcome::ClientError, None);
        }
    }
}

fn client_of<'a>(request: &'a HttpRequest, state: &State) -> Option<Client<'a>> {
    let address = client_address(request, &state.settings.trusted_proxies)?;
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    // A secret that was sent as a user agent must not be stored.
    let user_agent = user_agent.filter(|agent| !state.bitting.brand.may_occur_in(agent));
    Some(Client { address, user_agent })
}

//! The decision, attached to one route: who calls, may they, and the count of it.
//!
//! It decides on the route that was matched and never on the text of the path, which has many
//! spellings.

use std::future::{Ready, ready as ready_now};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderMap, HeaderValue};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use futures_util::future::{CatchUnwind, LocalBoxFuture};
use pin_project_lite::pin_project;

use super::entry::Entry;
use super::observe::are_logged;
use crate::gate::advice::advise;
use crate::gate::caller::Caller;
use crate::gate::decision::{Decision, Need, Refusal, Route};
use crate::gate::presented_key;
use crate::gate::presented_key::{Expected, Presented, Unusable};
use crate::gate::{judge_after_feed, judge_from_memory};
use crate::http::error::Problem;
use crate::http::extract::caller::{Accepted, OnBehalf, on_behalf_of};
use crate::http::state::{SharedState, State};
use crate::model::scope::Access;
use crate::model::time::Moment;

const KEY_IN_URL: &str = "A key in a URL is ignored, since URLs end up in logs and histories. Send it in a header; if it is a real key, revoke it.";

/// The guard of one route.
#[derive(Clone)]
pub struct Judge(Rc<RouteGuard>);

struct RouteGuard {
    state: SharedState,
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
        let (state, methods) = (SharedState::new(state), methods.to_vec());
        Self(Rc::new(RouteGuard { state, target, methods, allow }))
    }

    /// For paths at which there is nothing.
    pub fn of_unknown_path(state: web::Data<State>) -> Self {
        let (state, target, methods) = (SharedState::new(state), Target::UnknownPath, Vec::new());
        Self(Rc::new(RouteGuard { state, target, methods, allow: String::new() }))
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
        ready_now(Ok(JudgeService { guarded: self.0.clone(), service: Rc::new(service) }))
    }
}

/// A route behind its guard.
pub struct JudgeService<S> {
    guarded: Rc<RouteGuard>,
    service: Rc<S>,
}

impl<S> Service<ServiceRequest> for JudgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = JudgeFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let guarded = &self.guarded;
        let need = match guarded.without_credential(&request) {
            Precheck::No(need) => need,
            Precheck::Yes => return JudgeFuture::handling(&*self.service, request, None, None),
            Precheck::Answered(answer) => {
                return JudgeFuture::answered(request.into_response(answer));
            }
        };
        let presented = present(request.headers(), &guarded.state);
        let route = guarded.route(&request, need);
        let now = guarded.state.bitting.time.now();
        match judge_from_memory(&guarded.state.bitting, &presented, route, now) {
            Some(decision) => match guarded.apply(request, need, decision, now) {
                Outcome::Accepted(request, caller, entry) => {
                    let accepted = Some((caller, route));
                    JudgeFuture::handling(&*self.service, request, accepted, Some(entry))
                }
                Outcome::Refused(refused) => JudgeFuture::answered(refused),
            },
            None => self.ask_the_database(request, need, presented, route),
        }
    }
}

impl<S> JudgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    /// The rare way: the credential is not known here, so the feed is read before the decision.
    fn ask_the_database(
        &self,
        request: ServiceRequest,
        need: Option<Need>,
        presented: Result<Presented, Unusable>,
        route: Route,
    ) -> JudgeFuture<S::Future> {
        let (guarded, service) = (self.guarded.clone(), self.service.clone());
        let asking = Box::pin(async move {
            let bitting = &guarded.state.bitting;
            let decision = judge_after_feed(bitting, &presented, route).await;
            match guarded.apply(request, need, decision, bitting.time.now()) {
                Outcome::Accepted(request, caller, entry) => {
                    let accepted = Some((caller, route));
                    JudgeFuture::handling(&*service, request, accepted, Some(entry)).await
                }
                Outcome::Refused(refused) => Ok(refused),
            }
        });
        JudgeFuture { step: Step::Asking { asking } }
    }
}

pin_project! {
    /// A request on its way through the guard; boxed only where the database has to be asked.
    pub struct JudgeFuture<F> {
        #[pin]
        step: Step<F>,
    }
}

pin_project! {
    #[project = StepNow]
    enum Step<F> {
        // Nothing is left to do but to give the answer.
        Answered { response: Option<ServiceResponse> },
        // The handler is at work; `request` is what a panicking one is answered for.
        Handling {
            #[pin]
            handler: CatchUnwind<AssertUnwindSafe<OnBehalf<F>>>,
            request: Option<HttpRequest>,
            entry: Option<Entry>,
        },
        // The feed is being read, and all that follows from it.
        Asking { asking: LocalBoxFuture<'static, Result<ServiceResponse, Error>> },
    }
}

impl<F> JudgeFuture<F>
where
    F: Future<Output = Result<ServiceResponse, Error>>,
{
    fn answered(response: ServiceResponse) -> Self {
        Self { step: Step::Answered { response: Some(response) } }
    }

    fn handling<S>(
        service: &S,
        request: ServiceRequest,
        accepted: Option<Accepted>,
        entry: Option<Entry>,
    ) -> Self
    where
        S: Service<ServiceRequest, Future = F>,
    {
        let original = Some(request.request().clone());
        let handler = on_behalf_of(accepted, service.call(request));
        let handler = AssertUnwindSafe(handler).catch_unwind();
        Self { step: Step::Handling { handler, request: original, entry } }
    }
}

impl<F> Future for JudgeFuture<F>
where
    F: Future<Output = Result<ServiceResponse, Error>>,
{
    type Output = Result<ServiceResponse, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().step.project() {
            StepNow::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            StepNow::Handling { handler, request, entry } => {
                let handled = ready!(handler.poll(context));
                let response = match (handled, request.take()) {
                    (Ok(result), _) => result?,
                    (Err(_panic), None) => return Poll::Pending,
                    // A handler that panics ends its own request, and nothing else.
                    (Err(_panic), Some(request)) => ServiceResponse::new(
                        request,
                        Problem::internal("a handler panicked").error_response(),
                    ),
                };
                if let Some(mut entry) = entry.take() {
                    entry.ended_meanwhile(&response);
                    entry.close(&response);
                }
                Poll::Ready(Ok(response))
            }
            StepNow::Asking { asking } => asking.as_mut().poll(context),
        }
    }
}

/// Whether a request is answered without a credential.
enum Precheck {
    /// It is not; this is what its route needs, if there is a route.
    No(Option<Need>),
    /// Anybody may call the handler.
    Yes,
    /// It needs no handler either.
    Answered(HttpResponse),
}

/// A decision, carried out.
enum Outcome {
    /// The request, with its caller.
    Accepted(ServiceRequest, Caller, Entry),
    /// The refusal, counted.
    Refused(ServiceResponse),
}

impl RouteGuard {
    fn without_credential(&self, request: &ServiceRequest) -> Precheck {
        match self.target {
            _ if request.method() == Method::OPTIONS => Precheck::Answered(self.options()),
            Target::Needs(need) => Precheck::No(Some(need)),
            Target::UnknownPath => Precheck::No(None),
            Target::Public if self.methods.contains(request.method()) => Precheck::Yes,
            Target::Public => {
                Precheck::Answered(Problem::method_not_allowed(&self.allow).error_response())
            }
        }
    }

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

    fn route(&self, request: &ServiceRequest, need: Option<Need>) -> Route {
        need.map_or(Route::Unknown, |need| Route::Known {
            need,
            access: access_of(request.method()),
            offered: self.methods.contains(request.method()),
        })
    }

    /// Carries the decision out: the request with its caller, or its refusal, counted.
    fn apply(
        self: &Rc<Self>,
        request: ServiceRequest,
        need: Option<Need>,
        decision: Decision,
        now: Moment,
    ) -> Outcome {
        let Decision { holder, verdict } = decision;
        let access = access_of(request.method());
        let mut entry = Entry::open(self.state.clone(), holder, need, access, now);
        match verdict {
            Ok(caller) => {
                self.state.note_accepted();
                if let Caller::Token(token) = caller {
                    self.state.tally.note_token(token.number(), now);
                }
                if are_logged() {
                    request.extensions_mut().insert(caller);
                }
                Outcome::Accepted(request, caller, entry)
            }
            Err(refusal) => {
                entry.refused(&refusal);
                let refused = self.refuse(request, refusal);
                entry.close(&refused);
                Outcome::Refused(refused)
            }
        }
    }

    fn refuse(&self, request: ServiceRequest, refusal: Refusal) -> ServiceResponse {
        let hint = if refusal == Refusal::InvalidKey {
            Some(advise(by_name(request.headers()), &self.state.bitting.brand))
        } else if refusal == Refusal::MissingKey && holds_a_key(request.query_string(), &self.state)
        {
            Some(KEY_IN_URL)
        } else {
            None
        };
        let mut problem = Problem::of_refusal(refusal, &self.allow);
        self.state.settings.watch.refused(problem.code());
        if let Some(hint) = hint {
            problem = problem.with_hint(hint);
        }
        request.into_response(problem.error_response())
    }
}

/// The credential among a request's headers.
pub(in crate::http) fn present(headers: &HeaderMap, state: &State) -> Result<Presented, Unusable> {
    let bitting = &state.bitting;
    presented_key::read(
        by_name(headers),
        Expected { brand: &bitting.brand, foreign: bitting.index.holds_imported() },
    )
}

fn by_name(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), HeaderValue::as_bytes(value)))
}

fn holds_a_key(query: &str, state: &State) -> bool {
    let names = ["api_key=", "apikey=", "access_token=", "token=", "key="];
    state.bitting.brand.may_occur_in(query)
        || query.split('&').any(|pair| names.iter().any(|name| pair.starts_with(name)))
}

/// GET and HEAD read; all else writes.
pub(super) fn access_of(method: &Method) -> Access {
    match *method {
        Method::GET | Method::HEAD => Access::Read,
        _ => Access::Write,
    }
}

//! The door of the API: the gate, attached to one route.
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
use actix_web::http::header::ALLOW;
use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, rt, web,
};
use futures_util::FutureExt;
use futures_util::future::{CatchUnwind, LocalBoxFuture};
use pin_project_lite::pin_project;

use super::count::{self, ended_meanwhile};
use super::observe::are_logged;
use crate::gate::admission::{Admission, CountedAs, PendingCount};
use crate::gate::advice::advise;
use crate::gate::caller::Caller;
use crate::gate::decision::Refusal;
use crate::gate::presented_key::{Presented, Unusable};
use crate::gate::route::{Need, Route};
use crate::http::authz::verify::leaves_uncounted;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::extract::caller::{Accepted, OnBehalf, by_name, on_behalf_of, present};
use crate::http::limit_headers::announce;
use crate::http::state::{SharedState, State};
use crate::model::actor::ClientInfo;
use crate::model::id::TokenId;
use crate::model::scope::Access;

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
    /// A route that anybody may call.
    Public,
    /// A route that requires a credential.
    Needs(Need),
    /// Its handler judges another request, whatever the method of its own.
    Door,
    /// A path without a route.
    UnknownPath,
}

impl Judge {
    /// The guard of an endpoint of the URL table.
    pub fn of_endpoint(state: web::Data<State>, need: Option<Need>, methods: &[Method]) -> Self {
        let target = need.map_or(Target::Public, Target::Needs);
        let mut allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
        allow.push("OPTIONS");
        let allow = allow.join(", ");
        let (state, methods) = (SharedState::new(state), methods.to_vec());
        Self(Rc::new(RouteGuard { state, target, methods, allow }))
    }

    /// For a path at which proxies ask about their requests.
    pub fn of_door(state: web::Data<State>) -> Self {
        let (state, target, methods) = (SharedState::new(state), Target::Door, Vec::new());
        Self(Rc::new(RouteGuard { state, target, methods, allow: String::new() }))
    }

    /// The guard of paths without a route.
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
        ready_now(Ok(JudgeService { guard: self.0.clone(), service: Rc::new(service) }))
    }
}

/// A route behind its guard.
pub struct JudgeService<S> {
    guard: Rc<RouteGuard>,
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
        let guard = &self.guard;
        let route = match guard.precheck(&request) {
            Precheck::Judged(route) => route,
            Precheck::Public => return JudgeFuture::handling(&*self.service, request, None, None),
            Precheck::Answered(answer) => {
                return JudgeFuture::answered(request.into_response(answer));
            }
        };
        let presented = present(request.headers(), &guard.state);
        let address = || client_address(request.head(), &guard.state.settings);
        match guard.state.door.admit(&presented, route, address) {
            Some(admission) => {
                JudgeFuture::after(guard.apply(request, admission), &*self.service, route, guard)
            }
            None => self.ask_the_database(request, presented, route),
        }
    }
}

impl<S> JudgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    /// The rare case: the credential is not known here, so the feed is read before the decision.
    fn ask_the_database(
        &self,
        request: ServiceRequest,
        presented: Result<Presented, Unusable>,
        route: Route,
    ) -> JudgeFuture<S::Future> {
        let (guard, service) = (self.guard.clone(), self.service.clone());
        let asking = Box::pin(async move {
            let address = || client_address(request.head(), &guard.state.settings);
            let admission = guard.state.door.admit_after_feed(&presented, route, address).await;
            JudgeFuture::after(guard.apply(request, admission), &*service, route, &guard).await
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
            count: Option<Counted>,
        },
        // The feed is being read, and all that follows from it.
        Asking { asking: LocalBoxFuture<'static, Result<ServiceResponse, Error>> },
    }
}

impl<F> JudgeFuture<F>
where
    F: Future<Output = Result<ServiceResponse, Error>>,
{
    /// What follows from the decision about a request.
    fn after<S>(outcome: Outcome, service: &S, route: Route, guard: &Rc<RouteGuard>) -> Self
    where
        S: Service<ServiceRequest, Future = F>,
    {
        match outcome {
            Outcome::Accepted(request, caller, count) => {
                let count = Some((count, guard.clone()));
                Self::handling(service, request, Some((caller, route)), count)
            }
            Outcome::Refused(refused) => Self::answered(refused),
        }
    }

    fn answered(response: ServiceResponse) -> Self {
        Self { step: Step::Answered { response: Some(response) } }
    }

    fn handling<S>(
        service: &S,
        request: ServiceRequest,
        accepted: Option<Accepted>,
        count: Option<Counted>,
    ) -> Self
    where
        S: Service<ServiceRequest, Future = F>,
    {
        let original = Some(request.request().clone());
        let handler = on_behalf_of(accepted, service.call(request));
        let handler = AssertUnwindSafe(handler).catch_unwind();
        Self { step: Step::Handling { handler, request: original, count } }
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
            StepNow::Handling { handler, request, count } => {
                let handled = ready!(handler.poll(context));
                let mut response = match (handled, request.take()) {
                    (Ok(result), _) => result?,
                    (Err(_panic), None) => return Poll::Pending,
                    // A handler that panics ends its own request, and nothing else.
                    (Err(_panic), Some(request)) => ServiceResponse::new(
                        request,
                        Problem::internal("a handler panicked").error_response(),
                    ),
                };
                if let Some((count, guard)) = count.take() {
                    guard.count(count, &mut response);
                }
                Poll::Ready(Ok(response))
            }
            StepNow::Asking { asking } => asking.as_mut().poll(context),
        }
    }
}

/// A count, and the guard of the route that it belongs to.
type Counted = (PendingCount, Rc<RouteGuard>);

/// What can be said of a request before its credential is looked at.
enum Precheck {
    /// The credential decides, for this route.
    Judged(Route),
    /// Anybody may call the handler.
    Public,
    /// The guard answers itself.
    Answered(HttpResponse),
}

/// What becomes of a request after the decision.
enum Outcome {
    /// The request, with its caller.
    Accepted(ServiceRequest, Caller, PendingCount),
    /// The refusal, which has been counted.
    Refused(ServiceResponse),
}

impl RouteGuard {
    fn precheck(&self, request: &ServiceRequest) -> Precheck {
        let access = Access::of_method(request.method().as_str());
        match self.target {
            Target::Door => Precheck::Public,
            _ if request.method() == Method::OPTIONS => Precheck::Answered(self.options()),
            Target::Needs(need) => {
                let offered = self.methods.contains(request.method());
                Precheck::Judged(Route::Known { need, access, offered })
            }
            Target::UnknownPath => Precheck::Judged(Route::Unknown { access }),
            Target::Public if self.methods.contains(request.method()) => Precheck::Public,
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
            Target::Public | Target::Needs(_) | Target::Door => {
                HttpResponse::NoContent().insert_header((ALLOW, self.allow.as_str())).finish()
            }
        }
    }

    /// Applies the verdict: the request with its caller, or the refusal, which is counted.
    fn apply(&self, request: ServiceRequest, admission: Admission) -> Outcome {
        let Admission { verdict, overreaching, mut count } = admission;
        let is_question = matches!(self.target, Target::Needs(Need::Question));
        if is_question && leaves_uncounted(request.query_string()) {
            count.leave_uncounted();
        }
        match verdict {
            Ok(caller) => {
                self.state.note_accepted();
                if are_logged() {
                    request.extensions_mut().insert(caller);
                }
                Outcome::Accepted(request, caller, count)
            }
            Err(refusal) => {
                if let Some(token) = overreaching {
                    self.note_denied(&request, token);
                }
                let mut refused = self.refuse(request, refusal);
                let standing = count::count(count, &refused, &self.state, self.has_route());
                announce(refused.headers_mut(), standing, &self.state);
                Outcome::Refused(refused)
            }
        }
    }

    /// Counts a request that was let through by its answer, which tells what is left of the limits.
    fn count(&self, mut count: PendingCount, response: &mut ServiceResponse) {
        if let Some(code) = ended_meanwhile(response) {
            if matches!(code, Code::KeyRevoked | Code::KeyExpired) {
                count.ended_meanwhile();
            }
            self.state.settings.watch.refused(code);
        }
        if let Some(other) = response.response().extensions().get::<CountedAs>() {
            count.count_as(*other);
        }
        let standing = count::count(count, response, &self.state, self.has_route());
        announce(response.headers_mut(), standing, &self.state);
    }

    /// Has it recorded that a token was sent to do what it may not. Nobody waits for that.
    fn note_denied(&self, request: &ServiceRequest, token: TokenId) {
        let state = self.state.clone();
        if state.bitting.leaves_out_denial_of(token) {
            return;
        }
        let Ok(client) = ClientInfo::extract(request.request()).into_inner() else { return };
        let path = request.match_pattern().unwrap_or_default();
        let attempt = format!("{} {path}", request.method());
        rt::spawn(async move {
            let noted =
                state.run(move |bitting| bitting.note_denied_token(token, client, &attempt));
            if let Err(problem) = noted.await {
                let cause = problem.cause().unwrap_or_default();
                tracing::debug!(cause, "what a token may not do is missing from the audit log");
            }
        });
    }

    fn has_route(&self) -> bool {
        !matches!(self.target, Target::UnknownPath)
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

fn holds_a_key(query: &str, state: &State) -> bool {
    let names = ["api_key=", "apikey=", "access_token=", "token=", "key="];
    state.bitting.brand.may_occur_in(query)
        || query.split('&').any(|pair| names.iter().any(|name| pair.starts_with(name)))
}

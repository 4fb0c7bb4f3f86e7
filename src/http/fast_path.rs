//! The fast path: `GET /v1/ping` and what proxies ask, with a key that memory accepts, answered before
//! actix-web makes a request, a route and a boxed future of it. It never refuses: whatever it does not
//! answer goes on to the application, which decides for itself.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_http::{Payload, Request};
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{
    AppConfig, Response, Service, ServiceFactory, ServiceResponse, forward_ready,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use futures_util::TryFutureExt;
use futures_util::future::{Either, LocalBoxFuture, MapOk, Ready, ready};

use super::api::this_key::pong;
use super::authz::answer::introduce;
use super::authz::family::Family;
use super::authz::forward::Judgement;
use super::client_address::client_address;
use super::exchange::{Exchange, Pace};
use super::extract::caller::present;
use super::limit_headers::announce;
use super::middleware::count::user_agent_of;
use super::middleware::measure::Measure;
use super::middleware::observe::{are_logged, frame, is_kept_alive};
use super::request_id::RequestId;
use super::routes::PING;
use super::state::{SharedState, State};
use super::{request_body, via};
use crate::gate::admission::Admission;
use crate::gate::caller::Caller;
use crate::gate::route::{Need, Route};
use crate::model::scope::Access;

/// The route of a ping, as the URL table has it.
const PING_ROUTE: Route = Route::Known { need: Need::AnyKey, access: Access::Read, offered: true };

/// Makes what leaves the server of what leaves the application.
type Finish = fn(ServiceResponse) -> Response<BoxBody>;

/// The fast path, and the application behind it.
pub struct FastPath<A> {
    state: SharedState,
    measures: Rc<Measures>,
    app: A,
}

/// What measures each route that is answered here, where there are metrics.
struct Measures {
    ping: Option<Measure>,
    doors: [Option<Measure>; Family::ALL.len()],
}

/// A request that can be answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quick {
    /// `GET /v1/ping`.
    Ping,
    /// What a proxy of this family asks.
    Door(Family),
}

impl<A> FastPath<A> {
    /// A fast path before the application of the same state.
    pub fn before(app: A, state: web::Data<State>) -> Self {
        let ping = Measure::of(&state, PING);
        let doors = Family::ALL.map(|family| Measure::of(&state, family.pattern()));
        Self { measures: Rc::new(Measures { ping, doors }), state: SharedState::new(state), app }
    }
}

impl<A> ServiceFactory<Request> for FastPath<A>
where
    A: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse,
            Error = Error,
            InitError = (),
        >,
    A::Future: 'static,
{
    type Response = Response<BoxBody>;
    type Error = Error;
    type Config = AppConfig;
    type Service = FastPath<A::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let (state, measures) = (self.state.clone(), self.measures.clone());
        let app = self.app.new_service(config);
        Box::pin(async move { Ok(FastPath { state, measures, app: app.await? }) })
    }
}

impl<A> Service<Request> for FastPath<A>
where
    A: Service<Request, Response = ServiceResponse, Error = Error>,
{
    type Response = Response<BoxBody>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<BoxBody>, Error>>, MapOk<A::Future, Finish>>;

    forward_ready!(app);

    fn call(&self, mut request: Request) -> Self::Future {
        // A body has to be watched, even where nobody reads it.
        let has_body = !matches!(request.payload(), Payload::None);
        let exchange = request.conn_data::<Rc<Exchange>>();
        let has_ended = exchange.is_some_and(|exchange| exchange.has_ended());
        if !has_body
            && !has_ended
            && let Some(response) = self.answer(&request)
        {
            return Either::Left(ready(Ok(response)));
        }
        if let Some(exchange) = exchange.cloned() {
            // What is forwarded is taken as it comes.
            let forwarded = request.path().starts_with(via::PREFIX);
            let pace = if forwarded { Pace::Pieces } else { Pace::Whole };
            let end = request_body::end_of_body(request.head());
            request_body::begin(exchange, request.payload(), end, pace);
        }
        Either::Right(self.app.call(request).map_ok(ServiceResponse::into))
    }
}

impl<A> FastPath<A> {
    fn answer(&self, request: &Request) -> Option<Response<BoxBody>> {
        let state = &self.state;
        let quick = Quick::of(request)?;
        // What is to be logged is known further on, and so is how a connection is ended.
        let ends = state.stopping.load(Ordering::Relaxed) || !is_kept_alive(request.head());
        if ends || are_logged() {
            return None;
        }
        let measure = self.measures.of(quick);
        let began = measure.map(|_| Instant::now());
        let route = quick.route(request, state)?;
        let presented = present(request.head().headers(), state);
        let address = || client_address(request.head(), &state.settings);
        let Admission { verdict, count, .. } = state.door.admit(&presented, route, address)?;
        let Some(mut response) = verdict.ok().and_then(|caller| quick.response(caller, state))
        else {
            count.discard();
            return None;
        };
        state.note_accepted();
        let head = request.head();
        let status = StatusCode::OK.as_u16();
        let standing = count.finish(status, address(), || user_agent_of(head, state));
        announce(response.headers_mut(), standing, state);
        let id = RequestId::choose(request.head().headers(), state);
        frame(response.headers_mut(), &id, state);
        if let (Some(measure), Some(began)) = (measure, began) {
            measure.answered(quick.access(request), StatusCode::OK, began);
        }
        Some(response)
    }
}

impl Measures {
    fn of(&self, quick: Quick) -> Option<&Measure> {
        match quick {
            Quick::Ping => self.ping.as_ref(),
            Quick::Door(family) => self.doors[family as usize].as_ref(),
        }
    }
}

impl Quick {
    /// What the request is, in the one spelling that is answered here; the router knows the others.
    fn of(request: &Request) -> Option<Self> {
        let uri = request.uri();
        if uri.path() == PING {
            let plain = request.method() == Method::GET && uri.query().is_none();
            return plain.then_some(Self::Ping);
        }
        Family::of_path(uri.path()).map(Self::Door)
    }

    /// What it asks of its caller; none where the answer depends on no caller.
    fn route(self, request: &Request, state: &State) -> Option<Route> {
        let Self::Door(family) = self else { return Some(PING_ROUTE) };
        let asked = family.asked(request.head());
        match Judgement::of(asked, &state.bitting) {
            Judgement::Key(route) => Some(route),
            Judgement::Preflight => None,
        }
    }

    /// The answer to an accepted caller, if it is in memory.
    fn response(self, caller: Caller, state: &State) -> Option<Response<BoxBody>> {
        let Self::Door(_) = self else { return Some(pong()) };
        let Caller::Key(key) = caller else { return None };
        let identity = state.bitting.gate.index.identities.headers(key.id())?;
        let mut response = Response::with_body(StatusCode::OK, BoxBody::new(()));
        introduce(response.headers_mut(), &identity);
        Some(response)
    }

    /// What the request itself does, as its route is measured.
    fn access(self, request: &Request) -> Access {
        match self {
            Self::Ping => Access::Read,
            Self::Door(_) => Access::of_method(request.method().as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::endpoints;

    #[test]
    fn it_asks_what_the_url_table_asks() {
        let ping = endpoints().into_iter().find(|endpoint| endpoint.path() == PING).unwrap();
        assert!(ping.methods().contains(&Method::GET));
        let need = ping.need().unwrap();
        assert_eq!(PING_ROUTE, Route::Known { need, access: Access::Read, offered: true });
    }
}

//! One path of the URL table: what it needs, the methods it offers, and their handlers.
//!
//! An endpoint cannot be made without saying what it needs, and it attaches the decision to its
//! own route; so nothing can be registered outside its guard. Neither can an operation of the API
//! be registered without its description.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Error, FromRequest, Handler, Resource, Responder, guard, web};

use super::middleware::judge::Judge;
use super::middleware::measure::Measure;
use super::middleware::page::Page;
use super::openapi::operation::Operation;
use super::state::State;
use crate::domain::users::signed_in::PageNeed;
use crate::gate::route::Need;

/// What stands before the handlers of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// No guard: anybody may call it.
    Public,
    /// The credential is judged: an API key or an admin token.
    Key(Need),
    /// The session is judged: who is signed in.
    Page(PageNeed),
    /// Nothing, whatever the method: the handler decides about another request.
    Door,
}

/// A path with its methods, handlers and guard.
pub struct Endpoint {
    path: String,
    /// The path that the API document has for it, where the router's pattern says it differently.
    document_path: Option<&'static str>,
    guard: Guard,
    methods: Vec<Method>,
    operations: Vec<(Method, Describe)>,
    routes: Resource,
}

/// Describes what an operation takes and answers, for the API document.
pub type Describe = fn(&mut Operation<'_>);

impl Endpoint {
    /// A path of the API that requires a credential.
    pub fn new(path: impl Into<String>, need: Need) -> Self {
        Self::guarded_by(path, Guard::Key(need))
    }

    /// A page for people, and who may see it.
    pub fn browser(path: impl Into<String>, need: PageNeed) -> Self {
        Self::guarded_by(path, Guard::Page(need))
    }

    /// A path that anybody may call.
    pub fn public(path: impl Into<String>) -> Self {
        Self::guarded_by(path, Guard::Public)
    }

    /// A path at which a proxy asks about its requests, by any method.
    pub fn door<F, Args>(path: impl Into<String>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let mut door = Self::guarded_by(path, Guard::Door);
        door.routes = door.routes.route(web::route().to(handler));
        door
    }

    fn guarded_by(path: impl Into<String>, guard: Guard) -> Self {
        let (path, methods, operations) = (path.into(), Vec::new(), Vec::new());
        let routes = web::resource(path.as_str());
        Self { path, document_path: None, guard, methods, operations, routes }
    }

    /// Has the API document describe what is asked at a door, under this path.
    pub fn described_as(mut self, path: &'static str, describe: Describe) -> Self {
        self.document_path = Some(path);
        self.described(Method::GET, describe)
    }

    /// Answers GET, and HEAD with the same headers.
    pub fn get<F, Args>(self, handler: F, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described(Method::GET, describe).on(&[Method::GET, Method::HEAD], handler)
    }

    /// Answers GET and HEAD with something for people, which is no part of the API.
    pub fn page<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&[Method::GET, Method::HEAD], handler)
    }

    /// Takes a form that people send, which is no part of the API.
    pub fn form<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&[Method::POST], handler)
    }

    /// Answers POST with this handler.
    pub fn post<F, Args>(self, handler: F, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described(Method::POST, describe).on(&[Method::POST], handler)
    }

    /// Answers PATCH with this handler.
    pub fn patch<F, Args>(self, handler: F, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described(Method::PATCH, describe).on(&[Method::PATCH], handler)
    }

    /// Answers DELETE with this handler.
    pub fn delete<F, Args>(self, handler: F, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described(Method::DELETE, describe).on(&[Method::DELETE], handler)
    }

    fn described(mut self, method: Method, describe: Describe) -> Self {
        self.operations.push((method, describe));
        self
    }

    fn on<F, Args>(mut self, methods: &[Method], handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let wanted = methods.to_vec();
        self.methods.extend_from_slice(methods);
        let route = web::route()
            .guard(guard::fn_guard(move |context| wanted.contains(&context.head().method)))
            .to(handler);
        self.routes = self.routes.route(route);
        self
    }

    /// The path, as the router's pattern.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path, as the API document has it.
    pub fn document_path(&self) -> &str {
        self.document_path.unwrap_or(&self.path)
    }

    /// What stands before its handlers.
    pub fn guard(&self) -> Guard {
        self.guard
    }

    /// What it requires of a key or an admin token, if it takes one.
    pub fn need(&self) -> Option<Need> {
        match self.guard {
            Guard::Key(need) => Some(need),
            Guard::Public | Guard::Page(_) | Guard::Door => None,
        }
    }

    /// The methods it offers, OPTIONS aside.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The operations of this path that are part of the API.
    pub fn operations(&self) -> &[(Method, Describe)] {
        &self.operations
    }

    /// Serves the endpoint behind its guard.
    pub(super) fn serve(self, config: &mut web::ServiceConfig, state: &web::Data<State>) {
        let measure = Measure::of(state, &self.path);
        let judge = |need| Judge::of_endpoint(state.clone(), need, &self.methods);
        match self.guard {
            Guard::Public => serve_measured(config, self.routes.wrap(judge(None)), measure),
            Guard::Key(need) => {
                serve_measured(config, self.routes.wrap(judge(Some(need))), measure);
            }
            Guard::Door => {
                serve_measured(config, self.routes.wrap(Judge::of_door(state.clone())), measure);
            }
            Guard::Page(need) => {
                let page = Page::new(state.clone(), need, &self.methods);
                let guard = from_fn(move |request, next| page.clone().guard(request, next));
                serve_measured(config, self.routes.wrap(guard), measure);
            }
        }
    }
}

/// Serves a path, measured where there are metrics; where there are none, nothing stands in between.
pub(super) fn serve_measured<T>(
    config: &mut web::ServiceConfig,
    path: Resource<T>,
    measure: Option<Measure>,
) where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        > + 'static,
{
    match measure {
        Some(measure) => config.service(path.wrap(measure)),
        None => config.service(path),
    };
}

//! One path of the URL table: what it needs, the methods it offers, and their handlers.
//!
//! An endpoint cannot be made without saying what it needs, and it attaches the decision to its
//! own route; so nothing can be registered outside its guard. Neither can an operation of the API
//! be registered without its description.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, guard, web};

use super::middleware::judge::Judge;
use super::openapi::operation::Operation;
use super::state::State;
use crate::auth::decision::Need;

/// A path with its methods.
pub struct Endpoint {
    path: &'static str,
    need: Option<Need>,
    methods: Vec<Method>,
    operations: Vec<(Method, Describe)>,
    routes: Resource,
}

/// Says what an operation takes and answers, for the API document.
pub type Describe = fn(&mut Operation<'_>);

impl Endpoint {
    /// A path that asks something of its caller.
    pub fn new(path: &'static str, need: Need) -> Self {
        Self::at(path, Some(need))
    }

    /// A path that anybody may call.
    pub fn public(path: &'static str) -> Self {
        Self::at(path, None)
    }

    fn at(path: &'static str, need: Option<Need>) -> Self {
        let (methods, operations) = (Vec::new(), Vec::new());
        Self { path, need, methods, operations, routes: web::resource(path) }
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

    /// Answers POST.
    pub fn post<F, Args>(self, handler: F, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described(Method::POST, describe).on(&[Method::POST], handler)
    }

    /// Answers PATCH.
    pub fn patch<F, Args>(self, handler: F, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.described(Method::PATCH, describe).on(&[Method::PATCH], handler)
    }

    /// Answers DELETE.
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

    /// The path, as a pattern.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// What it needs; nothing, if anybody may call it.
    pub fn need(&self) -> Option<Need> {
        self.need
    }

    /// The methods it offers, OPTIONS aside.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Its operations that are part of the API.
    pub fn operations(&self) -> &[(Method, Describe)] {
        &self.operations
    }

    /// The endpoint with its guard, ready to be served.
    pub(super) fn guarded(self, state: &web::Data<State>) -> impl HttpServiceFactory + 'static {
        let judge = Judge::of_endpoint(state.clone(), self.need, &self.methods);
        self.routes.wrap(judge)
    }
}

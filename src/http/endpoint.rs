//! One path of the URL table: what it needs, the methods it offers, and their handlers.
//!
//! An endpoint cannot be made without saying what it needs, and it attaches the decision to its
//! own route; so nothing can be registered outside its guard.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{Error, FromRequest, Handler, Resource, Responder, guard, web};

use super::middleware::judge::Judge;
use super::middleware::measure::Measure;
use super::state::State;
use crate::auth::decision::Need;

/// A path with its methods.
pub struct Endpoint {
    path: &'static str,
    need: Option<Need>,
    methods: Vec<Method>,
    routes: Resource,
}

impl Endpoint {
    /// A path that asks something of its caller.
    pub fn new(path: &'static str, need: Need) -> Self {
        Self { path, need: Some(need), methods: Vec::new(), routes: web::resource(path) }
    }

    /// A path that anybody may call.
    pub fn public(path: &'static str) -> Self {
        Self { path, need: None, methods: Vec::new(), routes: web::resource(path) }
    }

    /// Answers GET, and HEAD with the same headers.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&[Method::GET, Method::HEAD], handler)
    }

    /// Answers POST.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&[Method::POST], handler)
    }

    /// Answers PATCH.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&[Method::PATCH], handler)
    }

    /// Answers DELETE.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&[Method::DELETE], handler)
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

    /// Serves the endpoint behind its guard.
    pub(super) fn serve(self, config: &mut web::ServiceConfig, state: &web::Data<State>) {
        let judge = Judge::of_endpoint(state.clone(), self.need, &self.methods);
        let measure = state.measure(self.path);
        serve_measured(config, self.routes.wrap(judge), measure);
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

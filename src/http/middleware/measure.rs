//! The outermost frame of one route, where there are metrics: how its requests were answered, and
//! how long that took.

use std::future::{Ready, ready as ready_now};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use pin_project_lite::pin_project;

use crate::http::state::State;
use crate::http::watch::requests::WorkerRequests;
use crate::model::scope::Access;

/// Middleware that measures the requests of one route.
#[derive(Clone)]
pub struct Measure(Rc<MeasuredRoute>);

struct MeasuredRoute {
    worker: Arc<WorkerRequests>,
    route: usize,
}

impl Measure {
    /// Records an answer and how long it took.
    pub fn answered(&self, access: Access, status: StatusCode, began: Instant) {
        let MeasuredRoute { worker, route } = &*self.0;
        worker.answered(*route, access, status.as_u16(), began.elapsed());
    }

    /// Measures a route of this worker; none without metrics.
    pub(in crate::http) fn of(state: &State, route: &str) -> Option<Self> {
        let route = state.settings.watch.requests()?.number_of(route);
        Some(Self(Rc::new(MeasuredRoute { worker: state.requests.clone()?, route })))
    }
}

impl<S> Transform<S, ServiceRequest> for Measure
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = MeasureService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready_now(Ok(MeasureService { measure: self.clone(), service }))
    }
}

/// A route that is measured.
pub struct MeasureService<S> {
    measure: Measure,
    service: S,
}

impl<S> Service<ServiceRequest> for MeasureService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = MeasureFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (began, access) = (Instant::now(), Access::of_method(request.method().as_str()));
        MeasureFuture {
            measure: self.measure.clone(),
            began,
            access,
            answer: self.service.call(request),
        }
    }
}

pin_project! {
    /// A request that is measured.
    pub struct MeasureFuture<F> {
        measure: Measure,
        began: Instant,
        access: Access,
        #[pin]
        answer: F,
    }
}

impl<F> Future for MeasureFuture<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        let status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        this.measure.answered(*this.access, status, *this.began);
        Poll::Ready(answer)
    }
}

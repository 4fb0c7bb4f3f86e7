//! `/authz/…`: whether a request that a proxy holds back may pass. The answer needs memory alone but
//! for the first request of a key, whose name and owner are read then.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::answer::{introduce, refuse};
use super::family::{Asked, Family, target};
use super::judging::{Judged, finish, identify, judge, record};
use crate::domain::Bitting;
use crate::gate::identities::IdentityHeaders;
use crate::gate::route::Route;
use crate::http::limit_headers::announce;
use crate::http::state::State;
use crate::model::words::Word;

/// How a request that a proxy asks about is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The request passes without a key.
    Preflight,
    /// The request's key decides, for this route.
    Key(Route),
}

impl Judgement {
    /// How the configuration judges a request. Browsers send OPTIONS without any credential before
    /// a cross-origin request.
    pub fn of(asked: Asked<'_>, bitting: &Bitting) -> Self {
        let route = Route::of_request(&bitting.catalog, asked.method, asked.target);
        match (asked.method, route) {
            (Some("OPTIONS"), Route::Known { .. }) if bitting.preflight => Self::Preflight,
            _ => Self::Key(route),
        }
    }
}

/// `/authz/nginx`
pub async fn nginx(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    answer(Family::Nginx, &request, &state).await
}

/// `/authz/forwarded`
pub async fn forwarded(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    answer(Family::Forwarded, &request, &state).await
}

/// `/authz/envoy/…`
pub async fn envoy(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    answer(Family::Envoy, &request, &state).await
}

async fn answer(family: Family, request: &HttpRequest, state: &State) -> HttpResponse {
    let head = request.head();
    let asked = family.asked(head.method.as_str(), target(head), head.headers());
    let judgement = Judgement::of(asked, &state.bitting);
    let Judgement::Key(route) = judgement else {
        let mut response = HttpResponse::Ok().finish();
        introduce(response.headers_mut(), &IdentityHeaders::default());
        return response;
    };
    let Judged { verdict, count } = judge(request, state, route).await;
    let identity = match verdict {
        Ok(key) => identify(state, key.id()).await,
        Err(problem) => Err(problem),
    };
    let (mut response, standing) = match identity {
        Ok(identity) => {
            let standing = finish(count, request, state, StatusCode::OK);
            let mut response = HttpResponse::Ok().finish();
            introduce(response.headers_mut(), &identity.headers);
            (response, standing)
        }
        Err(problem) => {
            record(
                &count,
                (problem.status_code(), problem.code().as_str()),
                request,
                state,
                asked,
                route,
            );
            let standing = finish(count, request, state, problem.status_code());
            (refuse(problem, family), standing)
        }
    };
    announce(response.headers_mut(), standing, state);
    response
}

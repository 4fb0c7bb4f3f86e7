//! The door of connections: the decision about one request, its forwarding, and its count.

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::asked::{Asked, Found};
use super::carriers;
use super::forward::Via;
use crate::gate::route::Route;
use crate::http::authz::judging::{Judged, finish, judge_among, record_of};
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::limit_headers::announce;
use crate::http::middleware::count::known_method;
use crate::http::state::{SharedState, State};
use crate::model::words::Word;

/// What stands for the code of an answer that is the vendor's own.
const VENDOR: &str = "vendor";

/// `/via/{handle}/…`
pub async fn via(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    let state = SharedState::new(state);
    let (asked, route, Judged { verdict, mut count }) = judged(&request, &state).await;
    let answered = match (verdict, &asked.connection, &asked.found) {
        (Ok(key), Some(connection), Found::Row(row)) => {
            let via = Via {
                request: &request,
                state: &state,
                connection,
                row,
                target: asked.target,
                route,
            };
            let answered = via.serve(key, payload.into_inner()).await;
            match &answered {
                Err(problem)
                    if matches!(problem.code(), Code::RateLimited | Code::ConnectionBusy) =>
                {
                    count.refused_for_another_limit();
                }
                // What was judged again while its body came.
                Err(problem) if matches!(problem.code(), Code::KeyRevoked | Code::KeyExpired) => {
                    count.ended_meanwhile();
                }
                // A 503 of a connection says something about the request, unlike one of this server.
                Err(problem) => count.answered_elsewhere(problem.status_code().as_u16()),
                Ok(response) => count.answered_elsewhere(response.status().as_u16()),
            }
            answered
        }
        (Ok(_), _, _) => Err(Problem::new(Code::NotFound, "There is no such connection.")),
        (Err(problem), _, found) => Err(explained(problem, found)),
    };
    let (status, code) = match &answered {
        Ok(response) => (response.status(), VENDOR),
        Err(problem) => (problem.status_code(), problem.code().as_str()),
    };
    if status.is_client_error() || status.is_server_error() {
        let method = known_method(request.method().as_str());
        let address = client_address(request.head(), &state.settings);
        record_of(&count, (status, code), (method, address), &state, route);
    }
    let standing = finish(count, &request, &state, status);
    let mut response = answered.unwrap_or_else(|problem| problem.error_response());
    announce(response.headers_mut(), standing, &state);
    response
}

/// Judges a request by what it asks for. A connection that is not known here may have been made elsewhere
/// a moment ago, so for a key that is accepted the next read of the feed is waited for.
async fn judged<'a>(request: &'a HttpRequest, state: &State) -> (Asked<'a>, Route, Judged) {
    let ask = || {
        let asked = Asked::of(request.head(), &state.bitting);
        let route = asked.route(request.method().as_str(), &state.bitting.catalog);
        (asked, route)
    };
    let (asked, route) = ask();
    let headers = || carriers::headers(request.headers());
    let first = judge_among(request, headers, state, route).await;
    let not_found = first.verdict.as_ref().is_err_and(|problem| problem.code() == Code::NotFound);
    if !not_found || !asked.names_one {
        return (asked, route, first);
    }
    // A read that fails brings nothing.
    let _ = state.bitting.gate.freshness.next_read().await;
    let (asked, route) = ask();
    if asked.connection.is_none() {
        return (asked, route, first);
    }
    first.count.discard();
    (asked, route, judge_among(request, headers, state, route).await)
}

/// A refusal with what only the table of the connection tells.
fn explained(problem: Problem, found: &Found) -> Problem {
    match (problem.code(), found) {
        (Code::NotOffered, Found::NotOffered(why)) => Problem::new(Code::NotOffered, why.clone()),
        (Code::MethodNotAllowed, Found::OtherMethods(allow)) => Problem::method_not_allowed(allow),
        _ => problem,
    }
}

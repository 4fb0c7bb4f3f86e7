//! Counting the request at hand by its answer, and what is kept of one that was refused or failed.

use actix_web::ResponseError;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::USER_AGENT;
use actix_web::http::{Method, StatusCode};

use crate::gate::admission::PendingCount;
use crate::gate::limiter::Standing;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::fields::RequestFields;
use crate::http::state::State;
use crate::model::failed_request::FailedRequest;
use crate::model::time::Moment;
use crate::model::words::Word;

/// The methods that are recorded as they are. Any other is the client's own word, and could hold a
/// secret.
static METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Counts a request by its answer; returns what is left of its key's limits. `has_route`: whether there
/// is something at its path.
pub(super) fn count(
    count: PendingCount,
    response: &ServiceResponse,
    state: &State,
    has_route: bool,
) -> Option<Standing> {
    let status = response.status();
    // A verdict about another request is an answer as good as any, and says why it is refused.
    let says_why = response.response().extensions().contains::<Problem>();
    if says_why || status.is_client_error() || status.is_server_error() {
        count.record_failure(|at| failed(response, state, has_route, at));
    }
    let head = response.request().head();
    let address = client_address(head, &state.settings);
    count.finish(status.as_u16(), address, || user_agent_of(head.headers(), state))
}

/// The code of the refusal when the credential, which was good at the request's head, had ended by
/// its end.
pub(super) fn ended_meanwhile(response: &ServiceResponse) -> Option<Code> {
    if response.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    response.response().extensions().get::<Problem>().map(Problem::code)
}

/// What is kept of a request that was refused or failed: nothing that the client could put a secret
/// into.
fn failed(response: &ServiceResponse, state: &State, has_route: bool, at: Moment) -> FailedRequest {
    let (request, answered) = (response.request(), response.status());
    let extensions = response.response().extensions();
    let stated = extensions.get::<Problem>();
    let status = stated.map_or(answered, |stated| answered.max(stated.status_code()));
    let address = client_address(request.head(), &state.settings);
    FailedRequest {
        at,
        method: known_method(request.method().as_str()).to_owned(),
        route: has_route.then(|| request.match_pattern()).flatten(),
        status: status.as_u16(),
        code: stated.map_or_else(|| Code::of_status(status), Problem::code).as_str().to_owned(),
        address: address.map(|address| address.to_string()),
    }
}

/// A method as it may be noted.
pub(in crate::http) fn known_method(method: &str) -> &'static str {
    METHODS.iter().map(Method::as_str).find(|known| *known == method).unwrap_or("OTHER")
}

/// A client's `User-Agent`, as it may be recorded.
pub(in crate::http) fn user_agent_of<'a>(
    fields: &'a impl RequestFields,
    state: &State,
) -> Option<&'a str> {
    fields.first(USER_AGENT).filter(|agent| is_recordable(agent, state))
}

/// Whether a `User-Agent` may be stored: it must not hold what may be a secret.
pub(in crate::http) fn is_recordable(agent: &str, state: &State) -> bool {
    !state.bitting.may_hold_secret(agent)
}

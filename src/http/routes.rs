//! The URL table: every path, what it needs and what answers it.

use actix_web::web;

use super::api::{audit, keys, probes, records, this_key};
use super::endpoint::{Endpoint, serve_measured};
use super::middleware::judge::Judge;
use super::state::State;
use super::watch::requests::NO_ROUTE;
use crate::auth::decision::Need::{AdminToken, AnyKey, Scope};
use crate::model::records::call::Call;
use crate::model::scope::Resource::Calls;

/// Every endpoint there is. GET and HEAD need `read`, the other methods `write`.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::public("/healthz").get(probes::healthz),
        Endpoint::public("/readyz").get(probes::readyz),
        // The protected API.
        Endpoint::new("/v1/calls", Scope(Calls))
            .get(records::list::<Call>)
            .post(records::create::<Call>),
        Endpoint::new("/v1/calls/{id}", Scope(Calls))
            .get(records::find::<Call>)
            .patch(records::update::<Call>)
            .delete(records::delete::<Call>),
        // What any key may ask about itself.
        Endpoint::new("/v1/whoami", AnyKey).get(this_key::whoami),
        Endpoint::new("/v1/ping", AnyKey).get(this_key::ping),
        Endpoint::new("/v1/admin/limits", AnyKey).get(this_key::limits),
        // Managing keys by program.
        Endpoint::new("/v1/keys", AdminToken).get(keys::list).post(keys::create),
        Endpoint::new("/v1/keys/{id}", AdminToken).get(keys::find).patch(keys::update),
        Endpoint::new("/v1/keys/{id}/revoke", AdminToken).post(keys::revoke),
        Endpoint::new("/v1/keys/{id}/usage", AdminToken).get(keys::usage),
        Endpoint::new("/v1/audit", AdminToken).get(audit::list),
    ]
}

/// The paths of all endpoints, as patterns.
pub fn paths() -> Vec<&'static str> {
    endpoints().iter().map(Endpoint::path).collect()
}

/// Serves a table, and below `/v1` asks for a credential even where there is nothing.
pub(super) fn register(
    config: &mut web::ServiceConfig,
    state: &web::Data<State>,
    endpoints: Vec<Endpoint>,
) {
    // The router tries one path after the other, and a pattern costs more than a plain path.
    let (plain, patterns): (Vec<_>, Vec<_>) =
        endpoints.into_iter().partition(|endpoint| !endpoint.path().contains('{'));
    for endpoint in plain.into_iter().chain(patterns) {
        endpoint.serve(config, state);
    }
    for pattern in ["/v1", "/v1/{tail:.*}"] {
        let nothing = web::resource(pattern)
            .default_service(web::to(super::unknown_path))
            .wrap(Judge::of_unknown_path(state.clone()));
        serve_measured(config, nothing, state.measure(NO_ROUTE));
    }
}

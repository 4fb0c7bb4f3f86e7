//! The URL table: every path, what it needs and what answers it.

use actix_web::web;

use super::api::{analytics, audit, keys, probes, records, this_key};
use super::endpoint::Endpoint;
use super::middleware::judge::Judge;
use super::state::State;
use crate::auth::decision::Need::{AdminToken, AnyKey, Scope};
use crate::model::records::agent::Agent;
use crate::model::records::article::Article;
use crate::model::records::call::Call;
use crate::model::records::contact::Contact;
use crate::model::records::integration::Integration;
use crate::model::records::lead::Lead;
use crate::model::scope::Resource::{
    Agents, Analytics, Calls, Contacts, Integrations, KnowledgeBase, Leads,
};

/// Every endpoint there is. GET and HEAD need `read`, the other methods `write`.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::public("/healthz").get(probes::healthz),
        Endpoint::public("/readyz").get(probes::readyz),
        // The protected API.
        Endpoint::new("/v1/agents", Scope(Agents))
            .get(records::list::<Agent>)
            .post(records::create::<Agent>),
        Endpoint::new("/v1/agents/{id}", Scope(Agents))
            .get(records::find::<Agent>)
            .patch(records::update::<Agent>)
            .delete(records::delete::<Agent>),
        Endpoint::new("/v1/calls", Scope(Calls))
            .get(records::list::<Call>)
            .post(records::create::<Call>),
        Endpoint::new("/v1/calls/{id}", Scope(Calls))
            .get(records::find::<Call>)
            .patch(records::update::<Call>)
            .delete(records::delete::<Call>),
        Endpoint::new("/v1/contacts", Scope(Contacts))
            .get(records::list::<Contact>)
            .post(records::create::<Contact>),
        Endpoint::new("/v1/contacts/{id}", Scope(Contacts))
            .get(records::find::<Contact>)
            .patch(records::update::<Contact>)
            .delete(records::delete::<Contact>),
        Endpoint::new("/v1/integrations", Scope(Integrations))
            .get(records::list::<Integration>)
            .post(records::create::<Integration>),
        Endpoint::new("/v1/integrations/{id}", Scope(Integrations))
            .get(records::find::<Integration>)
            .patch(records::update::<Integration>)
            .delete(records::delete::<Integration>),
        Endpoint::new("/v1/knowledge_base", Scope(KnowledgeBase))
            .get(records::list::<Article>)
            .post(records::create::<Article>),
        Endpoint::new("/v1/knowledge_base/{id}", Scope(KnowledgeBase))
            .get(records::find::<Article>)
            .patch(records::update::<Article>)
            .delete(records::delete::<Article>),
        Endpoint::new("/v1/leads", Scope(Leads))
            .get(records::list::<Lead>)
            .post(records::create::<Lead>),
        Endpoint::new("/v1/leads/{id}", Scope(Leads))
            .get(records::find::<Lead>)
            .patch(records::update::<Lead>)
            .delete(records::delete::<Lead>),
        Endpoint::new("/v1/analytics/overview", Scope(Analytics)).get(analytics::overview),
        Endpoint::new("/v1/analytics/usage", Scope(Analytics)).get(analytics::usage),
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
        config.service(endpoint.guarded(state));
    }
    for pattern in ["/v1", "/v1/{tail:.*}"] {
        config.service(
            web::resource(pattern)
                .default_service(web::to(super::unknown_path))
                .wrap(Judge::of_unknown_path(state.clone())),
        );
    }
}

//! The URL table: every path, what it needs and what answers it.

use actix_web::web;

use super::api::{analytics, audit, describe, document, keys, probes, records, this_key};
use super::assets;
use super::endpoint::{Endpoint, serve_measured};
use super::middleware::judge::Judge;
use super::pages;
use super::pages::account::{login, password, setup};
use super::pages::keys::{changes, export, key, new_key};
use super::pages::parts::frame::OVERSEERS;
use super::pages::tokens::new_token;
use super::pages::users::user;
use super::pages::{account, docs, tokens, users};
use super::state::State;
use super::watch::requests::NO_ROUTE;
use crate::domain::users::signed_in::PageNeed;
use crate::domain::users::signed_in::PageNeed::Visitor;
use crate::gate::decision::Need::{AdminToken, AnyKey, Scope};
use crate::model::records::agent::Agent;
use crate::model::records::article::Article;
use crate::model::records::call::Call;
use crate::model::records::contact::Contact;
use crate::model::records::integration::Integration;
use crate::model::records::lead::Lead;
use crate::model::records::resources::{
    AGENTS, ANALYTICS, CALLS, CONTACTS, INTEGRATIONS, KNOWLEDGE_BASE, LEADS,
};
use crate::model::user::Role;

/// Answered by the fast path where it can.
pub const PING: &str = "/v1/ping";

/// Who makes and changes keys.
const KEY_MAKERS: PageNeed = PageNeed::User(&[Role::Admin, Role::Member]);
/// Who changes users and admin tokens.
const ADMINISTRATORS: PageNeed = PageNeed::User(&[Role::Admin]);

/// Every endpoint there is. GET and HEAD need `read`, the other methods `write`.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        // The protected API.
        Endpoint::new("/v1/agents", Scope(AGENTS))
            .get(records::list::<Agent>, describe::records::list::<Agent>)
            .post(records::create::<Agent>, describe::records::create::<Agent>),
        Endpoint::new("/v1/agents/{id}", Scope(AGENTS))
            .get(records::find::<Agent>, describe::records::find::<Agent>)
            .patch(records::update::<Agent>, describe::records::update::<Agent>)
            .delete(records::delete::<Agent>, describe::records::delete::<Agent>),
        Endpoint::new("/v1/calls", Scope(CALLS))
            .get(records::list::<Call>, describe::records::list::<Call>)
            .post(records::create::<Call>, describe::records::create::<Call>),
        Endpoint::new("/v1/calls/{id}", Scope(CALLS))
            .get(records::find::<Call>, describe::records::find::<Call>)
            .patch(records::update::<Call>, describe::records::update::<Call>)
            .delete(records::delete::<Call>, describe::records::delete::<Call>),
        Endpoint::new("/v1/knowledge_base", Scope(KNOWLEDGE_BASE))
            .get(records::list::<Article>, describe::records::list::<Article>)
            .post(records::create::<Article>, describe::records::create::<Article>),
        Endpoint::new("/v1/knowledge_base/{id}", Scope(KNOWLEDGE_BASE))
            .get(records::find::<Article>, describe::records::find::<Article>)
            .patch(records::update::<Article>, describe::records::update::<Article>)
            .delete(records::delete::<Article>, describe::records::delete::<Article>),
        Endpoint::new("/v1/contacts", Scope(CONTACTS))
            .get(records::list::<Contact>, describe::records::list::<Contact>)
            .post(records::create::<Contact>, describe::records::create::<Contact>),
        Endpoint::new("/v1/contacts/{id}", Scope(CONTACTS))
            .get(records::find::<Contact>, describe::records::find::<Contact>)
            .patch(records::update::<Contact>, describe::records::update::<Contact>)
            .delete(records::delete::<Contact>, describe::records::delete::<Contact>),
        Endpoint::new("/v1/integrations", Scope(INTEGRATIONS))
            .get(records::list::<Integration>, describe::records::list::<Integration>)
            .post(records::create::<Integration>, describe::records::create::<Integration>),
        Endpoint::new("/v1/integrations/{id}", Scope(INTEGRATIONS))
            .get(records::find::<Integration>, describe::records::find::<Integration>)
            .patch(records::update::<Integration>, describe::records::update::<Integration>)
            .delete(records::delete::<Integration>, describe::records::delete::<Integration>),
        Endpoint::new("/v1/leads", Scope(LEADS))
            .get(records::list::<Lead>, describe::records::list::<Lead>)
            .post(records::create::<Lead>, describe::records::create::<Lead>),
        Endpoint::new("/v1/leads/{id}", Scope(LEADS))
            .get(records::find::<Lead>, describe::records::find::<Lead>)
            .patch(records::update::<Lead>, describe::records::update::<Lead>)
            .delete(records::delete::<Lead>, describe::records::delete::<Lead>),
        Endpoint::new("/v1/analytics/overview", Scope(ANALYTICS))
            .get(analytics::overview, describe::analytics::overview),
        Endpoint::new("/v1/analytics/usage", Scope(ANALYTICS))
            .get(analytics::usage, describe::analytics::usage),
        // What any key may ask about itself.
        Endpoint::new("/v1/whoami", AnyKey).get(this_key::whoami, describe::this_key::whoami),
        Endpoint::new(PING, AnyKey).get(this_key::ping, describe::this_key::ping),
        Endpoint::new("/v1/admin/limits", AnyKey).get(this_key::limits, describe::this_key::limits),
        // Managing keys by program.
        Endpoint::new("/v1/keys", AdminToken)
            .get(keys::list, describe::keys::list)
            .post(keys::create, describe::keys::create),
        Endpoint::new("/v1/keys/{id}", AdminToken)
            .get(keys::find, describe::keys::find)
            .patch(keys::update, describe::keys::update),
        Endpoint::new("/v1/keys/{id}/revoke", AdminToken)
            .post(keys::revoke, describe::keys::revoke),
        Endpoint::new("/v1/keys/{id}/errors", AdminToken).get(keys::errors, describe::keys::errors),
        Endpoint::new("/v1/keys/{id}/usage", AdminToken).get(keys::usage, describe::keys::usage),
        Endpoint::new("/v1/audit", AdminToken).get(audit::list, describe::audit::list),
        // Probes.
        Endpoint::public("/healthz").get(probes::healthz, describe::probes::healthz),
        Endpoint::public("/readyz").get(probes::readyz, describe::probes::readyz),
        // Pages, and what they are made of.
        Endpoint::public("/docs").shows(docs::start),
        Endpoint::public("/docs/{section}").shows(docs::section),
        Endpoint::public("/openapi.json").shows(document::show),
        Endpoint::public("/static/{name}").shows(assets::serve),
        Endpoint::public("/favicon.ico").shows(assets::favicon),
        // The pages.
        Endpoint::public("/").shows(pages::start),
        Endpoint::page("/setup", Visitor).shows(setup::form).takes(setup::set_up),
        Endpoint::page("/login", Visitor).shows(login::form).takes(login::log_in),
        Endpoint::page("/logout", PageNeed::ANY_USER).takes(login::log_out),
        Endpoint::page("/keys", PageNeed::ANY_USER).shows(pages::keys::active),
        Endpoint::page("/keys/retired", PageNeed::ANY_USER).shows(pages::keys::retired),
        Endpoint::page("/keys/export", PageNeed::ANY_USER).shows(export::export),
        Endpoint::page("/keys/new", KEY_MAKERS).shows(new_key::show).takes(new_key::create),
        Endpoint::page("/keys/{id}", PageNeed::ANY_USER).shows(key::show),
        Endpoint::page("/keys/{id}/edit", KEY_MAKERS)
            .shows(changes::edit_form)
            .takes(changes::edit),
        Endpoint::page("/keys/{id}/revoke", KEY_MAKERS)
            .shows(changes::revoke_form)
            .takes(changes::revoke),
        Endpoint::page("/usage", PageNeed::ANY_USER).shows(pages::usage::show),
        Endpoint::page("/usage/export", PageNeed::ANY_USER).shows(pages::usage::export),
        Endpoint::page("/audit", PageNeed::ANY_USER).shows(pages::audit::show),
        Endpoint::page("/audit/export", PageNeed::ANY_USER).shows(pages::audit::export),
        Endpoint::page("/users", PageNeed::User(OVERSEERS)).shows(users::list),
        Endpoint::page("/users/new", ADMINISTRATORS).shows(users::form).takes(users::add),
        Endpoint::page("/users/{id}", ADMINISTRATORS).shows(user::show).takes(user::change),
        Endpoint::page("/users/{id}/link", ADMINISTRATORS).takes(user::make_link),
        Endpoint::page("/users/{id}/disable", ADMINISTRATORS)
            .shows(user::disable_form)
            .takes(user::disable),
        Endpoint::page("/users/{id}/enable", ADMINISTRATORS).takes(user::enable),
        Endpoint::page("/tokens", PageNeed::User(OVERSEERS)).shows(tokens::active),
        Endpoint::page("/tokens/retired", PageNeed::User(OVERSEERS)).shows(tokens::retired),
        Endpoint::page("/tokens/new", ADMINISTRATORS)
            .shows(new_token::show)
            .takes(new_token::create),
        Endpoint::page("/tokens/{id}/revoke", ADMINISTRATORS)
            .shows(tokens::revoke_form)
            .takes(tokens::revoke),
        Endpoint::page("/password", Visitor).shows(password::form).takes(password::set),
        Endpoint::page("/account", PageNeed::ANY_USER).shows(account::show),
        Endpoint::page("/account/password", PageNeed::ANY_USER).takes(account::change_password),
        Endpoint::page("/account/sessions/end-others", PageNeed::ANY_USER)
            .takes(account::end_other_sessions),
        Endpoint::page("/account/sessions/{id}/end", PageNeed::ANY_USER)
            .takes(account::end_session),
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
    mut endpoints: Vec<Endpoint>,
) {
    // The router tries one path after the other: programs ask more often than people, and a pattern
    // costs more than a plain path.
    endpoints.sort_by_key(|endpoint| (endpoint.need().is_none(), endpoint.path().contains('{')));
    for endpoint in endpoints {
        endpoint.serve(config, state);
    }
    for pattern in ["/v1", "/v1/{tail:.*}"] {
        let nothing = web::resource(pattern)
            .default_service(web::to(super::unknown_path))
            .wrap(Judge::of_unknown_path(state.clone()));
        serve_measured(config, nothing, state.measure(NO_ROUTE));
    }
}

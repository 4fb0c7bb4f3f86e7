//! The URL table: every path, what it needs and what answers it.

use actix_web::{HttpResponse, ResponseError, web};

use super::api::{analytics, audit, describe, document, keys, probes, records, this_key};
use super::assets;
use super::endpoint::{Endpoint, serve_measured};
use super::error::{Code, Problem};
use super::middleware::judge::Judge;
use super::middleware::measure::Measure;
use super::pages;
use super::pages::account::{login, password, setup};
use super::pages::keys::{changes, export, key, new_key};
use super::pages::parts::frame::ADMINS_AND_AUDITORS;
use super::pages::tokens::new_token;
use super::pages::users::user;
use super::pages::{account, docs, tokens, users};
use super::state::State;
use super::watch::requests::NO_ROUTE;
use crate::domain::users::signed_in::PageNeed;
use crate::domain::users::signed_in::PageNeed::Visitor;
use crate::gate::route::Need::{AdminToken, AnyKey, Scope};
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
        Endpoint::public("/docs").page(docs::start),
        Endpoint::public("/docs/{section}").page(docs::section),
        Endpoint::public("/openapi.json").page(document::show),
        Endpoint::public("/static/{name}").page(assets::serve),
        Endpoint::public("/favicon.ico").page(assets::favicon),
        // The pages.
        Endpoint::public("/").page(pages::start),
        Endpoint::browser("/setup", Visitor).page(setup::form).form(setup::set_up),
        Endpoint::browser("/login", Visitor).page(login::form).form(login::log_in),
        Endpoint::browser("/logout", PageNeed::ANY_USER).form(login::log_out),
        Endpoint::browser("/keys", PageNeed::ANY_USER).page(pages::keys::active),
        Endpoint::browser("/keys/retired", PageNeed::ANY_USER).page(pages::keys::retired),
        Endpoint::browser("/keys/export", PageNeed::ANY_USER).page(export::export),
        Endpoint::browser("/keys/new", KEY_MAKERS).page(new_key::show).form(new_key::create),
        Endpoint::browser("/keys/{id}", PageNeed::ANY_USER).page(key::show),
        Endpoint::browser("/keys/{id}/edit", KEY_MAKERS)
            .page(changes::edit_form)
            .form(changes::edit),
        Endpoint::browser("/keys/{id}/revoke", KEY_MAKERS)
            .page(changes::revoke_form)
            .form(changes::revoke),
        Endpoint::browser("/usage", PageNeed::ANY_USER).page(pages::usage::show),
        Endpoint::browser("/usage/export", PageNeed::ANY_USER).page(pages::usage::export),
        Endpoint::browser("/audit", PageNeed::ANY_USER).page(pages::audit::show),
        Endpoint::browser("/audit/export", PageNeed::ANY_USER).page(pages::audit::export),
        Endpoint::browser("/users", PageNeed::User(ADMINS_AND_AUDITORS)).page(users::list),
        Endpoint::browser("/users/new", ADMINISTRATORS).page(users::form).form(users::add),
        Endpoint::browser("/users/{id}", ADMINISTRATORS).page(user::show).form(user::change),
        Endpoint::browser("/users/{id}/link", ADMINISTRATORS).form(user::make_link),
        Endpoint::browser("/users/{id}/disable", ADMINISTRATORS)
            .page(user::disable_form)
            .form(user::disable),
        Endpoint::browser("/users/{id}/enable", ADMINISTRATORS).form(user::enable),
        Endpoint::browser("/tokens", PageNeed::User(ADMINS_AND_AUDITORS)).page(tokens::active),
        Endpoint::browser("/tokens/retired", PageNeed::User(ADMINS_AND_AUDITORS))
            .page(tokens::retired),
        Endpoint::browser("/tokens/new", ADMINISTRATORS)
            .page(new_token::show)
            .form(new_token::create),
        Endpoint::browser("/tokens/{id}/revoke", ADMINISTRATORS)
            .page(tokens::revoke_form)
            .form(tokens::revoke),
        Endpoint::browser("/password", Visitor).page(password::form).form(password::set),
        Endpoint::browser("/account", PageNeed::ANY_USER).page(account::show),
        Endpoint::browser("/account/password", PageNeed::ANY_USER).form(account::change_password),
        Endpoint::browser("/account/sessions/end-others", PageNeed::ANY_USER)
            .form(account::end_other_sessions),
        Endpoint::browser("/account/sessions/{id}/end", PageNeed::ANY_USER)
            .form(account::end_session),
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
            .default_service(web::to(unknown_path))
            .wrap(Judge::of_unknown_path(state.clone()));
        serve_measured(config, nothing, Measure::of(state, NO_ROUTE));
    }
}

/// Below `/v1` there are only programs.
pub(super) async fn unknown_path(state: web::Data<State>) -> HttpResponse {
    state.note_unknown_path();
    Problem::new(Code::NotFound, "There is nothing at this path.").error_response()
}

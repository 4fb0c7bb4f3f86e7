//! The URL table: every path of ours, what it needs and what answers it. The server puts the paths of
//! the protected API before them.

use actix_web::{HttpResponse, ResponseError, web};

use super::api::{audit, connections, describe, document, keys, leaks, probes, this_key};
use super::assets;
use super::authz;
use super::authz::family::Family;
use super::authz::{forward, verify};
use super::endpoint::{Endpoint, Guard, serve_measured};
use super::error::{Code, Problem};
use super::middleware::judge::Judge;
use super::middleware::measure::Measure;
use super::pages;
use super::pages::account::{login, password, setup};
use super::pages::connections::{connection, edit, new_connection, replace};
use super::pages::keys::{changes, export, key, narrow, new_key, revoke_many, rotate, search};
use super::pages::parts::frame::ADMINS_AND_AUDITORS;
use super::pages::tokens::new_token;
use super::pages::users::user;
use super::pages::{account, docs, notifications, tokens, users};
use super::state::State;
use super::via;
use super::via::door;
use super::watch::requests::NO_ROUTE;
use crate::domain::users::signed_in::PageNeed;
use crate::domain::users::signed_in::PageNeed::Visitor;
use crate::gate::route::Need::{AdminToken, AnyKey, Question};
use crate::model::user::Role;

/// The path of a ping, which the fast path answers where it can.
pub const PING: &str = "/v1/ping";

/// The users who may make and change keys.
const KEY_MAKERS: PageNeed = PageNeed::User(&[Role::Admin, Role::Member]);
/// The users who may change users and admin tokens.
const ADMINISTRATORS: PageNeed = PageNeed::User(&[Role::Admin]);

/// Every endpoint but those of the protected API. GET and HEAD need `read`, the other methods `write`.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        // What any key may ask about itself.
        Endpoint::new("/v1/whoami", AnyKey).get(this_key::whoami, describe::this_key::whoami),
        Endpoint::new(PING, AnyKey).get(this_key::ping, describe::this_key::ping),
        Endpoint::new("/v1/verify", Question).post(verify::verify, authz::describe::verify),
        Endpoint::new("/v1/admin/limits", AnyKey).get(this_key::limits, describe::this_key::limits),
        // Doors for proxies.
        Endpoint::door(Family::Nginx.pattern(), forward::nginx),
        Endpoint::door(Family::Forwarded.pattern(), forward::forwarded),
        Endpoint::door(Family::Envoy.pattern(), forward::envoy),
        // Vendors' APIs.
        Endpoint::door(via::PATTERN, door::via)
            .described_as("/via/{handle}/{path}", describe::connections::via),
        // Managing keys by program.
        Endpoint::new("/v1/keys", AdminToken)
            .get(keys::list, describe::keys::list)
            .post(keys::create, describe::keys::create),
        Endpoint::new("/v1/keys/find", AdminToken)
            .post(keys::find_by_secret, describe::keys::find_by_secret),
        Endpoint::new("/v1/keys/revoke", AdminToken)
            .post(keys::revoke_many, describe::keys::revoke_many),
        Endpoint::new("/v1/keys/{id}", AdminToken)
            .get(keys::find, describe::keys::find)
            .patch(keys::update, describe::keys::update),
        Endpoint::new("/v1/keys/{id}/revoke", AdminToken)
            .post(keys::revoke, describe::keys::revoke),
        Endpoint::new("/v1/keys/{id}/rotate", AdminToken)
            .post(keys::rotate, describe::keys::rotate),
        Endpoint::new("/v1/keys/{id}/errors", AdminToken).get(keys::errors, describe::keys::errors),
        Endpoint::new("/v1/keys/{id}/usage", AdminToken).get(keys::usage, describe::keys::usage),
        Endpoint::new("/v1/connections", AdminToken)
            .get(connections::list, describe::connections::list),
        Endpoint::new("/v1/connections/{id}", AdminToken)
            .get(connections::find, describe::connections::find),
        Endpoint::new("/v1/connections/{id}/test", AdminToken)
            .post(connections::test, describe::connections::test),
        Endpoint::public("/v1/leaks").post(leaks::report, describe::leaks::report),
        // GitHub alone can sign what this takes, so that it is no part of the API document.
        Endpoint::public("/v1/leaks/github").form(leaks::report_by_github),
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
        Endpoint::browser("/keys/search", PageNeed::ANY_USER)
            .page(search::again)
            .form(search::search),
        Endpoint::browser("/keys/new", KEY_MAKERS).page(new_key::show).form(new_key::create),
        Endpoint::browser("/keys/revoke", KEY_MAKERS)
            .page(revoke_many::ask)
            .form(revoke_many::revoke),
        Endpoint::browser("/keys/{id}", PageNeed::ANY_USER).page(key::show),
        Endpoint::browser("/keys/{id}/edit", KEY_MAKERS)
            .page(changes::edit_form)
            .form(changes::edit),
        Endpoint::browser("/keys/{id}/narrow", KEY_MAKERS).page(narrow::form).form(narrow::narrow),
        Endpoint::browser("/keys/{id}/rotate", KEY_MAKERS).page(rotate::form).form(rotate::rotate),
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
        Endpoint::browser("/connections", PageNeed::ANY_USER).page(pages::connections::list),
        Endpoint::browser("/connections/new", ADMINISTRATORS)
            .page(new_connection::form)
            .form(new_connection::add),
        Endpoint::browser("/connections/{id}", PageNeed::ANY_USER).page(connection::show),
        Endpoint::browser("/connections/{id}/test", ADMINISTRATORS).form(connection::test),
        Endpoint::browser("/connections/{id}/edit", ADMINISTRATORS)
            .page(edit::form)
            .form(edit::edit),
        Endpoint::browser("/connections/{id}/credential", ADMINISTRATORS)
            .page(replace::form)
            .form(replace::replace),
        Endpoint::browser("/connections/{id}/disable", ADMINISTRATORS).form(connection::disable),
        Endpoint::browser("/connections/{id}/enable", ADMINISTRATORS).form(connection::enable),
        Endpoint::browser("/connections/{id}/remove", ADMINISTRATORS)
            .page(connection::remove_form)
            .form(connection::remove),
        Endpoint::browser("/notifications", ADMINISTRATORS)
            .page(notifications::list)
            .form(notifications::test),
        Endpoint::browser("/password", Visitor).page(password::form).form(password::set),
        Endpoint::browser("/account", PageNeed::ANY_USER).page(account::show),
        Endpoint::browser("/account/password", PageNeed::ANY_USER).form(account::change_password),
        Endpoint::browser("/account/sessions/end-others", PageNeed::ANY_USER)
            .form(account::end_other_sessions),
        Endpoint::browser("/account/sessions/{id}/end", PageNeed::ANY_USER)
            .form(account::end_session),
    ]
}

/// Serves a table, and below `/v1` asks for a credential even where there is nothing.
pub(super) fn register(
    config: &mut web::ServiceConfig,
    state: &web::Data<State>,
    mut endpoints: Vec<Endpoint>,
) {
    // The router tries one path after the other: a pattern costs more than a plain path, what is
    // answered from memory is asked most often, and programs ask more often than people.
    endpoints.sort_by_key(|endpoint| match (endpoint.guard(), endpoint.path().contains('{')) {
        (Guard::Door, _) => 0,
        (Guard::Key(_), false) => 1,
        (Guard::Key(_), true) => 2,
        (Guard::Public | Guard::Page(_), false) => 3,
        (Guard::Public | Guard::Page(_), true) => 4,
    });
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

/// 404 below `/v1`, as JSON: only programs ask there.
pub(super) async fn unknown_path(state: web::Data<State>) -> HttpResponse {
    state.note_unknown_path();
    Problem::new(Code::NotFound, "There is nothing at this path.").error_response()
}

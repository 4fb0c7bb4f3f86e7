//! `/tokens`: admin tokens, by which programs manage keys.

pub mod new_token;
pub mod new_token_form;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::parts::form_error::{Field, FormErrors, validation_errors};
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::pager::{Pager, address, is_searchable, page_part, read_page};
use super::parts::text::{NAME, REASON, When, number, shortened};
use super::{page, see_other};
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id, PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::catalog::Catalog;
use crate::model::id::TokenId;
use crate::model::key::Revocation;
use crate::model::key_filter::{SOON, StatusFilter};
use crate::model::time::Moment;
use crate::model::token::{AdminToken, TokenFilter};
use crate::model::words::Word;
use new_token_form::Bounds;

const REASON_FIELDS: [Field; 1] = [("reason", "reason", "The reason")];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    manages: bool,
    /// Whether these are the retired tokens.
    retired_tab: bool,
    /// How many tokens are active.
    active: String,
    /// How many tokens are revoked or expired.
    retired: String,
    /// The list's own path.
    action: &'static str,
    /// Whether there is a field to search by.
    searchable: bool,
    filtered: bool,
    text: String,
    tokens: Vec<Line>,
    pager: Pager,
}

struct Line {
    id: String,
    name: String,
    display: String,
    bounds: Bounds,
    status: &'static str,
    expires: When,
    soon: bool,
    used: Option<When>,
    created: When,
    created_by: String,
    revoked: Option<Revoked>,
}

struct Revoked {
    at: When,
    by: String,
    reason: Option<String>,
}

impl Revoked {
    fn new(revocation: Revocation, now: Moment) -> Self {
        let Revocation { at, by, reason } = revocation;
        let reason = reason.map(|reason| shortened(reason, REASON));
        Self { at: When::ago(at, now), by: by.name, reason }
    }
}

impl Line {
    fn new(token: AdminToken, catalog: &Catalog, now: Moment) -> Self {
        Self {
            id: token.id.to_string(),
            status: token.status(now).as_str(),
            bounds: Bounds::of(&token, catalog),
            expires: When::relative(token.expires_at, now),
            soon: token.expires_at <= now + SOON,
            used: token.last_used_at.map(|at| When::ago(at, now)),
            created: When::ago(token.created_at, now),
            created_by: token.created_by.name,
            revoked: token.revocation.map(|revocation| Revoked::new(revocation, now)),
            name: shortened(token.name, NAME),
            display: token.display,
        }
    }
}

/// The list of tokens, as its address asks for it.
pub struct TokensQuery {
    text: Option<String>,
    page: usize,
}

impl ReadQuery for TokensQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self { text: query.text("q"), page: read_page(query) }
    }
}

/// `GET /tokens`
pub async fn active(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<TokensQuery>,
) -> Result<HttpResponse, Problem> {
    list(viewer, &state, query, StatusFilter::Active).await
}

/// `GET /tokens/retired`
pub async fn retired(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<TokensQuery>,
) -> Result<HttpResponse, Problem> {
    list(viewer, &state, query, StatusFilter::Retired).await
}

async fn list(
    viewer: Viewer,
    state: &State,
    query: TokensQuery,
    status: StatusFilter,
) -> Result<HttpResponse, Problem> {
    let TokensQuery { text, page: wanted } = query;
    let principal = viewer.principal.clone();
    let filter = TokenFilter { status: Some(status), text: text.clone() };
    let read = state.run(move |bitting| {
        let table = bitting.token_table(&principal, &filter, wanted)?;
        Ok((table, bitting.token_census(&principal)?, bitting.time.now()))
    });
    let (table, (active, retired), now) = read.await?;
    let retired_tab = status == StatusFilter::Retired;
    let action = if retired_tab { "/tokens/retired" } else { "/tokens" };
    let template = TokensPage {
        frame: viewer.frame(Section::Tokens),
        manages: viewer.principal.administers(),
        retired_tab,
        active: number(active),
        retired: number(retired),
        action,
        searchable: is_searchable(if retired_tab { retired } else { active }, text.is_some()),
        filtered: text.is_some(),
        pager: Pager::of(&table, "token", |page| {
            address(action, [("q", text.clone()), page_part(page)])
        }),
        tokens: table
            .rows
            .into_iter()
            .map(|token| Line::new(token, &viewer.catalog, now))
            .collect(),
        text: text.unwrap_or_default(),
    };
    page(StatusCode::OK, &template)
}

#[derive(Template)]
#[template(path = "token_revoke.html")]
struct RevokePage {
    frame: Frame,
    id: String,
    name: String,
    display: String,
    used: Option<When>,
    reason: String,
    errors: FormErrors,
}

/// `GET /tokens/{id}/revoke`
pub async fn revoke_form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<TokenId>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let reason = draft.or(|form| form.text("reason").to_owned(), String::new);
    revoke_page(StatusCode::OK, viewer, &state, id.0, reason, FormErrors::default()).await
}

async fn revoke_page(
    status: StatusCode,
    viewer: Viewer,
    state: &State,
    id: TokenId,
    reason: String,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found =
        state.run(move |bitting| Ok((bitting.find_token(&principal, id)?, bitting.time.now())));
    let (token, now) = found.await?;
    if token.revocation.is_some() {
        return Ok(see_other("/tokens"));
    }
    let template = RevokePage {
        frame: viewer.frame(Section::Tokens),
        id: id.to_string(),
        name: token.name,
        display: token.display,
        used: token.last_used_at.map(|at| When::ago(at, now)),
        reason,
        errors,
    };
    page(status, &template)
}

/// `POST /tokens/{id}/revoke`
pub async fn revoke(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<TokenId>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let reason = form.text("reason").to_owned();
    let (principal, given) = (viewer.principal.clone(), reason.clone());
    let revoked = state.run(move |bitting| {
        let given = Some(given.as_str()).filter(|given| !given.trim().is_empty());
        validation_errors(bitting.revoke_token(id.0, given, &principal).map(|_| ()))
    });
    match revoked.await? {
        Ok(()) => Ok(see_other("/tokens")),
        Err(errors) => {
            let errors = FormErrors::new(errors, &REASON_FIELDS);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            revoke_page(status, viewer, &state, id.0, reason, errors).await
        }
    }
}

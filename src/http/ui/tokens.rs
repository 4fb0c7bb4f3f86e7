//! `/tokens`: admin tokens, by which programs manage keys.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::expiry::{Life, finite_lives};
use super::fault::{Fault, Field, complaints, faults};
use super::frame::{Frame, Section, Viewer};
use super::new_token_form::{Bounds, FIELDS, Typed, accesses};
use super::permissions::Row;
use super::text::{When, day};
use super::{page, public_address, see_other};
use crate::domain::key_forms::FormOutcome;
use crate::domain::tokens::IssuedToken;
use crate::http::error::Problem;
use crate::http::extract::{Form, Id};
use crate::http::state::State;
use crate::model::id::TokenId;
use crate::model::key::{Revocation, Status};
use crate::model::random_secret::RandomSecret;
use crate::model::scope::ScopeSet;
use crate::model::time::Moment;
use crate::model::token::AdminToken;
use crate::model::words::Word;

const REASON_FIELDS: [Field; 1] = [("reason", "reason", "The reason")];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    manages: bool,
    active: Vec<Line>,
    retired: Vec<Line>,
}

struct Line {
    id: String,
    name: String,
    display: String,
    bounds: Bounds,
    status: &'static str,
    expires: When,
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
        Self { at: When::ago(at, now), by: by.name, reason }
    }
}

impl Line {
    fn new(token: AdminToken, now: Moment) -> Self {
        Self {
            id: token.id.to_string(),
            status: token.status(now).as_str(),
            bounds: Bounds::of(&token),
            expires: When::relative(token.expires_at, now),
            used: token.last_used_at.map(|at| When::ago(at, now)),
            created: When::ago(token.created_at, now),
            created_by: token.created_by.name,
            revoked: token.revocation.map(|revocation| Revoked::new(revocation, now)),
            name: token.name,
            display: token.display,
        }
    }
}

/// `GET /tokens`
pub async fn list(viewer: Viewer, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let read = state.run(move |bitting| Ok((bitting.list_tokens(&principal)?, bitting.time.now())));
    let (tokens, now) = read.await?;
    let (active, retired): (Vec<_>, Vec<_>) =
        tokens.into_iter().partition(|token| token.status(now) == Status::Active);
    let lines = |tokens: Vec<AdminToken>| -> Vec<Line> {
        tokens.into_iter().map(|token| Line::new(token, now)).collect()
    };
    let template = TokensPage {
        frame: viewer.frame(Section::Tokens),
        manages: viewer.principal.administers(),
        active: lines(active),
        retired: lines(retired),
    };
    page(StatusCode::OK, &template)
}

#[derive(Template)]
#[template(path = "token_new.html")]
struct NewTokenPage {
    frame: Frame,
    typed: Typed,
    accesses: [(&'static str, &'static str); 2],
    lives: Vec<Life>,
    today: String,
    rows: Vec<Row>,
    nonce: String,
    faults: Vec<Fault>,
}

impl NewTokenPage {
    fn fault(&self, id: &str) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.id == id)
    }
}

fn form(
    status: StatusCode,
    viewer: &Viewer,
    typed: Typed,
    faults: Vec<Fault>,
    (nonce, now): (RandomSecret, Moment),
) -> Result<HttpResponse, Problem> {
    let template = NewTokenPage {
        frame: viewer.frame(Section::Tokens),
        accesses: accesses(),
        lives: finite_lives(now),
        today: now.format("%Y-%m-%d").to_string(),
        rows: Row::list(ScopeSet::all(), typed.ticked()),
        nonce: nonce.expose(),
        faults,
        typed,
    };
    page(status, &template)
}

/// `GET /tokens/new`
pub async fn show(viewer: Viewer, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let read = state.run(|bitting| Ok((bitting.form_nonce()?, bitting.time.now())));
    form(StatusCode::OK, &viewer, Typed::nothing(), Vec::new(), read.await?)
}

/// What became of a form.
enum Sent {
    Made(Box<IssuedToken>),
    Known,
    Again(Box<Typed>, Vec<Fault>, (RandomSecret, Moment)),
}

/// `POST /tokens/new`: the answer shows the token, once.
pub async fn create(
    viewer: Viewer,
    state: web::Data<State>,
    request: HttpRequest,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let done = state.run(move |bitting| {
        let now = bitting.time.now();
        let nonce = match RandomSecret::parse(sent.text("nonce")) {
            Some(nonce) => nonce,
            None => bitting.form_nonce()?,
        };
        let typed = Typed::of(&sent);
        let new = match typed.token(now) {
            Ok(new) => new,
            Err(faults) => return Ok(Sent::Again(Box::new(typed), faults, (nonce, now))),
        };
        match complaints(bitting.issue_token_by_form(new, &principal, &nonce))? {
            Ok(FormOutcome::Made(made)) => Ok(Sent::Made(made)),
            Ok(FormOutcome::Known(_)) => Ok(Sent::Known),
            Err(errors) => Ok(Sent::Again(Box::new(typed), faults(errors, &FIELDS), (nonce, now))),
        }
    });
    match done.await? {
        Sent::Made(issued) => page(StatusCode::OK, &made(&viewer, &state, &request, &issued)),
        Sent::Known => Ok(see_other("/tokens")),
        Sent::Again(typed, faults, fresh) => {
            form(StatusCode::UNPROCESSABLE_ENTITY, &viewer, *typed, faults, fresh)
        }
    }
}

#[derive(Template)]
#[template(path = "token_made.html")]
struct TokenMadePage {
    frame: Frame,
    name: String,
    secret: String,
    bounds: Bounds,
    expires: String,
    sample: String,
}

fn made(
    viewer: &Viewer,
    state: &State,
    request: &HttpRequest,
    issued: &IssuedToken,
) -> TokenMadePage {
    let token = &issued.token;
    let address = public_address(request, state);
    TokenMadePage {
        frame: viewer.frame(Section::Tokens),
        name: token.name.clone(),
        secret: issued.secret.expose().to_owned(),
        bounds: Bounds::of(token),
        expires: day(token.expires_at),
        sample: format!(
            "read -rs TOKEN\ncurl -H \"Authorization: Bearer $TOKEN\" \\\n  {address}/v1/keys"
        ),
    }
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
    faults: Vec<Fault>,
}

/// `GET /tokens/{id}/revoke`
pub async fn revoke_form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<TokenId>,
) -> Result<HttpResponse, Problem> {
    revoke_page(StatusCode::OK, viewer, &state, id.0, String::new(), Vec::new()).await
}

async fn revoke_page(
    status: StatusCode,
    viewer: Viewer,
    state: &State,
    id: TokenId,
    reason: String,
    faults: Vec<Fault>,
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
        faults,
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
        complaints(bitting.revoke_token(id.0, given, &principal).map(|_| ()))
    });
    match revoked.await? {
        Ok(()) => Ok(see_other("/tokens")),
        Err(errors) => {
            let faults = faults(errors, &REASON_FIELDS);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            revoke_page(status, viewer, &state, id.0, reason, faults).await
        }
    }
}

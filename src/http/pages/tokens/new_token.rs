//! `/tokens/new`: making an admin token, which is shown once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::new_token_form::{Bounds, FIELDS, FormInput, accesses};
use crate::domain::keys::forms::FormOutcome;
use crate::domain::tokens::IssuedToken;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form};
use crate::http::pages::keys::permissions::Row;
use crate::http::pages::parts::expiry::{Life, finite_lives};
use crate::http::pages::parts::form_error::{FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::text::day;
use crate::http::pages::{page, public_address, see_other};
use crate::http::state::State;
use crate::model::random_secret::RandomSecret;
use crate::model::time::{Moment, last_day};

#[derive(Template)]
#[template(path = "token_new.html")]
struct NewTokenPage {
    frame: Frame,
    typed: FormInput,
    accesses: [(&'static str, &'static str); 2],
    lives: Vec<Life>,
    today: String,
    rows: Vec<Row>,
    nonce: String,
    errors: FormErrors,
}

fn form(
    status: StatusCode,
    viewer: &Viewer,
    typed: FormInput,
    errors: FormErrors,
    (nonce, now): (RandomSecret, Moment),
) -> Result<HttpResponse, Problem> {
    let catalog = &viewer.catalog;
    let template = NewTokenPage {
        frame: viewer.frame(Section::Tokens),
        accesses: accesses(),
        lives: finite_lives(now),
        today: now.format("%Y-%m-%d").to_string(),
        rows: Row::list(catalog, &catalog.scopes(), &typed.ticked(catalog)),
        nonce: nonce.expose(),
        errors,
        typed,
    };
    page(status, &template)
}

/// `GET /tokens/new`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let read = state.run(|bitting| Ok((bitting.form_nonce()?, bitting.time.now())));
    let typed = draft.or(FormInput::of, FormInput::nothing);
    form(StatusCode::OK, &viewer, typed, FormErrors::default(), read.await?)
}

/// The outcome of submitting the form.
enum Submission {
    Made(Box<IssuedToken>),
    Known,
    Again(Box<FormInput>, FormErrors, (RandomSecret, Moment)),
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
        let nonce = bitting.nonce_of_form(sent.text("nonce"))?;
        let typed = FormInput::of(&sent);
        let new = match typed.token(&bitting.catalog, now) {
            Ok(new) => new,
            Err(errors) => return Ok(Submission::Again(Box::new(typed), errors, (nonce, now))),
        };
        match validation_errors(bitting.issue_token_by_form(new, &principal, &nonce))? {
            Ok(FormOutcome::Made(made)) => Ok(Submission::Made(made)),
            Ok(FormOutcome::Known(_)) => Ok(Submission::Known),
            Err(errors) => {
                let errors = FormErrors::new(errors, &FIELDS);
                Ok(Submission::Again(Box::new(typed), errors, (nonce, now)))
            }
        }
    });
    match done.await? {
        Submission::Made(issued) => page(StatusCode::OK, &made(&viewer, &state, &request, &issued)),
        Submission::Known => Ok(see_other("/tokens")),
        Submission::Again(typed, errors, fresh) => {
            form(StatusCode::UNPROCESSABLE_ENTITY, &viewer, *typed, errors, fresh)
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
        bounds: Bounds::of(token, &viewer.catalog),
        expires: day(last_day(token.expires_at)),
        sample: format!(
            "read -rs TOKEN\ncurl -H \"Authorization: Bearer $TOKEN\" \\\n  {address}/v1/keys"
        ),
    }
}

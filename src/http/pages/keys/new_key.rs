//! `/keys/new`: the form of a new key, and the answer that shows it, once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::new_key_form::{FIELDS, FormInput};
use super::permissions::Row;
use crate::domain;
use crate::domain::keys::forms::FormOutcome;
use crate::domain::keys::keyring::IssuedKey;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, PageQuery, QueryReader, ReadQuery};
use crate::http::pages::parts::expiry::{Life, lives};
use crate::http::pages::parts::form_error::FormErrors;
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::users::grants::{promise, sentence};
use crate::http::pages::{page, public_address, see_other};
use crate::http::state::State;
use crate::model::catalog::{Catalog, Example};
use crate::model::id::{KeyId, PublicId};
use crate::model::key::ApiKey;
use crate::model::random_secret::RandomSecret;
use crate::model::schema;
use crate::model::scope::{Access, ScopeSet};
use crate::model::time::Moment;

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage {
    frame: Frame,
    typed: FormInput,
    lives: Vec<Life>,
    today: String,
    rows: Vec<Row>,
    limited: bool,
    sentence: String,
    nonce: String,
    errors: FormErrors,
    replaced: Option<Link>,
    twin: Option<Link>,
}

/// A key that is pointed to.
struct Link {
    id: String,
    name: String,
    display: String,
}

impl From<ApiKey> for Link {
    fn from(key: ApiKey) -> Self {
        Self { id: key.id.to_string(), name: key.label.name, display: key.display }
    }
}

/// The form as it is shown, with its errors.
struct FormView {
    typed: FormInput,
    errors: FormErrors,
    replaced: Option<ApiKey>,
    twin: Option<ApiKey>,
    nonce: String,
    sentence: String,
}

fn form(
    status: StatusCode,
    viewer: &Viewer,
    shown: FormView,
    now: Moment,
) -> Result<HttpResponse, Problem> {
    let catalog = &viewer.catalog;
    let may_grant = viewer.principal.may_grant(catalog);
    let FormView { typed, errors, replaced, twin, nonce, sentence } = shown;
    let template = NewKeyPage {
        frame: viewer.frame(Section::Keys),
        rows: Row::list(catalog, &may_grant, &typed.ticked(catalog)),
        limited: may_grant != catalog.scopes(),
        lives: lives(now),
        today: now.format("%Y-%m-%d").to_string(),
        sentence,
        nonce,
        errors,
        replaced: replaced.map(Link::from),
        twin: twin.map(Link::from),
        typed,
    };
    page(status, &template)
}

/// The key that the new one is to replace.
pub struct Replaces(Option<KeyId>);

impl ReadQuery for Replaces {
    fn read(query: &mut QueryReader) -> Self {
        Self(query.parsed(
            "replaces",
            || schema::id(KeyId::PREFIX),
            |text| text.parse().map_err(|invalid| format!("is {invalid}")),
        ))
    }
}

/// `GET /keys/new`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(Replaces(replaces)): PageQuery<Replaces>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let draft = draft.0.as_ref().map(FormInput::of);
    let replaces = draft.as_ref().map_or(replaces, |typed| typed.replaces);
    let read = state.run(move |bitting| {
        let replaced = replaces.map(|id| bitting.find_key(&principal, id)).transpose()?;
        Ok((replaced, bitting.form_nonce()?, bitting.time.now()))
    });
    let (replaced, nonce, now) = read.await?;
    let typed =
        draft.unwrap_or_else(|| replaced.as_ref().map_or_else(FormInput::nothing, FormInput::like));
    let shown = FormView {
        typed,
        errors: FormErrors::default(),
        replaced,
        twin: None,
        nonce: nonce.expose(),
        sentence: String::new(),
    };
    form(StatusCode::OK, &viewer, shown, now)
}

/// The outcome of submitting the form.
enum Submission {
    /// The form made its key now.
    Made(Box<IssuedKey>, Option<Box<ApiKey>>),
    /// The form made its key before.
    Known(KeyId),
    /// The form is to be shown again, with its errors.
    Again(StatusCode, Box<FormView>, Moment),
}

/// `POST /keys/new`
pub async fn create(
    viewer: Viewer,
    state: web::Data<State>,
    request: HttpRequest,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let done = state.run(move |bitting| {
        let now = bitting.time.now();
        let typed = FormInput::of(&sent);
        let known = RandomSecret::parse(sent.text("nonce"));
        let replaced = typed.replaces.map(|id| bitting.find_key(&principal, id)).transpose()?;
        let nonce = match known {
            Some(nonce) => nonce,
            None => bitting.form_nonce()?,
        };
        if let Some(id) = bitting.key_of_form(&nonce)? {
            return Ok(Submission::Known(id));
        }
        let again = |status, typed: FormInput, errors, replaced, twin| {
            let end = typed.end(now).unwrap_or_default();
            let sentence = promise(&typed.ticked(&bitting.catalog), end);
            let nonce = nonce.expose();
            let shown = FormView { typed, errors, replaced, twin, nonce, sentence };
            Submission::Again(status, Box::new(shown), now)
        };
        let new = match typed.key(&bitting.catalog, now) {
            Ok(new) => new,
            Err(errors) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return Ok(again(status, typed, errors, replaced, None));
            }
        };
        let twin = bitting.active_key_named(&principal, &new.label.name)?;
        if twin.is_some() && typed.same_name != new.label.name {
            // The same form, sent twice at once, may have made the twin meanwhile.
            if let Some(id) = bitting.key_of_form(&nonce)? {
                return Ok(Submission::Known(id));
            }
            return Ok(again(StatusCode::CONFLICT, typed, FormErrors::default(), replaced, twin));
        }
        match bitting.issue_key_by_form(new, &principal, &nonce) {
            Ok(FormOutcome::Made(made)) => Ok(Submission::Made(made, replaced.map(Box::new))),
            Ok(FormOutcome::Known(id)) => Ok(Submission::Known(id)),
            Err(domain::Error::Invalid(errors)) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Ok(again(status, typed, FormErrors::new(errors, &FIELDS), replaced, None))
            }
            Err(other) => Err(other),
        }
    });
    match done.await? {
        Submission::Made(issued, replaced) => {
            let template = made(&viewer, &state, &request, &issued, replaced.map(|key| *key));
            page(StatusCode::OK, &template)
        }
        Submission::Known(id) => Ok(see_other(&format!("/keys/{id}"))),
        Submission::Again(status, shown, now) => form(status, &viewer, *shown, now),
    }
}

#[derive(Template)]
#[template(path = "key_made.html")]
struct KeyMadePage {
    frame: Frame,
    id: String,
    name: String,
    secret: String,
    sentence: String,
    sample: String,
    scanner_pattern: String,
    replaced: Option<Link>,
}

fn made(
    viewer: &Viewer,
    state: &State,
    request: &HttpRequest,
    issued: &IssuedKey,
    replaced: Option<ApiKey>,
) -> KeyMadePage {
    let key = &issued.key;
    KeyMadePage {
        frame: viewer.frame(Section::Keys),
        id: key.id.to_string(),
        name: key.label.name.clone(),
        secret: issued.secret.expose().to_owned(),
        sentence: sentence(&key.scopes, key.expires_at),
        sample: sample(&public_address(request, state), &state.bitting.catalog, &key.scopes),
        scanner_pattern: state.bitting.brand.scanner_pattern(),
        replaced: replaced.map(Link::from),
    }
}

/// Commands that make a first request the key may make.
fn sample(address: &str, catalog: &Catalog, scopes: &ScopeSet) -> String {
    let ask = "read -rs KEY\n";
    let Some(scope) = scopes.iter().next() else { return String::new() };
    let Some(resource) = catalog.named(scope.resource.as_str()) else { return String::new() };
    let Example { path, body } = &resource.example;
    let authorized = "curl -H \"Authorization: Bearer $KEY\"";
    match body.as_ref().filter(|_| scope.access == Access::Write) {
        None => format!("{ask}{authorized} \\\n  {address}{path}"),
        Some(body) => format!(
            "{ask}{authorized} -X POST \\\n  -H 'Content-Type: application/json' \\\n  \
             -d '{body}' \\\n  {address}{path}"
        ),
    }
}

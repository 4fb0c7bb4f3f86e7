//! `/keys/{id}/edit` and `/keys/{id}/revoke`: what can be done to a key.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, json};

use super::key::consequence;
use super::limits_input::{LIMIT_FIELDS, LimitsInput};
use crate::domain;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id};
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyLabel, Status};

const SETTINGS_FIELDS: [Field; 6] = [
    ("name", "name", "The name"),
    ("owner", "owner", "The owner"),
    ("description", "description", "The description"),
    LIMIT_FIELDS[0],
    LIMIT_FIELDS[1],
    LIMIT_FIELDS[2],
];
const REASON_FIELDS: [Field; 1] = [("reason", "reason", "The reason")];

#[derive(Template)]
#[template(path = "key_edit.html")]
struct EditPage {
    frame: Frame,
    id: String,
    name: String,
    typed: Settings,
    errors: FormErrors,
}

/// What is typed into the form.
struct Settings {
    name: String,
    owner: String,
    description: String,
    limits: LimitsInput,
}

impl Settings {
    fn of_key(key: &ApiKey) -> Self {
        let KeyLabel { name, description, owner } = key.label.clone();
        let (owner, description) = (owner.unwrap_or_default(), description.unwrap_or_default());
        Self { name, owner, description, limits: LimitsInput::of_key(&key.limits) }
    }

    fn of_form(form: &Form) -> Self {
        let text = |name| form.text(name).replace("\r\n", "\n");
        Self {
            name: text("name"),
            owner: text("owner"),
            description: text("description"),
            limits: LimitsInput::of_form(form),
        }
    }

    /// The merge patch that makes these a key's settings: fields that are empty are removed.
    fn patch(&self) -> Map<String, serde_json::Value> {
        let fields =
            [("name", &self.name), ("owner", &self.owner), ("description", &self.description)];
        let given = |text: &String| (!text.trim().is_empty()).then(|| text.clone());
        let label = fields.map(|(field, text)| (field.to_owned(), json!(given(text))));
        label.into_iter().chain(self.limits.fields()).collect()
    }
}

impl EditPage {
    fn new(viewer: &Viewer, key: &ApiKey, typed: Settings, errors: FormErrors) -> Self {
        let (id, name) = (key.id.to_string(), key.label.name.clone());
        Self { frame: viewer.frame(Section::Keys), id, name, typed, errors }
    }
}

/// `GET /keys/{id}/edit`
pub async fn edit_form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&principal, id.0)?;
        match key.status(bitting.time.now()) {
            Status::Active => Ok(key),
            retired @ (Status::Revoked | Status::Expired) => Err(domain::Error::Retired(retired)),
        }
    });
    let key = found.await?;
    let typed = draft.or(Settings::of_form, || Settings::of_key(&key));
    page(StatusCode::OK, &EditPage::new(&viewer, &key, typed, FormErrors::default()))
}

/// `POST /keys/{id}/edit`
pub async fn edit(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let typed = Settings::of_form(&form);
    let (principal, patch) = (viewer.principal.clone(), typed.patch());
    let edited = state.run(move |bitting| {
        let edited = validation_errors(bitting.edit_key(id.0, patch, &principal))?;
        match edited {
            Ok(_) => Ok(None),
            Err(errors) => Ok(Some((bitting.find_key(&principal, id.0)?, errors))),
        }
    });
    match edited.await? {
        None => Ok(see_other(&format!("/keys/{}", id.0))),
        Some((key, errors)) => {
            let errors = FormErrors::new(errors, &SETTINGS_FIELDS);
            let template = EditPage::new(&viewer, &key, typed, errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &template)
        }
    }
}

#[derive(Template)]
#[template(path = "key_revoke.html")]
struct RevokePage {
    frame: Frame,
    id: String,
    name: String,
    display: String,
    consequence: String,
    reason: String,
    /// How many keys are in its line.
    line: usize,
    /// Whether all of them are to be revoked.
    whole: bool,
    errors: FormErrors,
}

/// What is typed into the form that revokes.
#[derive(Clone, Default)]
struct Ending {
    reason: String,
    whole: bool,
}

impl Ending {
    fn of_form(form: &Form) -> Self {
        let whole = form.text("lineage") == "true";
        Self { reason: form.text("reason").to_owned(), whole }
    }
}

/// `GET /keys/{id}/revoke`
pub async fn revoke_form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let typed = draft.or(Ending::of_form, Ending::default);
    revoke_page(StatusCode::OK, viewer, &state, id.0, typed, FormErrors::default()).await
}

async fn revoke_page(
    status: StatusCode,
    viewer: Viewer,
    state: &State,
    id: KeyId,
    typed: Ending,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&principal, id)?;
        let usage = bitting.usage_of_key(key.number)?;
        let consequence = consequence(&key, &usage, bitting.time.now());
        let line = bitting.line_of_key(&principal, &key)?.len();
        Ok((key, consequence, line))
    });
    let (key, consequence, line) = found.await?;
    if key.revocation.is_some() {
        return Ok(see_other(&format!("/keys/{id}")));
    }
    let template = RevokePage {
        frame: viewer.frame(Section::Keys),
        id: id.to_string(),
        name: key.label.name,
        display: key.display,
        consequence,
        reason: typed.reason,
        line,
        whole: typed.whole,
        errors,
    };
    page(status, &template)
}

/// `POST /keys/{id}/revoke`
pub async fn revoke(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let typed = Ending::of_form(&form);
    let (principal, given) = (viewer.principal.clone(), typed.clone());
    let revoked = state.run(move |bitting| {
        let reason = Some(given.reason.as_str()).filter(|reason| !reason.trim().is_empty());
        validation_errors(match given.whole {
            true => bitting.revoke_line(id.0, reason, &principal, None).map(drop),
            false => bitting.revoke_key(id.0, reason, &principal, None).map(drop),
        })
    });
    match revoked.await? {
        Ok(()) => Ok(see_other(&format!("/keys/{}", id.0))),
        Err(errors) => {
            let errors = FormErrors::new(errors, &REASON_FIELDS);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            revoke_page(status, viewer, &state, id.0, typed, errors).await
        }
    }
}

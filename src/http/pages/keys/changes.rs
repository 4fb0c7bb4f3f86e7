//! `/keys/{id}/edit` and `/keys/{id}/revoke`: what can be done to a key.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, json};

use super::key::consequence;
use super::limits_input::{LIMIT_FIELDS, LimitsInput};
use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id};
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::list_filters::fitting;
use crate::http::pages::parts::shown::Shown;
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyLabel};
use crate::model::user::User;

const SETTINGS_FIELDS: [Field; 7] = [
    ("name", "name", "The name"),
    ("owner", "owner", "The owner"),
    ("description", "description", "The description"),
    ("holder", "holder", "The holder"),
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
    shown: Shown,
    /// Whether the key may be left without a holder.
    clearable: bool,
    /// Users to choose from.
    holders: Vec<String>,
    errors: FormErrors,
}

/// What is typed into the form.
struct Settings {
    name: String,
    owner: String,
    description: String,
    holder: String,
    limits: LimitsInput,
}

impl Settings {
    fn of_key(key: &ApiKey) -> Self {
        let KeyLabel { name, description, owner } = key.label.clone();
        let (owner, description) = (owner.unwrap_or_default(), description.unwrap_or_default());
        let holder = key.holder.as_ref().map(|holder| holder.email.to_string());
        let limits = LimitsInput::of_key(&key.limits);
        Self { name, owner, description, holder: holder.unwrap_or_default(), limits }
    }

    fn of_form(form: &Form) -> Self {
        let text = |name| form.text(name).replace("\r\n", "\n");
        Self {
            name: text("name"),
            owner: text("owner"),
            description: text("description"),
            holder: text("holder"),
            limits: LimitsInput::of_form(form),
        }
    }

    /// The merge patch that makes these a key's settings: fields that are empty are removed.
    fn patch(&self) -> Map<String, serde_json::Value> {
        let fields = [
            ("name", &self.name),
            ("owner", &self.owner),
            ("description", &self.description),
            ("holder", &self.holder),
        ];
        let given = |text: &String| (!text.trim().is_empty()).then(|| text.clone());
        let label = fields.map(|(field, text)| (field.to_owned(), json!(given(text))));
        label.into_iter().chain(self.limits.fields()).collect()
    }
}

/// What the form is made of.
struct Editable {
    key: ApiKey,
    holders: Vec<User>,
}

impl Editable {
    fn read(bitting: &Bitting, principal: &Principal, id: KeyId) -> domain::Result<Self> {
        let key = bitting.find_active_key(principal, id)?;
        Ok(Self { key, holders: bitting.possible_holders(principal)? })
    }
}

impl EditPage {
    fn new(
        viewer: &Viewer,
        found: Editable,
        typed: Settings,
        shown: Shown,
        errors: FormErrors,
    ) -> Self {
        let holders = found.holders.iter().map(|user| user.email.to_string()).collect();
        Self {
            frame: viewer.frame(Section::Keys),
            id: found.key.id.to_string(),
            name: found.key.label.name,
            typed,
            shown,
            clearable: viewer.principal.restricted_to().is_none(),
            holders: fitting(holders),
            errors,
        }
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
    let found = state.run(move |bitting| Editable::read(bitting, &principal, id.0)).await?;
    let typed = draft.or(Settings::of_form, || Settings::of_key(&found.key));
    let shown = draft.or(Shown::of_form, || Shown::of(typed.patch()));
    page(StatusCode::OK, &EditPage::new(&viewer, found, typed, shown, FormErrors::default()))
}

/// `POST /keys/{id}/edit`
pub async fn edit(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let (typed, shown) = (Settings::of_form(&form), Shown::of_form(&form));
    let edit = shown.edit(typed.patch());
    let principal = viewer.principal.clone();
    let edited = state.run(move |bitting| {
        match validation_errors(bitting.edit_key(id.0, edit, &principal))? {
            Ok(key) => Ok(Ok(key)),
            Err(errors) => Ok(Err((Editable::read(bitting, &principal, id.0)?, errors))),
        }
    });
    match edited.await? {
        Ok(key) if viewer.principal.sees(&key) => Ok(see_other(&format!("/keys/{}", id.0))),
        Ok(_) => Ok(see_other("/keys")),
        Err((found, errors)) => {
            let errors = FormErrors::new(errors, &SETTINGS_FIELDS);
            let template = EditPage::new(&viewer, found, typed, shown, errors);
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

//! `/keys/new`: the form of a new key, and the answer that shows it, once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::made::made;
use super::new_key_form::{FIELDS, FormInput};
use super::permissions::Row;
use crate::domain::keys::forms::FormOutcome;
use crate::domain::keys::keyring::IssuedKey;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, PageQuery, QueryReader, ReadQuery};
use crate::http::pages::parts::expiry::{Life, lives_within, usual_life};
use crate::http::pages::parts::form_error::{FormErrors, Refused, refusals};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::users::grants::promise;
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::connections::Handle;
use crate::model::connections::handle::InvalidHandle;
use crate::model::id::KeyId;
use crate::model::key::ApiKey;
use crate::model::policy::Policy;
use crate::model::scope::{Access, ScopeSet};
use crate::model::time::Moment;

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage {
    frame: Frame,
    typed: FormInput,
    lives: Vec<Life>,
    /// The policy's rule about the expiry.
    expiry_rule: Option<String>,
    owner_required: bool,
    today: String,
    rows: Vec<Row>,
    presets: Vec<Handle>,
    limited: bool,
    sentence: String,
    nonce: String,
    errors: FormErrors,
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
    twin: Option<ApiKey>,
    nonce: String,
    sentence: String,
}

fn form(
    status: StatusCode,
    viewer: &Viewer,
    policy: &Policy,
    shown: FormView,
    now: Moment,
) -> Result<HttpResponse, Problem> {
    let catalog = &viewer.catalog;
    let may_grant = viewer.principal.may_grant(catalog);
    let FormView { typed, errors, twin, nonce, sentence } = shown;
    let template = NewKeyPage {
        frame: viewer.frame(Section::Keys),
        rows: Row::list(catalog, &may_grant, &typed.ticked(catalog)),
        presets: presets(&may_grant),
        limited: may_grant != catalog.scopes(),
        lives: lives_within(policy, now),
        expiry_rule: policy.about_expiry(),
        owner_required: policy.require_owner,
        today: now.format("%Y-%m-%d").to_string(),
        sentence,
        nonce,
        errors,
        twin: twin.map(Link::from),
        typed,
    };
    page(status, &template)
}

/// The connections at which something may be read by a key that is made here.
fn presets(may_grant: &ScopeSet) -> Vec<Handle> {
    let reads = may_grant.iter().filter(|scope| scope.access == Access::Read);
    let mut connections: Vec<Handle> = reads.filter_map(|scope| scope.connection.clone()).collect();
    connections.sort();
    connections.dedup();
    connections
}

/// What the form is filled in with.
pub struct Preset(Option<Handle>);

impl ReadQuery for Preset {
    fn read(query: &mut QueryReader) -> Self {
        Self(query.text_as("connection", |text| {
            text.parse().map_err(|why: InvalidHandle| why.to_string())
        }))
    }
}

/// `GET /keys/new`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    draft: Draft,
    PageQuery(Preset(connection)): PageQuery<Preset>,
) -> Result<HttpResponse, Problem> {
    let read = state.run(move |bitting| Ok((bitting.form_nonce()?, bitting.time.now())));
    let (nonce, now) = read.await?;
    let policy = &state.bitting.policy;
    let shown = FormView {
        typed: draft.or(FormInput::of, || match &connection {
            Some(connection) => {
                FormInput::reading(connection, &viewer.catalog, usual_life(30, policy, now))
            }
            None => FormInput::nothing(usual_life(90, policy, now)),
        }),
        errors: FormErrors::default(),
        twin: None,
        nonce: nonce.expose(),
        sentence: String::new(),
    };
    form(StatusCode::OK, &viewer, policy, shown, now)
}

/// The outcome of submitting the form.
enum Submission {
    /// The form made its key now.
    Made(Box<IssuedKey>),
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
        let nonce = bitting.nonce_of_form(sent.text("nonce"))?;
        if let Some(id) = bitting.key_of_form(&nonce)? {
            return Ok(Submission::Known(id));
        }
        let again = |status, typed: FormInput, errors, twin| {
            let end = typed.end.moment(now).unwrap_or_default();
            let sentence = promise(&typed.ticked(&bitting.catalog), end);
            let nonce = nonce.expose();
            let shown = FormView { typed, errors, twin, nonce, sentence };
            Submission::Again(status, Box::new(shown), now)
        };
        let new = match typed.key(&bitting.catalog, now) {
            Ok(new) => new,
            Err(errors) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return Ok(again(status, typed, errors, None));
            }
        };
        let twin = bitting.active_key_named(&principal, &new.label.name)?;
        if twin.is_some() && typed.same_name != new.label.name {
            // The same form, sent twice at once, may have made the twin meanwhile.
            if let Some(id) = bitting.key_of_form(&nonce)? {
                return Ok(Submission::Known(id));
            }
            return Ok(again(StatusCode::CONFLICT, typed, FormErrors::default(), twin));
        }
        match refusals(bitting.issue_key_by_form(new, &principal, &nonce), &FIELDS)? {
            Ok(FormOutcome::Made(made)) => Ok(Submission::Made(made)),
            Ok(FormOutcome::Known(id)) => Ok(Submission::Known(id)),
            Err(Refused { status, errors }) => Ok(again(status, typed, errors, None)),
        }
    });
    match done.await? {
        Submission::Made(issued) => {
            let IssuedKey { key, secret } = *issued;
            page(StatusCode::OK, &made(&viewer, &state, &request, &key, &secret, None))
        }
        Submission::Known(id) => Ok(see_other(&format!("/keys/{id}"))),
        Submission::Again(status, shown, now) => {
            form(status, &viewer, &state.bitting.policy, *shown, now)
        }
    }
}

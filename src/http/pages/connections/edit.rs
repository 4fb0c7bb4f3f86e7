//! `/connections/{handle}/edit`: what may be changed of a connection.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value, json};

use super::new_connection::lines;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id};
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::shown::Shown;
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::connections::{Connection, Handle, Kind};

const FIELDS: [Field; 7] = [
    ("name", "name", "The name"),
    ("description", "description", "The description"),
    ("account", "account", "The account"),
    ("limit", "limit", "The limit"),
    ("key_limit", "key_limit", "The limit of each key"),
    ("rules", "rules", "The rules"),
    ("test_path", "test_path", "The path it is tested with"),
];

/// The texts of the form, of which a kind may lack some.
const TEXTS: [&str; 6] = ["name", "description", "account", "limit", "key_limit", "test_path"];

#[derive(Template)]
#[template(path = "connection_edit.html")]
struct EditPage {
    frame: Frame,
    handle: String,
    name: String,
    /// Whether its kind has rules and a test of its own.
    has_rules: bool,
    /// Whether its paths name an account.
    has_account: bool,
    typed: Typed,
    shown: Shown,
    errors: FormErrors,
}

/// What is typed into the form, as the fields of a profile.
struct Typed(Map<String, Value>);

impl Typed {
    fn of_connection(connection: &Connection) -> Self {
        Self(json!(connection.profile).as_object().cloned().unwrap_or_default())
    }

    fn of_form(form: &Form) -> Self {
        let text = |name| {
            let text = form.text(name).replace("\r\n", "\n").trim().to_owned();
            if text.is_empty() { Value::Null } else { json!(text) }
        };
        let texts = TEXTS.map(|name| (name.to_owned(), text(name)));
        let ticked = ["standing", "recordings"]
            .map(|name| (name.to_owned(), json!(form.text(name) == "yes")));
        let rules: Vec<&str> = lines(form.text("rules")).collect();
        let rules = [("rules".to_owned(), json!(rules))];
        Self(texts.into_iter().chain(ticked).chain(rules).collect())
    }

    /// A field as the form has it.
    fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }

    fn is_ticked(&self, name: &str) -> bool {
        self.0.get(name) == Some(&json!(true))
    }
}

impl EditPage {
    fn new(
        viewer: &Viewer,
        found: Connection,
        typed: Typed,
        shown: Shown,
        errors: FormErrors,
    ) -> Self {
        Self {
            frame: viewer.frame(Section::Connections),
            handle: found.handle.to_string(),
            has_rules: found.kind.offered().is_none(),
            has_account: found.kind == Kind::CallRail,
            name: found.profile.name,
            typed,
            shown,
            errors,
        }
    }
}

/// `GET /connections/{handle}/edit`
pub async fn form(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| bitting.find_connection(&principal, &handle.0)).await?;
    let typed = draft.or(Typed::of_form, || Typed::of_connection(&found));
    let shown = draft.or(Shown::of_form, || Shown::of(typed.0.clone()));
    page(StatusCode::OK, &EditPage::new(&viewer, found, typed, shown, FormErrors::default()))
}

/// `POST /connections/{handle}/edit`
pub async fn edit(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let (typed, shown) = (Typed::of_form(&form), Shown::of_form(&form));
    let (principal, edit) = (viewer.principal.clone(), shown.edit(typed.0.clone()));
    let edited = state.run(move |bitting| {
        match validation_errors(bitting.edit_connection(&principal, &handle.0, edit))? {
            Ok(changed) => Ok(Ok(changed)),
            Err(errors) => Ok(Err((bitting.find_connection(&principal, &handle.0)?, errors))),
        }
    });
    match edited.await? {
        Ok(changed) => Ok(see_other(&format!("/connections/{}", changed.handle))),
        Err((found, errors)) => {
            let errors = FormErrors::new(errors, &FIELDS);
            let template = EditPage::new(&viewer, found, typed, shown, errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &template)
        }
    }
}

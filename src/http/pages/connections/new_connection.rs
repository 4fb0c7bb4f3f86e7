//! `/connections/new`: adding a connection. The answer to the form is the result of the test.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value, json};

use super::credential_form::{CredentialField, fields_of, read, refused};
use super::kind_words;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, PageQuery, QueryReader, ReadQuery};
use crate::http::pages::parts::form_error::{Field, FormErrors, Refused};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::connections::credential::FieldGroups;
use crate::model::connections::{Kind, NewConnection, VendorCredential};
use crate::model::words::Word;

const FIELDS: [Field; 8] = [
    ("name", "name", "The name"),
    ("handle", "handle", "The handle"),
    ("description", "description", "The description"),
    ("credential", "credential", "The credential"),
    ("base_url", "base_url", "The address"),
    ("auth", "auth", "What it is sent as"),
    ("rules", "rules", "The rules"),
    ("test_path", "test_path", "The path it is tested with"),
];

/// The kind that the address asks for.
pub struct KindQuery(Option<Kind>);

impl ReadQuery for KindQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self(query.choice("kind"))
    }
}

#[derive(Template)]
#[template(path = "connection_new.html")]
struct NewConnectionPage {
    frame: Frame,
    /// The kinds to choose from: word and name.
    kinds: Vec<(&'static str, &'static str)>,
    form: Option<KindForm>,
    errors: FormErrors,
}

/// The form for one kind, as it is filled in.
struct KindForm {
    kind: &'static str,
    kind_words: &'static str,
    /// Where the vendor serves its API; none where the form asks for that, for rules and for a test.
    origin: Option<&'static str>,
    fields: Vec<CredentialField>,
    name: String,
    handle: String,
    description: String,
    base_url: String,
    auth: String,
    rules: String,
    test_path: String,
    untested: bool,
}

impl KindForm {
    fn empty(kind: Kind) -> Self {
        Self {
            kind: kind.as_str(),
            kind_words: kind_words(kind),
            origin: kind.origin(),
            fields: fields_of(&kind.credential_fields(None)),
            name: kind_words(kind).to_owned(),
            handle: kind.as_str().to_owned(),
            description: String::new(),
            base_url: String::new(),
            auth: String::new(),
            rules: String::new(),
            test_path: String::new(),
            untested: false,
        }
    }

    fn of(kind: Kind, form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            name: text("name"),
            handle: text("handle"),
            description: text("description"),
            base_url: text("base_url"),
            auth: text("auth"),
            rules: text("rules"),
            test_path: text("test_path"),
            untested: form.text("untested") == "yes",
            fields: fields_of(&fields_asked(kind, form)),
            ..Self::empty(kind)
        }
    }
}

/// The fields of a credential that is sent as the form says, or in any of the usual ways.
fn fields_asked(kind: Kind, form: &Form) -> FieldGroups {
    kind.credential_fields(form.text("auth").trim().parse().ok().as_ref())
}

fn show(
    status: StatusCode,
    viewer: &Viewer,
    form: Option<KindForm>,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let kinds = Kind::ALL.iter().map(|kind| (kind.as_str(), kind_words(*kind))).collect();
    let frame = viewer.frame(Section::Connections);
    page(status, &NewConnectionPage { frame, kinds, form, errors })
}

/// `GET /connections/new`
pub async fn form(
    viewer: Viewer,
    PageQuery(query): PageQuery<KindQuery>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let typed = draft.0.as_ref().and_then(|form| Some((Kind::parse(form.text("kind"))?, form)));
    let form = match typed {
        Some((kind, form)) => Some(KindForm::of(kind, form)),
        None => query.0.map(KindForm::empty),
    };
    show(StatusCode::OK, &viewer, form, FormErrors::default())
}

/// `POST /connections/new`
pub async fn add(
    viewer: Viewer,
    state: web::Data<State>,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let Some(kind) = Kind::parse(sent.text("kind")) else {
        return show(StatusCode::UNPROCESSABLE_ENTITY, &viewer, None, FormErrors::default());
    };
    let (principal, form) = (viewer.principal.clone(), KindForm::of(kind, &sent));
    let untested = form.untested;
    let added = state.run_with_vendor(move |bitting| match read_all(kind, &sent) {
        Ok((new, credential)) => {
            refused(bitting.add_connection(&principal, new, &credential, untested), &FIELDS)
        }
        Err(errors) => Ok(Err(Refused::invalid(errors, &FIELDS))),
    });
    match added.await? {
        Ok(added) => Ok(see_other(&format!("/connections/{}", added.connection.handle))),
        Err(Refused { status, errors }) => show(status, &viewer, Some(form), errors),
    }
}

/// What the form says, or everything that is wrong with it.
fn read_all(kind: Kind, form: &Form) -> Result<(NewConnection, VendorCredential), FieldErrors> {
    let mut object: Map<String, Value> = Map::new();
    object.insert("kind".to_owned(), json!(kind));
    for name in ["handle", "name", "description", "base_url", "auth", "test_path"] {
        let text = form.text(name).trim();
        if !text.is_empty() {
            object.insert(name.to_owned(), json!(text));
        }
    }
    let rules: Vec<&str> = lines(form.text("rules")).collect();
    if !rules.is_empty() {
        object.insert("rules".to_owned(), json!(rules));
    }
    let credential = read(&fields_asked(kind, form), form);
    let new = NewConnection::from_object(&object);
    match (new, credential) {
        (Ok(new), Ok(credential)) => Ok((new, credential)),
        (Ok(_), Err(errors)) | (Err(errors), Ok(_)) => Err(errors),
        (Err(mut errors), Err(more)) => {
            more.into_iter().for_each(|error| errors.add(&error.field, error.message));
            Err(errors)
        }
    }
}

/// The lines of a text that say something.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

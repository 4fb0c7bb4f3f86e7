//! `/connections/{handle}/credential`: entering another credential, which is tested first.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::credential_form::{CredentialField, fields_of, read, refused};
use super::kind_words;
use crate::http::error::Problem;
use crate::http::extract::{Form, Id};
use crate::http::pages::parts::form_error::{Field, FormErrors, Refused};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::connections::Handle;

const FIELDS: [Field; 2] = [
    ("credential", "credential", "The credential"),
    ("test_path", "credential", "The path it is tested with"),
];

#[derive(Template)]
#[template(path = "connection_credential.html")]
struct CredentialPage {
    frame: Frame,
    handle: String,
    kind_words: &'static str,
    fields: Vec<CredentialField>,
    untested: bool,
    errors: FormErrors,
}

/// `GET /connections/{handle}/credential`
pub async fn form(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    let nothing = Refused { status: StatusCode::OK, errors: FormErrors::default() };
    show(&viewer, &state, handle.0, false, nothing).await
}

async fn show(
    viewer: &Viewer,
    state: &State,
    handle: Handle,
    untested: bool,
    refused: Refused,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| bitting.find_connection(&principal, &handle)).await?;
    let template = CredentialPage {
        frame: viewer.frame(Section::Connections),
        handle: found.handle.to_string(),
        kind_words: kind_words(found.kind),
        fields: fields_of(&found.credential_fields()),
        untested,
        errors: refused.errors,
    };
    page(refused.status, &template)
}

/// `POST /connections/{handle}/credential`
pub async fn replace(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let (principal, at) = (viewer.principal.clone(), handle.0.clone());
    let untested = sent.text("untested") == "yes";
    let set = state.run_with_vendor(move |bitting| {
        let present = bitting.find_connection(&principal, &handle.0)?;
        match read(&present.credential_fields(), &sent) {
            Ok(credential) => {
                let set =
                    bitting.set_connection_credential(&principal, &handle.0, &credential, untested);
                refused(set, &FIELDS)
            }
            Err(errors) => Ok(Err(Refused::invalid(errors, &FIELDS))),
        }
    });
    match set.await? {
        Ok(_) => Ok(see_other(&format!("/connections/{at}"))),
        Err(refused) => show(&viewer, &state, at, untested, refused).await,
    }
}

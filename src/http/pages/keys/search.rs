//! `/keys/search`: the search of the lists. It is sent as a form, so that a key that is pasted into it
//! stands in no address: that is found by itself, and any other text is looked for on the list.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use form_urlencoded::Serializer;

use crate::domain;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, QueryReader};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::id::KeyId;
use crate::model::key_filter::StatusFilter;
use crate::model::words::Word;

#[derive(Template)]
#[template(path = "key_not_found.html")]
struct NotFoundPage {
    frame: Frame,
    why: &'static str,
}

/// What was searched for.
enum Searched {
    Key(KeyId),
    /// A key that is not here, and why it may not be.
    UnknownKey(&'static str),
    Text,
}

/// `POST /keys/search`
pub async fn search(
    viewer: Viewer,
    state: web::Data<State>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    // Whichever field it was pasted into: it must not get into the list's address.
    let mut typed = form.typed().map(|(_, text)| text);
    let key = typed.find(|text| state.bitting.holds_secret(text));
    let text = key.unwrap_or(form.text("q")).trim().to_owned();
    let principal = viewer.principal.clone();
    let searched = state.run(move |bitting| match bitting.find_key_in(&principal, &text) {
        Ok(key) => Ok(Searched::Key(key.id)),
        Err(domain::Error::NotFound) if bitting.holds_secret(&text) => {
            Ok(Searched::UnknownKey(bitting.why_not_found(&text)))
        }
        Err(domain::Error::NotFound) => Ok(Searched::Text),
        Err(other) => Err(other),
    });
    match searched.await? {
        Searched::Key(id) => Ok(see_other(&format!("/keys/{id}"))),
        Searched::UnknownKey(why) => {
            let template = NotFoundPage { frame: viewer.frame(Section::Keys), why };
            page(StatusCode::NOT_FOUND, &template)
        }
        Searched::Text => Ok(see_other(&list_of(&form))),
    }
}

/// `GET /keys/search`: what was searched for before somebody had to sign in again.
pub async fn again(
    viewer: Viewer,
    state: web::Data<State>,
    query: QueryReader,
    Draft(kept): Draft,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    search(viewer, state, kept.unwrap_or_default()).await
}

/// The address of the list that the form asks for.
fn list_of(form: &Form) -> String {
    let retired = form.text("status") == StatusFilter::Retired.as_str();
    let path = if retired { "/keys/retired" } else { "/keys" };
    let filters = form.typed().filter(|(name, _)| *name != "status");
    let query = Serializer::new(String::new()).extend_pairs(filters).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

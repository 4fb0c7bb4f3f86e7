//! Pages, for people with a browser. They are HTML and work without scripts.

pub mod account;
pub mod audit;
pub mod connections;
pub mod docs;
pub mod keys;
pub mod notifications;
pub mod parts;
pub mod tokens;
pub mod usage;
pub mod users;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;

use super::error::Problem;
use super::state::State;
use crate::model::secret::mask;
use parts::frame::{Frame, Section, Viewer};

/// What a page may load and do: only what comes from this server, and nothing inline.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// A page as a response.
///
/// # Errors
/// When the template cannot be rendered.
pub fn page(status: StatusCode, template: &impl Template) -> Result<HttpResponse, Problem> {
    let text = template.render().map_err(Problem::internal)?;
    Ok(HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(text))
}

/// The address people reach the server at, to be put into a command.
fn public_address(request: &HttpRequest, state: &State) -> String {
    state.settings.address(request).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned())
}

/// `GET /`: the first page is the one of keys.
pub async fn start() -> HttpResponse {
    see_other("/keys")
}

/// Redirects to another page of this site.
fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "problem_in_frame.html")]
struct ProblemInFrame<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

/// A refusal or fault as a page, with the navigation for who is known to be signed in. What it
/// quotes of the request may be a secret: that is masked.
pub(super) fn problem_page(problem: &Problem, request: &HttpRequest, request_id: &str) -> Vec<u8> {
    let (title, detail) = (problem.title(), problem.detail());
    let text = match Viewer::from_request(request, &mut Payload::None).into_inner() {
        Ok(viewer) => {
            let frame = viewer.frame(Section::Elsewhere);
            ProblemInFrame { frame, title, detail, request_id }.render()
        }
        Err(_) => ProblemPage { title, detail, request_id }.render(),
    };
    mask(&text.unwrap_or_else(|_| title.to_owned())).into_owned().into_bytes()
}

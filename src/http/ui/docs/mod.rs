//! The pages of the API document: a quick start, a page for each section, and one of errors. They
//! are read from the document itself, so that nothing is written twice.

mod fields;
mod operation;
mod prose;
mod reference;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;

use super::{page, public_address};
use crate::http::error::{Code, Problem};
use crate::http::middleware::page::AsPage;
use crate::http::openapi;
use crate::http::state::State;
use operation::Needs;
use prose::Span;
pub use reference::Reference;
use reference::Section;

/// Where the errors are, among the sections.
const ERRORS: &str = "errors";

#[derive(Template)]
#[template(path = "docs.html")]
struct Start<'a> {
    reference: &'a Reference,
    here: &'a str,
    url: String,
    prefix: String,
    problem: String,
    scanner_pattern: String,
}

#[derive(Template)]
#[template(path = "docs_section.html")]
struct SectionPage<'a> {
    reference: &'a Reference,
    here: &'a str,
    section: &'a Section,
    url: String,
}

#[derive(Template)]
#[template(path = "docs_errors.html")]
struct Errors<'a> {
    reference: &'a Reference,
    here: &'a str,
}

/// `GET /docs`
pub async fn start(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let brand = &state.bitting.brand;
    page(
        StatusCode::OK,
        &Start {
            reference: state.reference(),
            here: "",
            url: public_address(&request, &state),
            prefix: format!("{brand}k"),
            problem: openapi::example_of(Code::InsufficientScope),
            scanner_pattern: brand.scanner_pattern(),
        },
    )
}

/// `GET /docs/{section}`
pub async fn section(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    request.extensions_mut().insert(AsPage);
    let reference = state.reference();
    let here = request.match_info().get("section").unwrap_or_default();
    if here == ERRORS {
        return page(StatusCode::OK, &Errors { reference, here });
    }
    let Some(section) = reference.section(here) else {
        return Err(Problem::new(Code::NotFound, "There is nothing at this path."));
    };
    let url = public_address(&request, &state);
    page(StatusCode::OK, &SectionPage { reference, here, section, url })
}

//! The page of the API document: a quick start, and the viewer below it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{page, public_address};
use crate::http::error::{Code, Problem};
use crate::http::openapi;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    url: String,
    prefix: String,
    problem: String,
    scanner_pattern: String,
}

/// `GET /docs`
pub async fn show(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let brand = &state.bitting.brand;
    page(
        StatusCode::OK,
        &Docs {
            url: public_address(&request, &state),
            prefix: format!("{brand}k"),
            problem: openapi::example_of(Code::InsufficientScope),
            scanner_pattern: brand.scanner_pattern(),
        },
    )
}

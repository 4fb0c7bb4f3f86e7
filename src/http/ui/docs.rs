//! The page of the API document: a quick start, and the viewer below it.

use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::page;
use crate::http::error::{Code, Problem};
use crate::http::openapi;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    version: &'static str,
    url: String,
    prefix: String,
    problem: String,
    scanner_pattern: String,
}

/// `GET /docs`
pub async fn show(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let public = state.settings.public_url.clone();
    let brand = &state.bitting.brand;
    page(
        StatusCode::OK,
        &Docs {
            version: env!("CARGO_PKG_VERSION"),
            url: public.unwrap_or_else(|| address(&request)),
            prefix: format!("{brand}k"),
            problem: openapi::example_of(Code::InsufficientScope),
            scanner_pattern: brand.scanner_pattern(),
        },
    )
}

/// Where this request came to, if that can be put into a command as it is.
fn address(request: &HttpRequest) -> String {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    let host = if host.bytes().all(plain) && !host.is_empty() { host } else { "127.0.0.1:8080" };
    format!("http://{host}")
}

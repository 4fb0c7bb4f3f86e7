//! Pages for people, rendered here from templates.

pub mod docs;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;

use super::error::Problem;

/// What a page may load and do: only what comes from this server, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; \
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

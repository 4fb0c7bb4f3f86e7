//! Pages, for people with a browser. They are HTML and work without scripts.

pub mod home;
pub mod login;
pub mod setup;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use askama::Template;

use super::error::Problem;
use crate::model::secret::mask;

/// A page as an answer.
fn page(status: StatusCode, template: &impl Template) -> Result<HttpResponse, Problem> {
    let body = template.render().map_err(Problem::internal)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body))
}

/// To another page of ours.
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

/// A refusal or fault as a page. What it quotes of the request may be a secret: that is masked.
pub(super) fn problem_page(problem: &Problem, request_id: &str) -> Vec<u8> {
    let page = ProblemPage { title: problem.title(), detail: problem.detail(), request_id };
    let text = page.render().unwrap_or_else(|_| problem.title().to_owned());
    mask(&text).into_owned().into_bytes()
}

//! What is answered while there is no database yet: the process lives and can do nothing.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use super::api::probes;
use super::error::{Code, Problem};
use super::{assets, pages, prefers_html};

/// The two probes, what the page that says so looks like, and 503 for everything else.
pub fn answers(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(probes::healthz))
        .route("/healthz", web::head().to(probes::healthz))
        .route("/readyz", web::to(readyz))
        .route("/static/{name}", web::get().to(assets::serve))
        .default_service(web::to(anything_else));
}

/// 503 for everything: each path there is the upstream's.
pub fn answers_of_gateway(config: &mut web::ServiceConfig) {
    config.default_service(web::to(anything_else));
}

async fn readyz() -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({"status": "database out of reach"}))
}

async fn anything_else(request: HttpRequest) -> HttpResponse {
    let detail = "The server has been started and waits for its database. Try again.";
    let problem = Problem::new(Code::Unavailable, detail);
    let id = Uuid::now_v7().simple().to_string();
    let (media_type, body) = match prefers_html(&request) {
        true => ("text/html; charset=utf-8", pages::problem_page(&problem, &request, &id)),
        false => ("application/problem+json", problem.body(&id)),
    };
    HttpResponse::ServiceUnavailable()
        .content_type(media_type)
        .insert_header((RETRY_AFTER, problem.retry_after().unwrap_or_default()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, pages::POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("X-Request-Id", id.as_str()))
        .body(body)
}

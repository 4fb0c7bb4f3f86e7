//! What is answered while there is no database yet: the process lives and can do nothing.

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use super::api::probes;
use super::error::{Code, Problem};

/// The two probes, and 503 for everything else.
pub fn answers(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(probes::healthz))
        .route("/healthz", web::head().to(probes::healthz))
        .route("/readyz", web::to(readyz))
        .default_service(web::to(anything_else));
}

/// 503 for everything: each path there is the upstream's.
pub fn answers_of_gateway(config: &mut web::ServiceConfig) {
    config.default_service(web::to(anything_else));
}

async fn readyz() -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({"status": "database out of reach"}))
}

async fn anything_else() -> HttpResponse {
    let detail = "The server has been started and waits for its database. Try again.";
    let problem = Problem::new(Code::Unavailable, detail);
    let id = Uuid::now_v7().simple().to_string();
    HttpResponse::ServiceUnavailable()
        .content_type("application/problem+json")
        .insert_header((RETRY_AFTER, problem.retry_after().unwrap_or_default()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Request-Id", id.as_str()))
        .body(problem.body(&id))
}

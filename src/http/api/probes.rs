//! Probes for whoever runs the server: is the process alive, is the database in reach.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::state::State;

/// The process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// What is known of keys is recent enough to decide by, and the database is where it was.
pub async fn readyz(state: web::Data<State>) -> HttpResponse {
    let bitting = &state.bitting;
    if bitting.feed.is_ready(bitting.time.uptime()) {
        HttpResponse::Ok().json(json!({"status": "ready"}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "database out of reach"}))
    }
}

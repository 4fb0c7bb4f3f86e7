//! Probes for whoever runs the server: is the process alive, is the database in reach.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::state::State;

/// `GET /healthz`: the process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// `GET /readyz`: the index is recent enough to decide by, the database is where it was, and usage
/// can be written.
pub async fn readyz(state: web::Data<State>) -> HttpResponse {
    let bitting = &state.bitting;
    let unready = |status| HttpResponse::ServiceUnavailable().json(json!({"status": status}));
    if !bitting.is_ready() {
        unready("database out of reach")
    } else if !bitting.flushes.are_taken() {
        unready("database cannot be written")
    } else {
        HttpResponse::Ok().json(json!({"status": "ready"}))
    }
}

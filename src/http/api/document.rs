//! The API document over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::state::State;

/// `GET /openapi.json`: the API document, which depends on no credential and changes only with the
/// program.
pub async fn show(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    state.document().answer(&request)
}

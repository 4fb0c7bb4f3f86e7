//! The API document over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::state::State;

/// The document; it depends on no credential, and changes only with the program.
pub async fn show(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    state.document().answer(&request)
}

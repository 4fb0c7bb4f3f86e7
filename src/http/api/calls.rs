//! Calls over HTTP: their filters.

use actix_web::{HttpResponse, web};

use super::records;
use crate::auth::caller::KeyCaller;
use crate::http::error::Problem;
use crate::http::extract::QueryReader;
use crate::http::state::State;
use crate::model::records::call::{Call, CallFilter};

/// Lists calls.
pub async fn list(
    _caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = |query: &mut QueryReader| CallFilter {
        agent_id: query.text("agent_id"),
        direction: query.choice("direction"),
        status: query.choice("status"),
        from: query.moment("from"),
        to: query.moment("to"),
    };
    records::list::<Call>(state, query, filter).await
}

//! The audit log over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};

use super::listing;
use super::origin::Manager;
use crate::http::error::Problem;
use crate::http::extract::QueryReader;
use crate::http::state::State;
use crate::model::audit::AuditFilter;

/// Reads the parameters that choose among events.
pub fn read_filter(query: &mut QueryReader) -> AuditFilter {
    AuditFilter {
        action: query.choice("action"),
        key_id: read_key(query),
        from: query.moment("from"),
        to: query.moment("to"),
        ..AuditFilter::default()
    }
}

/// Reads the parameter that chooses one key.
pub fn read_key(query: &mut QueryReader) -> Option<String> {
    query.key_id("key_id").map(|id| id.to_string())
}

/// `GET /v1/audit`
pub async fn list(
    manager: Manager,
    state: web::Data<State>,
    request: HttpRequest,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = read_filter(&mut query);
    let wanted = query.page();
    query.finish()?;
    let page = state
        .run(move |bitting| bitting.list_audit(&manager.principal(bitting)?, &filter, &wanted));
    Ok(listing::answer(&request, &page.await?))
}

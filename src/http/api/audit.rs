//! The audit log over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};

use super::listing;
use super::origin::Manager;
use crate::http::error::Problem;
use crate::http::extract::QueryReader;
use crate::http::state::State;
use crate::model::audit::AuditFilter;
use crate::model::id::KeyId;

/// Lists events.
pub async fn list(
    _manager: Manager,
    state: web::Data<State>,
    request: HttpRequest,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = AuditFilter {
        action: query.choice("action"),
        key_id: query.parsed("key_id", |text| {
            let id = text.parse::<KeyId>().map_err(|_| "must be a key's id".to_owned())?;
            Ok(id.to_string())
        }),
        from: query.moment("from"),
        to: query.moment("to"),
    };
    let wanted = query.page();
    query.finish()?;
    let page = state.run(move |bitting| bitting.list_audit(&filter, &wanted)).await?;
    Ok(listing::answer(&request, &page))
}

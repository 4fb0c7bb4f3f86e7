//! What happened, in numbers.

use actix_web::{HttpResponse, web};

use crate::gate::caller::KeyCaller;
use crate::http::error::Problem;
use crate::http::extract::QueryReader;
use crate::http::state::State;
use crate::http::turns::Effort;
use crate::model::usage::KeySelection;
use crate::records::domain::analytics::overview as overview_of;
use crate::records::model::analytics::{Period, PeriodFilter};

/// Reads the parameters that choose a period.
pub fn read_period(query: &mut QueryReader) -> PeriodFilter {
    PeriodFilter { from: query.moment("from"), to: query.moment("to") }
}

/// `GET /v1/analytics/overview`
pub async fn overview(
    caller: KeyCaller,
    state: web::Data<State>,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let PeriodFilter { from, to } = read_period(&mut query);
    query.finish()?;
    let found = state.run_for(&caller, Effort::Search, move |bitting| {
        overview_of(bitting, Period::between(from, to, bitting.time.now())?)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// `GET /v1/analytics/usage`: the requests of all keys by outcome, resource, access and time, in
/// which this request is not counted yet.
pub async fn usage(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state
        .run_for(&caller, Effort::Search, |bitting| bitting.usage_breakdown(KeySelection::All));
    Ok(HttpResponse::Ok().json(found.await?))
}

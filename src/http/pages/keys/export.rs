//! `/keys/export`: the filtered list as CSV, for spreadsheets.

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;

use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::http::error::Problem;
use crate::http::extract::PageQuery;
use crate::http::pages::parts::csv::answer;
use crate::http::pages::parts::frame::Viewer;
use crate::http::pages::parts::list::{ListQuery, default_order};
use crate::http::state::State;
use crate::model::exported_key::{ExportedKey, columns_without_digest};
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::key_filter::StatusFilter;
use crate::model::spreadsheet::text;

/// How many keys are read at once: an export of a hundred thousand must not lie in memory.
const KEYS_AT_ONCE: usize = 200;

/// `GET /keys/export`
pub async fn export(
    request: HttpRequest,
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let retired = query.filter.status == Some(StatusFilter::Retired);
    let order = query.order.unwrap_or(default_order(retired));
    let (principal, reading) = (viewer.principal.clone(), state.clone());
    let rows = async move {
        let asking = principal.clone();
        let numbers =
            reading.run(move |bitting| bitting.numbers_of_keys(&asking, &query.filter, order));
        let parts: Vec<Vec<KeyNumber>> =
            numbers.await?.chunks(KEYS_AT_ONCE).map(<[_]>::to_vec).collect();
        Ok(stream::unfold(parts.into_iter(), move |mut parts| {
            let (state, principal) = (reading.clone(), principal.clone());
            async move {
                let part = parts.next()?;
                let text = state.run(move |bitting| rows_of(bitting, &principal, &part)).await;
                Some((text, parts))
            }
        }))
    };
    answer(&request, &state, viewer.principal, "keys.csv", columns_without_digest(), rows).await
}

/// The rows of some keys, without those that have been handed to somebody else since they were found.
fn rows_of(
    bitting: &Bitting,
    principal: &Principal,
    numbers: &[KeyNumber],
) -> domain::Result<String> {
    let now = bitting.time.now();
    let mut usage = bitting.usage_of(numbers)?;
    let keys = bitting.keys_by_number(numbers)?;
    let cells = |key: ApiKey| {
        let usage = usage.remove(&key.number).unwrap_or_default();
        ExportedKey::new(&key, &usage, now, &bitting.catalog).cells()
    };
    Ok(text(keys.into_iter().filter(|key| principal.sees(key)).map(cells)))
}

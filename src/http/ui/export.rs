//! `/keys/export`: the filtered list as CSV, for spreadsheets.

use actix_web::{HttpResponse, web};
use futures_util::stream;

use super::csv::{answer, line};
use super::frame::Viewer;
use super::list::{ListQuery, default_sort};
use crate::domain::{self, Bitting};
use crate::http::error::Problem;
use crate::http::extract::PageQuery;
use crate::http::state::State;
use crate::model::key::{ApiKey, KeyNumber, StatusFilter};
use crate::model::time::{Moment, format};
use crate::model::usage::Usage;
use crate::model::words::Word;

/// How many keys are read at once: an export of a hundred thousand must not lie in memory.
const KEYS_AT_ONCE: usize = 200;

const COLUMNS: [&str; 18] = [
    "id",
    "name",
    "description",
    "owner",
    "scopes",
    "status",
    "display",
    "created_at",
    "created_by",
    "expires_at",
    "revoked_at",
    "revoked_by",
    "revoke_reason",
    "last_used_at",
    "lifetime_total",
    "24h",
    "7d",
    "30d",
];

/// `GET /keys/export`
pub async fn export(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let retired = query.filter.keys.status == Some(StatusFilter::Retired);
    let sort = query.sort.unwrap_or(default_sort(retired));
    let principal = viewer.principal.clone();
    let numbers =
        state.run(move |bitting| bitting.numbers_of_keys(&principal, &query.filter, sort));
    let parts: Vec<Vec<KeyNumber>> =
        numbers.await?.chunks(KEYS_AT_ONCE).map(<[_]>::to_vec).collect();
    let reading = state.clone();
    let rows = stream::unfold(parts.into_iter(), move |mut parts| {
        let state = reading.clone();
        async move {
            let part = parts.next()?;
            let text = state.run(move |bitting| rows_of(bitting, &part)).await;
            Some((text, parts))
        }
    });
    Ok(answer(&state, viewer.principal, "keys.csv", &COLUMNS, rows))
}

fn rows_of(bitting: &Bitting, numbers: &[KeyNumber]) -> domain::Result<String> {
    let now = bitting.time.now();
    let mut usage = bitting.usage_of(numbers)?;
    let keys = bitting.keys_by_number(numbers)?;
    let row = |key: ApiKey| {
        let usage = usage.remove(&key.number).unwrap_or_default();
        line(cells(key, &usage, now))
    };
    Ok(keys.into_iter().map(row).collect())
}

fn cells(key: ApiKey, usage: &Usage, now: Moment) -> [String; 18] {
    let time = |at: Option<Moment>| at.map(format).unwrap_or_default();
    let status = key.status(now).as_str().to_owned();
    let (revoked_at, revoked_by, reason) = match key.revocation {
        Some(revocation) => (Some(revocation.at), revocation.by.name, revocation.reason),
        None => (None, String::new(), None),
    };
    [
        key.id.to_string(),
        key.label.name,
        key.label.description.unwrap_or_default(),
        key.label.owner.unwrap_or_default(),
        key.scopes.to_string(),
        status,
        key.display,
        format(key.created_at),
        key.created_by.name,
        time(key.expires_at),
        time(revoked_at),
        revoked_by,
        reason.unwrap_or_default(),
        time(usage.last_used_at()),
        usage.lifetime.total().to_string(),
        usage.windows.day.total().to_string(),
        usage.windows.week.total().to_string(),
        usage.windows.month.total().to_string(),
    ]
}

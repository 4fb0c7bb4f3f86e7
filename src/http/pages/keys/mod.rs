//! `/keys` and `/keys/retired`: the lists people work in.

pub mod changes;
pub mod export;
pub mod key;
mod limits_input;
mod line;
mod made;
pub mod narrow;
pub mod new_key;
mod new_key_form;
pub mod permissions;
pub mod revoke_many;
pub mod rotate;
pub mod search;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::Duration;

use super::page;
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::list::{List, ListQuery, default_order};
use super::parts::text::{NAME, OWNER, REASON, When, number, shortened};
use super::usage::chart::Sparkline;
use super::users::grants::Grant;
use crate::domain::keys::listing::KeyRow;
use crate::http::error::Problem;
use crate::http::extract::PageQuery;
use crate::http::state::State;
use crate::model::catalog::Catalog;
use crate::model::key_filter::{KeyFilter, SOON, StatusFilter};
use crate::model::time::Moment;
use crate::model::usage::Outcome;
use crate::model::words::Word;

/// How long a key may be unused before it is pointed out.
const IDLE: Duration = Duration::days(90);

#[derive(Template)]
#[template(path = "keys.html")]
struct ActiveKeys {
    frame: Frame,
    list: List,
    rows: Vec<ActiveRow>,
}

struct ActiveRow {
    id: String,
    name: String,
    display: String,
    owner: Option<String>,
    holder: Option<String>,
    leaked: bool,
    grants: Vec<Grant>,
    expires: Option<When>,
    soon: bool,
    used: Option<When>,
    /// Whether the key is old enough that never having been used deserves a remark.
    stale: bool,
    idle: Option<String>,
    day: String,
    week: String,
    month: String,
    spark: Sparkline,
}

impl ActiveRow {
    fn new(row: KeyRow, now: Moment, catalog: &Catalog) -> Self {
        let KeyRow { key, usage, days } = row;
        let used = usage.last_used_at();
        let idle = used.map(|at| now - at).filter(|idle| *idle >= IDLE);
        Self {
            id: key.id.to_string(),
            leaked: key.leaked_at.is_some(),
            grants: Grant::list(&key.scopes, catalog),
            expires: key.expires_at.map(|end| When::relative(end, now)),
            soon: key.expires_at.is_some_and(|end| end <= now + SOON),
            used: used.map(|at| When::ago(at, now)),
            stale: now - key.created_at >= Duration::days(1),
            idle: idle.map(|idle| format!("unused for {} days", number(idle.num_days()))),
            day: number(usage.windows.day.total()),
            week: number(usage.windows.week.total()),
            month: number(usage.windows.month.total()),
            spark: Sparkline::new(&days),
            name: shortened(key.label.name, NAME),
            display: key.display,
            owner: key.label.owner.map(|owner| shortened(owner, OWNER)),
            holder: key.holder.map(|holder| shortened(holder.to_string(), OWNER)),
        }
    }
}

#[derive(Template)]
#[template(path = "keys_retired.html")]
struct RetiredKeys {
    frame: Frame,
    list: List,
    rows: Vec<RetiredRow>,
}

struct RetiredRow {
    id: String,
    name: String,
    display: String,
    owner: Option<String>,
    holder: Option<String>,
    grants: Vec<Grant>,
    status: &'static str,
    ended_by: Option<String>,
    reason: Option<String>,
    ended: When,
    created: When,
    used: Option<When>,
    lifetime: String,
    attempts: String,
}

impl RetiredRow {
    fn new(row: KeyRow, now: Moment, catalog: &Catalog) -> Self {
        let KeyRow { key, usage, .. } = row;
        let status = key.status(now).as_str();
        let (ended, ended_by, reason) = match key.revocation {
            Some(revocation) => (Some(revocation.at), Some(revocation.by.name), revocation.reason),
            None => (key.expires_at, None, None),
        };
        Self {
            id: key.id.to_string(),
            grants: Grant::list(&key.scopes, catalog),
            status,
            ended_by,
            reason: reason.map(|reason| shortened(reason, REASON)),
            ended: When::ago(ended.unwrap_or(now), now),
            created: When::ago(key.created_at, now),
            used: usage.last_used_at().map(|at| When::ago(at, now)),
            lifetime: number(usage.lifetime.total()),
            attempts: number(usage.lifetime.of(Outcome::Retired)),
            name: shortened(key.label.name, NAME),
            display: key.display,
            owner: key.label.owner.map(|owner| shortened(owner, OWNER)),
            holder: key.holder.map(|holder| shortened(holder.to_string(), OWNER)),
        }
    }
}

/// `GET /keys`
pub async fn active(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let (frame, list, rows, now) = load(&viewer, &state, query, StatusFilter::Active).await?;
    let rows = rows.into_iter().map(|row| ActiveRow::new(row, now, &viewer.catalog)).collect();
    page(StatusCode::OK, &ActiveKeys { frame, list, rows })
}

/// `GET /keys/retired`
pub async fn retired(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let (frame, list, rows, now) = load(&viewer, &state, query, StatusFilter::Retired).await?;
    let rows = rows.into_iter().map(|row| RetiredRow::new(row, now, &viewer.catalog)).collect();
    page(StatusCode::OK, &RetiredKeys { frame, list, rows })
}

async fn load(
    viewer: &Viewer,
    state: &State,
    mut query: ListQuery,
    status: StatusFilter,
) -> Result<(Frame, List, Vec<KeyRow>, Moment), Problem> {
    let principal = &viewer.principal;
    let retired = status == StatusFilter::Retired;
    let other = if retired { StatusFilter::Active } else { StatusFilter::Retired };
    query.filter.status = Some(status);
    let order = query.order.unwrap_or(default_order(retired));
    let (filter, number) = (query.filter.clone(), query.page);
    let found = state.run({
        let principal = principal.clone();
        move |bitting| {
            let table = bitting.key_table(&principal, &filter, order, number)?;
            let census = bitting.key_counts(&principal)?;
            let elsewhere = match table.place.total {
                0 => {
                    let there = KeyFilter { status: Some(other), ..filter };
                    bitting.count_keys(&principal, &there)?
                }
                _ => 0,
            };
            Ok((table, census, elsewhere, bitting.time.now()))
        }
    });
    let (table, census, elsewhere, now) = found.await?;
    let list = List::new(&query, &viewer.catalog, &table, census, elsewhere, principal);
    Ok((viewer.frame(Section::Keys), list, table.rows, now))
}

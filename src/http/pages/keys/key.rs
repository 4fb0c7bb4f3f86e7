//! `/keys/{id}`: everything there is to know of one key.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::line::{Line, sources_in_words};
use crate::http::error::Problem;
use crate::http::extract::{Id, PageQuery};
use crate::http::pages::audit::events::{Event, Names};
use crate::http::pages::page;
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::text::{AGENT, When, counted, day, exact, number, shortened};
use crate::http::pages::usage::chart::Chart;
use crate::http::pages::usage::figures::{Sum, Tab, Window, asked};
use crate::http::pages::users::grants::Grant;
use crate::http::state::State;
use crate::model::audit::{AuditEvent, AuditFilter};
use crate::model::breakdown::Breakdown;
use crate::model::catalog::{Catalog, OTHER};
use crate::model::connections::Handle;
use crate::model::failed_request::FailedRequest;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, Status};
use crate::model::key_filter::SOON;
use crate::model::limits::KeyLimits;
use crate::model::page::PageRequest;
use crate::model::scope::Access;
use crate::model::time::{Moment, last_day};
use crate::model::usage::{KeySelection, Outcome, PerWindow, Source, Tally, Usage};
use crate::model::words::Word;

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    frame: Frame,
    key: Facts,
    manages: bool,
    ended: Option<End>,
    leaked: Option<When>,
    remark: Option<String>,
    consequence: String,
    /// Connections that it reaches, and whose vendors do not accept their credentials.
    rejected: Vec<Handle>,
    line: Line,
    /// How much the key itself is used, and from where.
    in_use: String,
    sums: Vec<Sum>,
    tabs: Vec<Tab>,
    chart: Chart,
    granted_used: String,
    unused_scopes: bool,
    scopes: Vec<ScopeLine>,
    sources: Vec<SourceLine>,
    errors: Vec<ErrorLine>,
    events: Vec<Event>,
}

struct Facts {
    id: String,
    name: String,
    display: String,
    owner: Option<String>,
    holder: Option<String>,
    description: Option<String>,
    status: &'static str,
    grants: Vec<Grant>,
    expires: Option<When>,
    expires_day: String,
    expires_exact: String,
    soon: bool,
    limits: Vec<Limit>,
    used: Option<When>,
    lifetime: String,
    created: When,
    created_by: String,
    was_rotated: bool,
}

impl Facts {
    fn new(key: ApiKey, usage: &Usage, now: Moment, catalog: &Catalog) -> Self {
        let active = key.status(now) == Status::Active;
        Self {
            id: key.id.to_string(),
            status: key.status(now).as_str(),
            grants: Grant::list(&key.scopes, catalog),
            expires: key.expires_at.map(|end| When::relative(end, now)),
            expires_day: key.expires_at.map(|end| day(last_day(end))).unwrap_or_default(),
            expires_exact: key.expires_at.map(exact).unwrap_or_default(),
            soon: active && key.expires_at.is_some_and(|end| end <= now + SOON),
            limits: Limit::list(&key.limits),
            used: usage.last_used_at().map(|at| When::ago(at, now)),
            lifetime: number(usage.lifetime.total()),
            was_rotated: key.replaced_by.is_some(),
            created: When::ago(key.created_at, now),
            created_by: key.created_by.name,
            name: key.label.name,
            display: key.display,
            owner: key.label.owner,
            holder: key.holder.map(|holder| holder.to_string()),
            description: key.label.description,
        }
    }
}

/// A limit in words.
struct Limit {
    name: &'static str,
    words: String,
}

impl Limit {
    fn list(limits: &KeyLimits) -> Vec<Self> {
        let rate = limits.rate_limit.map(|limit| Self {
            name: "Rate limit",
            words: format!("{} a{}", requests(limit.requests), per(limit.per.as_str())),
        });
        let quota = limits.quota.map(|quota| Self {
            name: "Quota",
            words: format!("{} a{} (UTC)", requests(quota.requests), per(quota.per.as_str())),
        });
        let networks = limits.allowed_networks.as_ref();
        let networks =
            networks.map(|networks| Self { name: "Allowed from", words: networks.to_string() });
        [rate, quota, networks].into_iter().flatten().collect()
    }
}

fn requests(n: u32) -> String {
    counted(n.into(), "request")
}

/// `n hour`, ` minute`: what follows an `a`.
fn per(period: &str) -> String {
    let n = if period.starts_with('h') { "n" } else { "" };
    format!("{n} {period}")
}

/// How a retired key ended.
struct End {
    how: &'static str,
    at: When,
    by: Option<String>,
    reason: Option<String>,
    attempts: String,
    attempts_words: String,
}

impl End {
    fn of(key: &ApiKey, usage: &Usage, now: Moment) -> Option<Self> {
        let attempts = usage.lifetime.of(Outcome::Retired);
        let (how, at, by, reason) = match (&key.revocation, key.status(now)) {
            (_, Status::Active) => return None,
            (Some(end), _) => ("Revoked", end.at, Some(end.by.name.clone()), end.reason.clone()),
            (None, _) => ("Expired", key.expires_at?, None, None),
        };
        let verb = if attempts == 1 { "attempt was made" } else { "attempts were made" };
        Some(Self {
            how,
            at: When::ago(at, now),
            by,
            reason,
            attempts: number(attempts),
            attempts_words: format!("{} {verb}", number(attempts)),
        })
    }
}

/// A resource and an access: what was granted of it, and what was asked.
struct ScopeLine {
    resource: String,
    access: &'static str,
    remark: &'static str,
    totals: [String; 3],
}

/// Requests that the key had the right to make.
pub(super) fn granted_requests(tally: &Tally) -> i64 {
    tally.total() - tally.of(Outcome::Forbidden) - tally.of(Outcome::Retired)
}

/// The lines of the table, and how many of the granted scopes were used in 30 days.
fn scope_lines(
    key: &ApiKey,
    catalog: &Catalog,
    windows: &PerWindow<Breakdown>,
) -> (Vec<ScopeLine>, usize) {
    let (mut lines, mut used) = (Vec::new(), 0);
    for name in catalog.names() {
        let there = catalog.has(name);
        for access in Access::ALL {
            let tallies = [&windows.day, &windows.week, &windows.month]
                .map(|window| asked(window, name, access));
            let granted = key
                .scopes
                .iter()
                .any(|scope| (scope.counted_as().as_str(), scope.access) == (name, access));
            let is_used = granted_requests(&tallies[2]) > 0;
            if !granted && tallies[2].total() == 0 {
                continue;
            }
            let remark = match (there, granted, is_used) {
                (true, true, false) => "granted, not used",
                (true, false, _) => "not granted",
                (false, true, _) => "granted, but no longer a resource",
                (true, true, true) | (false, false, _) => "",
            };
            used += usize::from(granted && is_used);
            let totals = tallies.map(|tally| number(tally.total()));
            let resource = if name == OTHER { "no resource" } else { name }.to_owned();
            lines.push(ScopeLine { resource, access: access.as_str(), remark, totals });
        }
    }
    (lines, used)
}

struct SourceLine {
    address: String,
    agent: Option<String>,
    at: When,
}

/// A request that was refused or failed.
struct ErrorLine {
    at: When,
    what: String,
    status: u16,
    code: String,
    address: Option<String>,
}

impl ErrorLine {
    fn new(failed: FailedRequest, now: Moment) -> Self {
        let route = failed.route.as_deref().unwrap_or("(no such path)");
        Self {
            at: When::ago(failed.at, now),
            what: format!("{} {route}", failed.method),
            status: failed.status,
            code: failed.code,
            address: failed.address,
        }
    }
}

/// Everything that is read for the page.
struct Found {
    key: ApiKey,
    rejected: Vec<Handle>,
    usage: Usage,
    windows: PerWindow<Breakdown>,
    sources: Vec<Source>,
    errors: Vec<FailedRequest>,
    line: Line,
    events: Vec<AuditEvent>,
    names: Names,
    now: Moment,
}

/// `GET /keys/{id}`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    PageQuery(window): PageQuery<Window>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&principal, id.0)?;
        let filter = AuditFilter { key_id: Some(key.id.to_string()), ..AuditFilter::default() };
        let events = bitting.list_audit(&principal, &filter, &PageRequest::default())?.items;
        let now = bitting.time.now();
        Ok(Found {
            line: Line::of(bitting, &principal, &key, now)?,
            rejected: bitting.rejected_connections(&key.scopes),
            names: bitting.names_in(&principal, &events)?,
            usage: bitting.usage_of_key(key.number)?,
            windows: bitting.usage_breakdown(KeySelection::Only(&[key.number]))?,
            sources: bitting.addresses_of_key(key.number)?,
            errors: bitting.errors_of_key(key.number)?,
            events,
            now,
            key,
        })
    });
    page(StatusCode::OK, &key_page(&viewer, found.await?, window))
}

fn key_page(viewer: &Viewer, found: Found, window: Window) -> KeyPage {
    let Found { key, rejected, usage, windows, sources, errors, line, events, names, now } = found;
    let (scopes, used) = scope_lines(&key, &viewer.catalog, &windows);
    let granted = key.scopes.iter().count();
    let source = |source: Source| SourceLine {
        address: source.address,
        agent: source.user_agent.map(|agent| shortened(agent, AGENT)),
        at: When::ago(source.at, now),
    };
    KeyPage {
        frame: viewer.frame(Section::Keys),
        manages: viewer.principal.manages_keys(),
        ended: End::of(&key, &usage, now),
        leaked: key.leaked_at.map(|at| When::ago(at, now)),
        remark: remark(&key, &usage, now),
        consequence: consequence(&key, &usage, now),
        rejected,
        line,
        in_use: sources_in_words(&usage, &sources),
        sums: Sum::of_all(&windows),
        tabs: Tab::of_all(&format!("/keys/{}", key.id), "", window),
        chart: window.chart(&windows),
        granted_used: format!("granted {granted}, used {used} in 30 days"),
        unused_scopes: used < granted,
        scopes,
        sources: sources.into_iter().map(source).collect(),
        errors: errors.into_iter().map(|failed| ErrorLine::new(failed, now)).collect(),
        events: events.into_iter().map(|event| Event::new(event, &names, now)).collect(),
        key: Facts::new(key, &usage, now, &viewer.catalog),
    }
}

/// A remark about an active key that deserves a second look.
fn remark(key: &ApiKey, usage: &Usage, now: Moment) -> Option<String> {
    if key.status(now) != Status::Active || key.replaced_by.is_some() {
        return None;
    }
    let soon = key.expires_at.filter(|end| *end <= now + SOON).map(|end| {
        let when = When::relative(end, now).words;
        format!("This key expires {when}. Rotate it before then, so that nothing stops working.")
    });
    let idle = usage.last_used_at().map(|at| (now - at).num_days()).filter(|days| *days >= 90);
    soon.or(idle.map(|days| {
        format!(
            "This key has not been used for {}. If nothing needs it any longer, revoke it.",
            counted(days, "day")
        )
    }))
}

/// What revoking a key does, in words.
pub(in crate::http::pages) fn consequence(key: &ApiKey, usage: &Usage, now: Moment) -> String {
    // Attempts after its end are no use of it.
    let recent = match key.status(now) {
        Status::Active => usage.windows.day.total(),
        Status::Expired | Status::Revoked => 0,
    };
    let last = usage.last_used_at().map(|at| When::ago(at, now).words);
    let in_use = match (last, recent) {
        (None, _) => "It has never been used.".to_owned(),
        (Some(last), 0) => format!("It was last used {last}."),
        (Some(last), n) => format!(
            "It is in use: {} in the last 24 hours, the last {last}.",
            counted(n, "request")
        ),
    };
    let effect = match key.status(now) {
        Status::Active => {
            "Whoever uses this key is refused at once, and for good: a revoked key cannot be brought back."
        }
        Status::Expired | Status::Revoked => {
            "The key has expired and is refused already. Revoking it records that it was ended on purpose."
        }
    };
    format!("{effect} {in_use}")
}

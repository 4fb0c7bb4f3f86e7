//! `/connections/{handle}`: one connection, and what an administrator does about it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::{StatePill, kind_words};
use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::http::error::{Code, Problem};
use crate::http::extract::Id;
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::text::{NAME, When, shortened};
use crate::http::pages::usage::figures::Sum;
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::connections::{Connection, ConnectionState, Handle, Kind};
use crate::model::limits::RateLimit;

/// The most keys that are named; all are counted.
const MOST_NAMED: usize = 50;

#[derive(Template)]
#[template(path = "connection.html")]
struct ConnectionPage {
    frame: Frame,
    manages: bool,
    shown: Shown,
    /// The requests over it, as far as the reader may know of them.
    sums: Vec<Sum>,
}

/// A connection as pages show it.
struct Shown {
    handle: String,
    name: String,
    description: Option<String>,
    kind: &'static str,
    origin: String,
    form: String,
    ends_with: Option<String>,
    account: Option<String>,
    /// Whether its credential may see several.
    has_accounts: bool,
    limits: Vec<String>,
    offers: Vec<&'static str>,
    /// The rules, where its kind has no table; the path it is tested with.
    rules: Option<Vec<String>>,
    test_path: Option<String>,
    state: StatePill,
    disabled: bool,
    locked: bool,
    has_test: bool,
    /// What is wrong with it, in a sentence.
    fault: Option<String>,
    tested: Option<(When, String, i64)>,
    created: When,
    created_by: String,
    keys: Vec<(String, String)>,
    keys_in_all: usize,
}

impl Shown {
    fn read(bitting: &Bitting, principal: &Principal, handle: &Handle) -> domain::Result<Self> {
        let connection = bitting.find_connection(principal, handle)?;
        let keys = match principal.oversees() {
            true => bitting.keys_that_reach(principal, handle)?,
            false => Vec::new(),
        };
        let now = bitting.time.now();
        let (state, fault) = bitting.state_of(&connection);
        let has_test = connection.profile.test_target(connection.kind).is_some();
        let Connection { profile, test, .. } = connection;
        let limit = |words: &str, limit: Option<_>| {
            limit.map(|limit: RateLimit| format!("{limit} {words}"))
        };
        let limits = [limit("in all", profile.limit), limit("for each key", profile.key_limit)];
        let has_table = connection.kind.offered().is_some();
        let offers = [
            (has_table && !profile.standing).then_some("no calls that outlive a key"),
            (has_table && !profile.recordings).then_some("no links to recordings"),
        ];
        Ok(Self {
            handle: handle.to_string(),
            name: shortened(profile.name, NAME),
            description: profile.description,
            kind: kind_words(connection.kind),
            origin: connection.origin.to_string(),
            form: connection.form.to_string(),
            ends_with: connection.hint,
            account: profile.account,
            has_accounts: connection.kind == Kind::CallRail,
            limits: limits.into_iter().flatten().collect(),
            offers: offers.into_iter().flatten().collect(),
            rules: (!has_table)
                .then(|| profile.rules.rows().iter().map(|row| row.to_string()).collect()),
            test_path: profile.test_path,
            disabled: state == ConnectionState::Disabled,
            locked: state == ConnectionState::Locked,
            has_test,
            state: StatePill::of(state),
            fault,
            tested: test
                .map(|test| (When::ago(test.at, now), shortened(test.by, NAME), test.milliseconds)),
            created: When::ago(connection.created_at, now),
            created_by: shortened(connection.created_by.name, NAME),
            keys_in_all: keys.len(),
            keys: keys
                .into_iter()
                .take(MOST_NAMED)
                .map(|(id, name)| (id.to_string(), shortened(name, NAME)))
                .collect(),
        })
    }
}

/// `GET /connections/{handle}`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| {
        let shown = Shown::read(bitting, &principal, &handle.0)?;
        Ok((shown, bitting.overall_usage(&principal, Some(&handle.0))?))
    });
    let (shown, usage) = found.await?;
    let template = ConnectionPage {
        frame: viewer.frame(Section::Connections),
        manages: viewer.principal.administers(),
        shown,
        sums: Sum::of_all(&usage.windows),
    };
    page(StatusCode::OK, &template)
}

/// `POST /connections/{handle}/test`
pub async fn test(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    let (principal, at) = (viewer.principal, address(&handle.0));
    state.run_with_vendor(move |bitting| bitting.test_connection(&principal, &handle.0)).await?;
    Ok(see_other(&at))
}

/// `POST /connections/{handle}/disable`
pub async fn disable(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    switch(viewer, &state, handle.0, false).await
}

/// `POST /connections/{handle}/enable`
pub async fn enable(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    switch(viewer, &state, handle.0, true).await
}

async fn switch(
    viewer: Viewer,
    state: &State,
    handle: Handle,
    on: bool,
) -> Result<HttpResponse, Problem> {
    let (principal, at) = (viewer.principal, address(&handle));
    state.run(move |bitting| bitting.switch_connection(&principal, &handle, on)).await?;
    Ok(see_other(&at))
}

fn address(handle: &Handle) -> String {
    format!("/connections/{handle}")
}

#[derive(Template)]
#[template(path = "connection_remove.html")]
struct RemovePage {
    frame: Frame,
    shown: Shown,
}

/// `GET /connections/{handle}/remove`
pub async fn remove_form(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let shown = state.run(move |bitting| Shown::read(bitting, &principal, &handle.0)).await?;
    let frame = viewer.frame(Section::Connections);
    page(StatusCode::OK, &RemovePage { frame, shown })
}

/// `POST /connections/{handle}/remove`
pub async fn remove(
    viewer: Viewer,
    state: web::Data<State>,
    handle: Id<Handle>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal;
    match state.run(move |bitting| bitting.remove_connection(&principal, &handle.0)).await {
        // The same form may have removed it already.
        Err(problem) if problem.code() != Code::NotFound => Err(problem),
        _ => Ok(see_other("/connections")),
    }
}

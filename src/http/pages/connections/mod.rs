//! `/connections`: the vendors' APIs that keys reach, and the state of each.

pub mod connection;
pub mod credential_form;
pub mod edit;
pub mod new_connection;
pub mod replace;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::page;
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::pager::{Pager, address, page_part, read_page};
use super::parts::text::{NAME, When, shortened};
use crate::http::error::Problem;
use crate::http::extract::{PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::connections::{Connection, ConnectionState, Kind};
use crate::model::table::NumberedPage;
use crate::model::time::Moment;

/// A state, for a pill: its class and its words.
pub struct StatePill {
    /// The class that colours it.
    pub class: &'static str,
    /// What it says.
    pub words: &'static str,
}

impl StatePill {
    /// The pill of a state.
    pub fn of(state: ConnectionState) -> Self {
        let (class, words) = match state {
            ConnectionState::Ok => ("active", "Works"),
            ConnectionState::Untested => ("expired", "Not tested"),
            ConnectionState::Rejected => ("revoked", "Rejected by the vendor"),
            ConnectionState::Unreachable => ("revoked", "Unreachable"),
            ConnectionState::Unexpected => ("revoked", "Unexpected answer"),
            ConnectionState::Disabled => ("expired", "Disabled"),
            ConnectionState::Locked => ("revoked", "Locked"),
        };
        Self { class, words }
    }
}

/// What people call a kind.
pub fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::CallRail => "CallRail",
        Kind::Aircall => "Aircall",
        Kind::Customerly => "Customerly",
        Kind::Clari => "Clari",
        Kind::Http => "HTTP API",
    }
}

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    frame: Frame,
    manages: bool,
    connections: Vec<Line>,
    pager: Pager,
}

/// Which page of the list is asked for.
pub struct ConnectionsQuery(usize);

impl ReadQuery for ConnectionsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self(read_page(query))
    }
}

struct Line {
    handle: String,
    name: String,
    kind: &'static str,
    state: StatePill,
    tested: Option<When>,
    ends_with: Option<String>,
}

impl Line {
    fn new(connection: Connection, state: ConnectionState, now: Moment) -> Self {
        Self {
            state: StatePill::of(state),
            handle: connection.handle.to_string(),
            name: shortened(connection.profile.name, NAME),
            kind: kind_words(connection.kind),
            tested: connection.test.map(|test| When::ago(test.at, now)),
            ends_with: connection.hint,
        }
    }
}

/// `GET /connections`
pub async fn list(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(ConnectionsQuery(wanted)): PageQuery<ConnectionsQuery>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let read = state.run(move |bitting| {
        let now = bitting.time.now();
        let line = |each: Connection| {
            let (state, _why) = bitting.state_of(&each);
            Line::new(each, state, now)
        };
        let NumberedPage { rows, place } =
            NumberedPage::of(bitting.list_connections(&principal)?, wanted);
        Ok(NumberedPage { rows: rows.into_iter().map(line).collect(), place })
    });
    let table = read.await?;
    let at_page = |page| address("/connections", [page_part(page)]);
    let template = ConnectionsPage {
        pager: Pager::of(&table, "connection", at_page),
        connections: table.rows,
        frame: viewer.frame(Section::Connections),
        manages: viewer.principal.administers(),
    };
    page(StatusCode::OK, &template)
}

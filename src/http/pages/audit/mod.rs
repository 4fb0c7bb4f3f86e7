//! `/audit`: who did what, when and from where.

pub mod events;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{NaiveDate, NaiveTime};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::page;
use super::parts::csv;
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::pager::{Choice, Pager, address};
use super::parts::text::counted;
use crate::http::api::audit::read_key;
use crate::http::error::Problem;
use crate::http::extract::{PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::actor::ActorKind;
use crate::model::audit::{Action, ActorIs, AuditEvent, AuditFilter};
use crate::model::page::{Cursor, Limit, Page, PageRequest};
use crate::model::words::{Word, choice};
use crate::model::{spreadsheet, time};
use events::{Event, action_words};

const COLUMNS: [&str; 10] = [
    "id",
    "at",
    "action",
    "actor_type",
    "actor_id",
    "actor_name",
    "key_id",
    "address",
    "request_id",
    "detail",
];

/// Chooses everything but signing in, where an action might stand.
const BUT_SIGNING_IN: &str = "but_signing_in";

/// The actions that are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Actions {
    ButSigningIn,
    Only(Action),
}

impl Actions {
    fn parse(text: &str) -> Result<Self, String> {
        match Action::parse(text) {
            Some(action) => Ok(Self::Only(action)),
            None if text == BUT_SIGNING_IN => Ok(Self::ButSigningIn),
            None => Err(format!("must be {BUT_SIGNING_IN}, {}", Action::choices())),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::ButSigningIn => BUT_SIGNING_IN,
            Self::Only(action) => action.as_str(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::ButSigningIn => "Anything but signing in",
            Self::Only(action) => action_words(action),
        }
    }
}

/// What the log is asked for in its address. Days are whole ones in UTC, the last one included.
pub struct AuditQuery {
    actions: Option<Actions>,
    key_id: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    actor_kind: Option<ActorKind>,
    actor: Option<String>,
    cursor: Option<Cursor>,
}

impl ReadQuery for AuditQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            actions: query.parsed("action", choice::<Action>, Actions::parse),
            key_id: read_key(query),
            from: read_day(query, "from"),
            to: read_day(query, "to"),
            actor_kind: query.choice("actor_type"),
            actor: query.text("actor"),
            cursor: query.parsed("cursor", Cursor::schema, Cursor::decode),
        }
    }
}

impl AuditQuery {
    fn filter(&self) -> AuditFilter {
        AuditFilter {
            action: match self.actions {
                Some(Actions::Only(action)) => Some(action),
                Some(Actions::ButSigningIn) | None => None,
            },
            but_signing_in: self.actions == Some(Actions::ButSigningIn),
            key_id: self.key_id.clone(),
            from: self.from.map(|day| day.and_time(NaiveTime::MIN).and_utc()),
            to: self.to.map(time::end_of_day),
            actor_kind: self.actor_kind,
            actor: self.actor.as_deref().map(ActorIs::parse),
        }
    }

    fn filters(&self) -> bool {
        let Self { actions, key_id, from, to, actor_kind, actor, cursor: _ } = self;
        let by = actor_kind.is_some() || actor.is_some();
        by || actions.is_some() || key_id.is_some() || from.is_some() || to.is_some()
    }

    /// The address of the same events from a position on.
    fn address(&self, path: &str, cursor: Option<&Cursor>) -> String {
        let day = |day: NaiveDate| day.to_string();
        let parts = [
            ("action", self.actions.map(|actions| actions.as_str().to_owned())),
            ("key_id", self.key_id.clone()),
            ("from", self.from.map(day)),
            ("to", self.to.map(day)),
            ("actor_type", self.actor_kind.map(|kind| kind.as_str().to_owned())),
            ("actor", self.actor.clone()),
            ("cursor", cursor.map(Cursor::encode)),
        ];
        address(path, parts)
    }

    fn action_choices(&self) -> Vec<Choice> {
        let any = Choice::new("", "Anything", self.actions.is_none());
        let each = Action::ALL.iter().copied().map(Actions::Only);
        let choice = |actions: Actions| {
            Choice::new(actions.as_str(), actions.words(), self.actions == Some(actions))
        };
        let narrower = std::iter::once(Actions::ButSigningIn).chain(each).map(choice);
        std::iter::once(any).chain(narrower).collect()
    }

    fn actor_kinds(&self) -> Vec<Choice> {
        let any = Choice::new("", "Anybody", self.actor_kind.is_none());
        let choice = |kind: &ActorKind| {
            let words = match kind {
                ActorKind::User => "Users",
                ActorKind::Token => "Admin tokens",
                ActorKind::Cli => "The command line",
                ActorKind::Server => "Servers",
            };
            Choice::new(kind.as_str(), words, self.actor_kind == Some(*kind))
        };
        std::iter::once(any).chain(ActorKind::ALL.iter().map(choice)).collect()
    }
}

fn read_day(query: &mut QueryReader, name: &'static str) -> Option<NaiveDate> {
    query.parsed(
        name,
        || json!({"type": "string", "format": "date"}),
        |text| time::parse_day(text).ok_or_else(|| "must be a date, such as 2027-01-31".to_owned()),
    )
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    own: bool,
    filtered: bool,
    export: String,
    actions: Vec<Choice>,
    key_id: String,
    from: String,
    to: String,
    actor_kinds: Vec<Choice>,
    actor: String,
    events: Vec<Event>,
    pager: Pager,
}

/// `GET /audit`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<AuditQuery>,
) -> Result<HttpResponse, Problem> {
    let (principal, filter) = (viewer.principal.clone(), query.filter());
    let wanted = PageRequest { limit: Limit::PAGE, cursor: query.cursor.clone() };
    let found = state.run(move |bitting| {
        let found = bitting.list_audit(&principal, &filter, &wanted)?;
        let names = bitting.names_in(&principal, &found.items)?;
        Ok((found, names, bitting.time.now()))
    });
    let (found, names, now) = found.await?;
    let own = viewer.principal.restricted_to().is_some();
    // A key that is somebody else's, or has become that, is not opened to a member, who is told the
    // names of their own keys alone.
    let line = |event: AuditEvent| {
        let event = Event::new(event, &names, now);
        let is_known = |id: &String| !own || names.contains_key(id);
        Event { key_id: event.key_id.filter(is_known), ..event }
    };
    let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    let shown = counted(found.items.len() as i64, "event");
    let page_of = AuditPage {
        frame: viewer.frame(Section::Audit),
        own,
        filtered: query.filters(),
        export: query.address("/audit/export", None),
        actions: query.action_choices(),
        key_id: query.key_id.clone().unwrap_or_default(),
        from: day(query.from),
        to: day(query.to),
        actor_kinds: query.actor_kinds(),
        actor: query.actor.clone().unwrap_or_default(),
        pager: Pager {
            summary: match (&query.cursor, &found.next) {
                (None, None) => format!("{shown}, the newest first"),
                (None, Some(_)) => format!("the newest {shown}"),
                (Some(_), _) => format!("{shown} from before"),
            },
            back: "Newest",
            previous: query.cursor.is_some().then(|| query.address("/audit", None)),
            next: found.next.as_ref().map(|next| query.address("/audit", Some(next))),
        },
        events: found.items.into_iter().map(line).collect(),
    };
    page(StatusCode::OK, &page_of)
}

/// `GET /audit/export`
pub async fn export(
    request: HttpRequest,
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<AuditQuery>,
) -> Result<HttpResponse, Problem> {
    let (reading, principal, filter) = (state.clone(), viewer.principal.clone(), query.filter());
    let start = PageRequest { limit: Limit::GREATEST, cursor: query.cursor };
    // Part by part, so that a log of any length is sent whole without lying in memory.
    let read = move |wanted: PageRequest| {
        let (state, principal, filter) = (reading.clone(), principal.clone(), filter.clone());
        async move {
            let part = state.run(move |bitting| bitting.list_audit(&principal, &filter, &wanted));
            let Page { items, limit, next } = part.await?;
            let next = next.map(|cursor| PageRequest { limit, cursor: Some(cursor) });
            Ok::<_, Problem>((spreadsheet::text(items.into_iter().map(cells)), next))
        }
    };
    let lines = async move {
        // What is refused is refused before the file begins.
        let (first, next) = read(start).await?;
        let rest = stream::unfold(next, move |wanted| {
            let part = wanted.map(&read);
            async move {
                Some(match part?.await {
                    Ok((text, next)) => (Ok(text), next),
                    Err(problem) => (Err(problem), None),
                })
            }
        });
        Ok(stream::iter([Ok(first)]).chain(rest))
    };
    csv::answer(&request, &state, viewer.principal, "audit.csv", &COLUMNS, lines).await
}

fn cells(event: AuditEvent) -> [String; 10] {
    [
        event.id.to_string(),
        time::format(event.at),
        event.action,
        event.actor.kind.as_str().to_owned(),
        event.actor.id.unwrap_or_default(),
        event.actor.name,
        event.key_id.unwrap_or_default(),
        event.address.unwrap_or_default(),
        event.request_id.unwrap_or_default(),
        event.detail.to_string(),
    ]
}

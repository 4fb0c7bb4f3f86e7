//! `/account`: who is signed in, their password and their sessions.

pub mod login;
pub mod password;
pub mod setup;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, REFERRER_POLICY, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::parts::browser::browser;
use super::parts::form_error::{Field, FormErrors, Refused, refusals};
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::pager::{Pager, address, page_part, read_page};
use super::parts::text::{AGENT, When, shortened};
use super::users::grants::Grant;
use super::users::rights::role_words;
use super::{page, see_other};
use crate::domain::Error;
use crate::domain::users::signed_in::UserCaller;
use crate::http::cookies::OwnCookie;
use crate::http::error::{Code, Problem};
use crate::http::extract::{Form, Id, PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::actor::ClientInfo;
use crate::model::id::SessionId;
use crate::model::session::Session;
use crate::model::time::Moment;
use crate::model::user::Role;

/// A page whose address is secret: not even our own files are asked for with it.
fn page_of_link(status: StatusCode, template: &impl Template) -> Result<HttpResponse, Problem> {
    let mut answer = page(status, template)?;
    let policy = HeaderValue::from_static("strict-origin");
    answer.headers_mut().insert(REFERRER_POLICY, policy);
    Ok(answer)
}

const PASSWORD_FIELDS: [Field; 2] = [
    ("current_password", "current_password", "The current password"),
    ("password", "password", "The new password"),
];
/// What is said of a password that was changed.
const CHANGED: &str = "password";

/// What the page is asked for in its address.
pub struct AccountQuery {
    changed: bool,
    page: usize,
}

impl AccountQuery {
    const FIRST: Self = Self { changed: false, page: 1 };
}

impl ReadQuery for AccountQuery {
    fn read(query: &mut QueryReader) -> Self {
        let changed = query.text("changed").is_some_and(|what| what == CHANGED);
        Self { changed, page: read_page(query) }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    about: &'static str,
    everything: bool,
    grants: Vec<Grant>,
    makes_keys: bool,
    sessions: Vec<Line>,
    others: bool,
    pager: Option<Pager>,
    changed: bool,
    errors: FormErrors,
}

struct Line {
    id: String,
    this: bool,
    browser: String,
    agent: String,
    address: String,
    began: When,
    seen: When,
}

impl Line {
    fn new(session: Session, this: SessionId, now: Moment) -> Self {
        let agent = shortened(session.user_agent.unwrap_or_default(), AGENT);
        Self {
            id: session.id.to_string(),
            this: session.id == this,
            browser: browser(&agent),
            agent,
            address: session.address.unwrap_or_default(),
            began: When::ago(session.created_at, now),
            seen: When::ago(session.last_seen_at, now),
        }
    }
}

async fn account(
    status: StatusCode,
    viewer: &Viewer,
    caller: &UserCaller,
    state: &State,
    query: AccountQuery,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let user = caller.user();
    let (id, this) = (user.id, caller.session().id);
    let read =
        state.run(move |bitting| Ok((bitting.session_table(id, query.page)?, bitting.time.now())));
    let (sessions, now) = read.await?;
    let at_page = |page| address("/account", [page_part(page)]);
    let template = AccountPage {
        frame: viewer.frame(Section::Account),
        about: role_words(user.role),
        everything: user.role == Role::Admin,
        grants: Grant::list(&user.grants(&state.bitting.catalog), &state.bitting.catalog),
        makes_keys: viewer.principal.manages_keys(),
        others: sessions.place.total > 1,
        pager: (sessions.place.pages > 1).then(|| Pager::of(&sessions, "session", at_page)),
        sessions: sessions.rows.into_iter().map(|session| Line::new(session, this, now)).collect(),
        changed: query.changed,
        errors,
    };
    page(status, &template)
}

/// `GET /account`
pub async fn show(
    viewer: Viewer,
    caller: UserCaller,
    state: web::Data<State>,
    PageQuery(query): PageQuery<AccountQuery>,
) -> Result<HttpResponse, Problem> {
    account(StatusCode::OK, &viewer, &caller, &state, query, FormErrors::default()).await
}

/// `POST /account/password`: every other session ends.
pub async fn change_password(
    request: HttpRequest,
    viewer: Viewer,
    caller: UserCaller,
    state: web::Data<State>,
    client: ClientInfo,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let text = |name| form.text(name).to_owned();
    let (present, chosen) = (text("current_password"), text("password"));
    let (principal, user) = (viewer.principal.clone(), caller.user().clone());
    let changed = state.run(move |bitting| {
        let passwords = (present.as_str(), chosen.as_str());
        match bitting.change_password(&principal, &user, passwords, &client) {
            Err(Error::WrongPassword) => {
                let wrong = FieldErrors::one("current_password", "is wrong");
                Ok(Err((Refused::invalid(wrong, &PASSWORD_FIELDS), None)))
            }
            Err(why @ Error::TooManyAttempts { seconds }) => {
                let errors = FormErrors::one("current_password", &why.to_string());
                Ok(Err((Refused { status: StatusCode::TOO_MANY_REQUESTS, errors }, Some(seconds))))
            }
            changed => Ok(refusals(changed, &PASSWORD_FIELDS)?.map_err(|refused| (refused, None))),
        }
    });
    match changed.await? {
        Ok(signed_in) => {
            let mut answer = see_other(&format!("/account?changed={CHANGED}"));
            OwnCookie::session(&request, &state).give(&mut answer, &signed_in.secret);
            Ok(answer)
        }
        Err((Refused { status, errors }, wait)) => {
            let first = AccountQuery::FIRST;
            let mut answer = account(status, &viewer, &caller, &state, first, errors).await?;
            if let Some(seconds) = wait {
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            Ok(answer)
        }
    }
}

/// `POST /account/sessions/{id}/end`
pub async fn end_session(
    request: HttpRequest,
    caller: UserCaller,
    state: web::Data<State>,
    client: ClientInfo,
    id: Id<SessionId>,
) -> Result<HttpResponse, Problem> {
    let this = caller.session().id == id.0;
    let principal = caller.principal(&client);
    let ended = state.run(move |bitting| bitting.end_session(&principal, id.0));
    match ended.await {
        // It has ended meanwhile, or is not theirs.
        Err(problem) if problem.code() != Code::NotFound => return Err(problem),
        _ => {}
    }
    if !this {
        return Ok(see_other("/account"));
    }
    let mut answer = see_other("/login");
    OwnCookie::session(&request, &state).take(&mut answer);
    Ok(answer)
}

/// `POST /account/sessions/end-others`
pub async fn end_other_sessions(
    caller: UserCaller,
    state: web::Data<State>,
    client: ClientInfo,
) -> Result<HttpResponse, Problem> {
    let ended = state.run(move |bitting| {
        bitting.end_other_sessions(&caller.principal(&client), caller.session().id)
    });
    ended.await?;
    Ok(see_other("/account"))
}

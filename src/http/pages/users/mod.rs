//! `/users` and `/users/new`: who may sign in, and adding somebody.

pub mod grants;
pub mod rights;
pub mod user;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::json;

use super::keys::permissions::Row;
use super::parts::form_error::{Field, FormErrors, Refused, refusals};
use super::parts::frame::{Frame, Section, Viewer};
use super::parts::pager::{Choice, Pager, address, is_searchable, page_part, read_page};
use super::parts::text::{NAME, When, number, shortened};
use super::{page, public_address, see_other};
use crate::domain::keys::forms::FormOutcome;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, PageQuery, QueryReader, ReadQuery};
use crate::http::state::State;
use crate::model::random_secret::RandomSecret;
use crate::model::time::Moment;
use crate::model::user::{NewUser, Role, User, UserFilter, UserStatus};
use crate::model::words::Word;
use grants::Grant;
use rights::{FIELDS, Rights, RoleChoice};

const NEW_FIELDS: [Field; 3] = [("email", "email", "The e-mail address"), FIELDS[0], FIELDS[1]];

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    frame: Frame,
    manages: bool,
    /// Whether there are fields to search by.
    searchable: bool,
    filtered: bool,
    text: String,
    roles: Vec<Choice>,
    states: Vec<Choice>,
    users: Vec<Line>,
    alone: bool,
    pager: Pager,
}

/// The list of users, as its address asks for it.
pub struct UsersQuery {
    filter: UserFilter,
    page: usize,
}

impl ReadQuery for UsersQuery {
    fn read(query: &mut QueryReader) -> Self {
        let filter = UserFilter {
            text: query.text("q"),
            role: query.choice("role"),
            status: query.choice("status"),
        };
        Self { filter, page: read_page(query) }
    }
}

impl UsersQuery {
    fn filters(&self) -> bool {
        let UserFilter { text, role, status } = &self.filter;
        text.is_some() || role.is_some() || status.is_some()
    }

    fn address(&self, page: usize) -> String {
        let UserFilter { text, role, status } = &self.filter;
        let parts = [
            ("q", text.clone()),
            ("role", role.map(|role| role.as_str().to_owned())),
            ("status", status.map(|status| status.as_str().to_owned())),
            page_part(page),
        ];
        address("/users", parts)
    }

    fn roles(&self) -> Vec<Choice> {
        let any = Choice::new("", "Any role", self.filter.role.is_none());
        let choice = |role: &Role| {
            let chosen = self.filter.role == Some(*role);
            Choice::new(role.as_str(), role.as_str(), chosen)
        };
        std::iter::once(any).chain(Role::ALL.iter().map(choice)).collect()
    }

    fn states(&self) -> Vec<Choice> {
        let choice = |(status, words): (Option<UserStatus>, &str)| {
            let value = status.map_or("", Word::as_str);
            Choice::new(value, words, self.filter.status == status)
        };
        let choices = [
            (None, "Any state"),
            (Some(UserStatus::Active), "Active"),
            (Some(UserStatus::Disabled), "Disabled"),
        ];
        choices.map(choice).into()
    }
}

struct Line {
    id: String,
    email: String,
    you: bool,
    role: &'static str,
    everything: bool,
    grants: Vec<Grant>,
    keys: String,
    seen: Option<When>,
    disabled: Option<When>,
}

impl Line {
    fn new(user: &User, viewer: &Viewer, keys: i64, now: Moment) -> Self {
        Self {
            id: user.id.to_string(),
            email: shortened(user.email.to_string(), NAME),
            you: viewer.principal.user_id() == Some(user.id),
            role: user.role.as_str(),
            everything: user.role == Role::Admin,
            grants: Grant::list(&user.grants(&viewer.catalog), &viewer.catalog),
            keys: number(keys),
            seen: user.last_login_at.map(|at| When::ago(at, now)),
            disabled: user.disabled_at.map(|at| When::ago(at, now)),
        }
    }
}

/// `GET /users`
pub async fn list(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(query): PageQuery<UsersQuery>,
) -> Result<HttpResponse, Problem> {
    let (principal, filter, wanted) = (viewer.principal.clone(), query.filter.clone(), query.page);
    let read = state.run(move |bitting| {
        Ok((bitting.user_table(&principal, &filter, wanted)?, bitting.time.now()))
    });
    let (table, now) = read.await?;
    let filtered = query.filters();
    let manages = viewer.principal.administers();
    let line = |(user, keys): &(User, i64)| Line::new(user, &viewer, *keys, now);
    let template = UsersPage {
        frame: viewer.frame(Section::Users),
        manages,
        searchable: is_searchable(table.place.total as i64, filtered),
        filtered,
        text: query.filter.text.clone().unwrap_or_default(),
        roles: query.roles(),
        states: query.states(),
        users: table.rows.iter().map(line).collect(),
        alone: manages && !filtered && table.place.total == 1,
        pager: Pager::of(&table, "user", |page| query.address(page)),
    };
    page(StatusCode::OK, &template)
}

#[derive(Template)]
#[template(path = "user_new.html")]
struct NewUserPage {
    frame: Frame,
    email: String,
    roles: Vec<RoleChoice>,
    rows: Vec<Row>,
    nonce: String,
    errors: FormErrors,
}

impl NewUserPage {
    fn new(
        viewer: &Viewer,
        email: String,
        rights: &Rights,
        nonce: &RandomSecret,
        errors: FormErrors,
    ) -> Self {
        let (roles, rows) = (rights.roles(), rights.rows(&viewer.catalog));
        let nonce = nonce.expose();
        Self { frame: viewer.frame(Section::Users), email, roles, rows, nonce, errors }
    }
}

/// `GET /users/new`
pub async fn form(
    viewer: Viewer,
    state: web::Data<State>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let nonce = state.run(|bitting| bitting.form_nonce()).await?;
    let email = draft.or(|form| form.text("email").to_owned(), String::new);
    let rights = draft.or(Rights::of_form, Rights::nothing);
    let template = NewUserPage::new(&viewer, email, &rights, &nonce, FormErrors::default());
    page(StatusCode::OK, &template)
}

/// `POST /users/new`: the answer shows the link by which they set their password.
pub async fn add(
    viewer: Viewer,
    state: web::Data<State>,
    request: HttpRequest,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let (email, rights) = (sent.text("email").to_owned(), Rights::of_form(&sent));
    let mut object = rights.object();
    object.insert("email".to_owned(), json!(email));
    let principal = viewer.principal.clone();
    let added = state.run(move |bitting| {
        let nonce = bitting.nonce_of_form(sent.text("nonce"))?;
        let new = match NewUser::from_object(&object, &bitting.catalog) {
            Ok(new) => new,
            Err(errors) => return Ok(Err((Refused::invalid(errors, &NEW_FIELDS), nonce))),
        };
        let added = bitting.add_user_by_form(&principal, &new, &nonce);
        match refusals(added, &NEW_FIELDS)? {
            Ok(FormOutcome::Made(user)) => {
                let link = bitting.make_password_link(&principal, user.id);
                Ok(Ok(link.map_or_else(
                    // The user is there: nobody is told that nothing was changed.
                    |why| {
                        tracing::warn!(%why, user = %user.id, "a new user has no password link yet");
                        FormOutcome::Known(user.id)
                    },
                    |link| FormOutcome::Made(Box::new((*user.clone(), link))),
                )))
            }
            Ok(FormOutcome::Known(id)) => Ok(Ok(FormOutcome::Known(id))),
            Err(refused) => Ok(Err((refused, nonce))),
        }
    });
    match added.await? {
        Ok(FormOutcome::Made(added)) => {
            let (user, link) = *added;
            show_link(&viewer, &state, &request, &user, &link, true)
        }
        // There they get another link, if the first answer was lost.
        Ok(FormOutcome::Known(id)) => Ok(see_other(&format!("/users/{id}"))),
        Err((Refused { status, errors }, nonce)) => {
            page(status, &NewUserPage::new(&viewer, email, &rights, &nonce, errors))
        }
    }
}

#[derive(Template)]
#[template(path = "user_link.html")]
struct LinkPage {
    frame: Frame,
    id: String,
    email: String,
    link: String,
    added: bool,
}

/// Shows a link by which a user sets a password: this once, since only its digest is stored.
pub fn show_link(
    viewer: &Viewer,
    state: &State,
    request: &HttpRequest,
    user: &User,
    link: &RandomSecret,
    added: bool,
) -> Result<HttpResponse, Problem> {
    let template = LinkPage {
        frame: viewer.frame(Section::Users),
        id: user.id.to_string(),
        email: user.email.to_string(),
        link: format!("{}/password?token={}", public_address(request, state), link.expose()),
        added,
    };
    page(StatusCode::OK, &template)
}

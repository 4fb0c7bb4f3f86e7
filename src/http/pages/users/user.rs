//! `/users/{id}`: one user, and what an administrator does about them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::rights::{FIELDS, Rights, RoleChoice};
use super::show_link;
use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::domain::users::disabling::CredentialCounts;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id};
use crate::http::pages::keys::permissions::Row;
use crate::http::pages::parts::form_error::{Field, FormErrors, Refused, refusals};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::pager::address;
use crate::http::pages::parts::shown::Shown;
use crate::http::pages::parts::text::{NAME, When, counted, listed, shortened};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::id::UserId;
use crate::model::key::ApiKey;
use crate::model::page::Page;
use crate::model::time::Moment;
use crate::model::user::{Role, User};
use crate::model::words::Word;

const DISABLE_FIELDS: [Field; 2] = [
    ("holdings", "holdings", "What should happen to these"),
    ("transfer_to", "transfer_to", "Whom to hand them over to"),
];

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    frame: Frame,
    id: String,
    email: String,
    you: bool,
    added: When,
    seen: Option<When>,
    disabled: Option<When>,
    /// What somebody who is disabled still has, in words.
    left: Option<String>,
    roles: Vec<RoleChoice>,
    rows: Vec<Row>,
    shown: Shown,
    keys: Vec<HeldKey>,
    /// Where all of their keys are listed, if these are not all.
    more: Option<String>,
    errors: FormErrors,
}

/// A key that the user holds.
struct HeldKey {
    id: String,
    name: String,
    display: String,
    status: &'static str,
    expires: Option<When>,
}

impl HeldKey {
    fn new(key: ApiKey, now: Moment) -> Self {
        Self {
            id: key.id.to_string(),
            status: key.status(now).as_str(),
            expires: key.expires_at.map(|end| When::relative(end, now)),
            name: shortened(key.label.name, NAME),
            display: key.display,
        }
    }
}

/// Everything that is read for the page.
struct Found {
    user: User,
    keys: Page<ApiKey>,
    /// What they have left, if they are disabled.
    had: CredentialCounts,
    now: Moment,
}

impl Found {
    fn read(bitting: &Bitting, principal: &Principal, id: UserId) -> domain::Result<Self> {
        let user = bitting.find_user(principal, id)?;
        let keys = bitting.keys_held_by(principal, id)?;
        let had = match user.disabled_at {
            None => CredentialCounts::default(),
            Some(_) => bitting.holdings_of(principal, id)?,
        };
        Ok(Self { user, keys, had, now: bitting.time.now() })
    }
}

impl UserPage {
    fn new(
        viewer: &Viewer,
        found: Found,
        rights: &Rights,
        shown: Shown,
        errors: FormErrors,
    ) -> Self {
        let Found { user, keys, had, now } = found;
        let all = || address("/keys", [("holder", Some(user.email.to_string()))]);
        Self {
            more: keys.next.map(|_| all()),
            keys: keys.items.into_iter().map(|key| HeldKey::new(key, now)).collect(),
            frame: viewer.frame(Section::Users),
            id: user.id.to_string(),
            email: user.email.to_string(),
            you: viewer.principal.user_id() == Some(user.id),
            added: When::ago(user.created_at, now),
            seen: user.last_login_at.map(|at| When::ago(at, now)),
            disabled: user.disabled_at.map(|at| When::ago(at, now)),
            left: in_words(had),
            roles: rights.roles(),
            rows: rights.rows(&viewer.catalog),
            shown,
            errors,
        }
    }
}

/// `GET /users/{id}`
pub async fn show(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<UserId>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| Found::read(bitting, &principal, id.0)).await?;
    let rights = draft.or(Rights::of_form, || Rights::of_user(&found.user, &viewer.catalog));
    let shown = draft.or(Shown::of_form, || Shown::of(rights.object()));
    page(StatusCode::OK, &UserPage::new(&viewer, found, &rights, shown, FormErrors::default()))
}

/// `POST /users/{id}`: changes what they are and may grant.
pub async fn change(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<UserId>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let (rights, shown) = (Rights::of_form(&form), Shown::of_form(&form));
    let (principal, edit) = (viewer.principal.clone(), shown.edit(rights.object()));
    let changed = state.run(move |bitting| {
        match refusals(bitting.edit_user(&principal, id.0, edit), &FIELDS)? {
            Ok(_) => Ok(None),
            Err(refused) => Ok(Some((Found::read(bitting, &principal, id.0)?, shown, refused))),
        }
    });
    match changed.await? {
        None if viewer.principal.user_id() == Some(id.0) => Ok(see_other("/account")),
        None => Ok(see_other("/users")),
        Some((found, shown, Refused { status, errors })) => {
            page(status, &UserPage::new(&viewer, found, &rights, shown, errors))
        }
    }
}

/// `POST /users/{id}/link`: a new link to set a password by.
pub async fn make_link(
    viewer: Viewer,
    state: web::Data<State>,
    request: HttpRequest,
    id: Id<UserId>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let made = state.run(move |bitting| {
        let link = bitting.make_password_link(&principal, id.0)?;
        Ok((bitting.find_user(&principal, id.0)?, link))
    });
    let (user, link) = made.await?;
    show_link(&viewer, &state, &request, &user, &link, false)
}

/// `POST /users/{id}/enable`
pub async fn enable(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<UserId>,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal;
    state.run(move |bitting| bitting.enable_user(&principal, id.0)).await?;
    Ok(see_other(&format!("/users/{}", id.0)))
}

#[derive(Template)]
#[template(path = "user_disable.html")]
struct DisablePage {
    frame: Frame,
    id: String,
    email: String,
    you: bool,
    /// What the user has, in words; none if nothing.
    holdings: Option<String>,
    heirs: Vec<NewHolder>,
    only_administrators: bool,
    chosen: String,
    errors: FormErrors,
}

struct NewHolder {
    value: String,
    words: String,
    chosen: bool,
}

/// `3 keys and 1 admin token`; none if there are none.
fn in_words(had: CredentialCounts) -> Option<String> {
    let parts = [(had.keys, "key"), (had.tokens, "admin token")];
    let words = |(n, noun): &(usize, &str)| counted(i64::try_from(*n).unwrap_or(i64::MAX), noun);
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(words).collect();
    (!parts.is_empty()).then(|| listed(&parts))
}

/// The users who can take over what a user has.
fn heirs(users: &[User], of: UserId, had: CredentialCounts, chosen: &str) -> Vec<NewHolder> {
    let can = |user: &&User| {
        let right = match user.role {
            Role::Admin => true,
            Role::Member => had.tokens == 0,
            Role::Auditor => false,
        };
        right && user.id != of && user.disabled_at.is_none()
    };
    let heir = |user: &User| {
        let value = user.id.to_string();
        NewHolder { chosen: value == chosen, value, words: shortened(user.email.to_string(), NAME) }
    };
    users.iter().filter(can).map(heir).collect()
}

/// `GET /users/{id}/disable`
pub async fn disable_form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<UserId>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let nothing = Refused { status: StatusCode::OK, errors: FormErrors::default() };
    disable_page(viewer, &state, id.0, draft.0.unwrap_or_default(), nothing).await
}

async fn disable_page(
    viewer: Viewer,
    state: &State,
    id: UserId,
    sent: Form,
    refused: Refused,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let read = state.run(move |bitting| {
        let user = bitting.find_user(&principal, id)?;
        Ok((user, bitting.holdings_of(&principal, id)?, bitting.list_users(&principal)?))
    });
    let (user, had, users) = read.await?;
    if user.disabled_at.is_some() && in_words(had).is_none() {
        return Ok(see_other(&format!("/users/{id}")));
    }
    let template = DisablePage {
        frame: viewer.frame(Section::Users),
        id: id.to_string(),
        email: user.email.to_string(),
        you: viewer.principal.user_id() == Some(id),
        holdings: in_words(had),
        heirs: heirs(&users, id, had, sent.text("transfer_to")),
        only_administrators: had.tokens > 0,
        chosen: sent.text("holdings").to_owned(),
        errors: refused.errors,
    };
    page(refused.status, &template)
}

/// The user who is to take over what this one has; none if it is to be revoked.
fn read_heir(form: &Form, had: CredentialCounts) -> Result<Option<UserId>, FieldErrors> {
    match form.text("holdings") {
        "revoke" => Ok(None),
        "transfer" => {
            let heir = form.text("transfer_to").parse();
            heir.map(Some).map_err(|_| FieldErrors::one("transfer_to", "must be chosen"))
        }
        _ if in_words(had).is_none() => Ok(None),
        _ => Err(FieldErrors::one("holdings", "must be chosen")),
    }
}

/// `POST /users/{id}/disable`
pub async fn disable(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<UserId>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let (principal, sent) = (viewer.principal.clone(), form.clone());
    let disabled =
        state.run(move |bitting| match read_heir(&sent, bitting.holdings_of(&principal, id.0)?) {
            Ok(heir) => refusals(bitting.disable_user(&principal, id.0, heir), &DISABLE_FIELDS),
            Err(errors) => Ok(Err(Refused::invalid(errors, &DISABLE_FIELDS))),
        });
    match disabled.await? {
        Ok(_) => Ok(see_other("/users")),
        Err(refused) => disable_page(viewer, &state, id.0, form, refused).await,
    }
}

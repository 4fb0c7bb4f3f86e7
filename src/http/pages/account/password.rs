//! `/password`: setting a password, by a link that is good once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::login::PASSWORD_CHOSEN;
use crate::http::error::{Code, Problem};
use crate::http::extract::{Form, FormToken};
use crate::http::pages::account::page_of_link;
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::see_other;
use crate::http::state::State;
use crate::model::actor::ClientInfo;
use crate::model::random_secret::RandomSecret;
use crate::model::user::User;

const FIELDS: [Field; 1] = [("password", "password", "The password")];

#[derive(Template)]
#[template(path = "password.html")]
struct SetPassword<'a> {
    form_token: &'a str,
    link: &'a str,
    email: &'a str,
    errors: FormErrors,
}

fn no_good() -> Problem {
    let detail = "This link is not valid, or no longer valid: a link works once, within 24 hours, \
                  and only the newest one works. Ask an administrator for another.";
    Problem::new(Code::NotFound, detail)
}

fn unless_no_good(problem: Problem) -> Problem {
    if problem.code() == Code::NotFound { no_good() } else { problem }
}

/// `GET /password`: asks for the password; the link stays valid.
pub async fn form(
    request: HttpRequest,
    state: web::Data<State>,
    token: FormToken,
) -> Result<HttpResponse, Problem> {
    let mut query = form_urlencoded::parse(request.query_string().as_bytes());
    let link = query.find(|(name, _)| name == "token").map(|(_, value)| value.into_owned());
    let secret = link.and_then(|link| RandomSecret::parse(&link)).ok_or_else(no_good)?;
    let link = secret.expose();
    let found = state.run(move |bitting| bitting.user_of_password_link(&secret));
    let user = found.await.map_err(unless_no_good)?;
    show(StatusCode::OK, &token, &link, &user, FormErrors::default())
}

fn show(
    status: StatusCode,
    token: &FormToken,
    link: &str,
    user: &User,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let email = &user.email.to_string();
    page_of_link(status, &SetPassword { form_token: &token.0, link, email, errors })
}

/// `POST /password`: sets the password; the link is used up.
pub async fn set(
    state: web::Data<State>,
    client: ClientInfo,
    token: FormToken,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let secret = RandomSecret::parse(sent.text("token")).ok_or_else(no_good)?;
    let password = sent.text("password").to_owned();
    let set = state.run(move |bitting| {
        match validation_errors(bitting.use_password_link(&secret, &password, &client))? {
            Ok(_) => Ok(None),
            Err(errors) => Ok(Some((bitting.user_of_password_link(&secret)?, errors))),
        }
    });
    match set.await.map_err(unless_no_good)? {
        None => Ok(see_other(PASSWORD_CHOSEN)),
        Some((user, errors)) => {
            let errors = FormErrors::new(errors, &FIELDS);
            show(StatusCode::UNPROCESSABLE_ENTITY, &token, sent.text("token"), &user, errors)
        }
    }
}

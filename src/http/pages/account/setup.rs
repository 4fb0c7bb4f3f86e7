//! Making the first administrator, by a link that is good once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::Error;
use crate::http::cookies::OwnCookie;
use crate::http::error::{Code, Problem};
use crate::http::extract::{Form, FormToken};
use crate::http::pages::account::page_of_link;
use crate::http::pages::parts::form_error::{Field, FormErrors};
use crate::http::pages::see_other;
use crate::http::state::State;
use crate::model::actor::ClientInfo;
use crate::model::random_secret::RandomSecret;

const FIELDS: [Field; 2] =
    [("email", "email", "The e-mail address"), ("password", "password", "The password")];

#[derive(Template)]
#[template(path = "setup.html")]
struct Setup<'a> {
    form_token: &'a str,
    link: &'a str,
    email: &'a str,
    complaint: &'a str,
}

/// The problem of a link that is no longer valid, which says what to do instead.
async fn no_good(state: &State) -> Problem {
    let detail = match state.run(|bitting| bitting.has_users()).await {
        Err(problem) => return problem,
        Ok(true) => {
            "This link is no longer valid, since there is an administrator already. Sign in at \
             /login. If you cannot, ask an administrator to add you, or for a link to set a new \
             password."
        }
        Ok(false) => {
            "This link is not valid, or no longer valid: it works once, within an hour. Restart the \
             server for a new one."
        }
    };
    Problem::new(Code::NotFound, detail)
}

/// `GET /setup`: asks for an e-mail address and a password; the link stays valid.
pub async fn form(
    request: HttpRequest,
    state: web::Data<State>,
    token: FormToken,
) -> Result<HttpResponse, Problem> {
    let mut query = form_urlencoded::parse(request.query_string().as_bytes());
    let link = query.find(|(name, _)| name == "token").map(|(_, value)| value.into_owned());
    let Some(secret) = link.and_then(|link| RandomSecret::parse(&link)) else {
        return Err(no_good(&state).await);
    };
    let link = secret.expose();
    if !state.run(move |bitting| bitting.is_setup_link(&secret)).await? {
        return Err(no_good(&state).await);
    }
    let setup = Setup { form_token: &token.0, link: &link, email: "", complaint: "" };
    page_of_link(StatusCode::OK, &setup)
}

/// `POST /setup`: makes the first administrator and signs them in; the link is used up.
pub async fn set_up(
    request: HttpRequest,
    state: web::Data<State>,
    client: ClientInfo,
    token: FormToken,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let Some(secret) = RandomSecret::parse(form.text("token")) else {
        return Err(no_good(&state).await);
    };
    let (email, password) = (form.text("email").to_owned(), form.text("password").to_owned());
    let made =
        state.run(move |bitting| match bitting.set_up(&secret, &email, &password, &client) {
            Err(Error::Invalid(errors)) => Ok(Err(errors)),
            other => other.map(Ok),
        });
    match made.await {
        Ok(Ok(signed_in)) => {
            let mut answer = see_other("/keys");
            OwnCookie::session(&request, &state).give(&mut answer, &signed_in.secret);
            Ok(answer)
        }
        Ok(Err(errors)) => {
            let again = Setup {
                form_token: &token.0,
                link: form.text("token"),
                email: form.text("email"),
                complaint: &FormErrors::new(errors, &FIELDS).in_one_line(),
            };
            page_of_link(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(problem) if problem.code() == Code::NotFound => Err(no_good(&state).await),
        Err(problem) => Err(problem),
    }
}

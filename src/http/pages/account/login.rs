//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;

use crate::domain::users::signed_in::UserCaller;
use crate::http::cookies::OwnCookie;
use crate::http::error::{Code, Problem};
use crate::http::extract::form::{KEPT, Kept};
use crate::http::extract::{Form, FormToken};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::actor::ClientInfo;
use crate::model::id::UserId;

/// The longest path that is gone to after signing in.
const LONGEST_NEXT: usize = 1000;
/// The field that says who had typed what is kept.
const KEPT_BY: &str = "kept_by";
/// Where a password that was chosen by a link leads.
pub const PASSWORD_CHOSEN: &str = "/login?password=chosen";

const ENDED: &str = "Your session has ended. Sign in to continue.";
const ENDED_AND_KEPT: &str = "Your session has ended. Sign in to continue; what you typed, but for passwords and credentials, has been kept, and nothing has been sent yet.";
const ENDED_AND_LOST: &str = "Your session has ended, and what you typed is too long to be kept; nothing has been sent. To keep it, go back and copy it before you sign in.";
const CHOSEN: &str = "Your password has been set. Sign in with it.";

#[derive(Template, Default)]
#[template(path = "login.html")]
struct Login<'a> {
    form_token: &'a str,
    email: &'a str,
    next: &'a str,
    /// Why the login page is shown.
    notice: &'a str,
    complaint: &'a str,
    kept: &'a str,
    kept_by: &'a str,
}

#[derive(Template)]
#[template(path = "resume.html")]
struct Resume<'a> {
    form_token: &'a str,
    path: &'a str,
    kept: &'a str,
}

/// `GET /login`
pub async fn form(
    request: HttpRequest,
    state: web::Data<State>,
    token: FormToken,
) -> Result<HttpResponse, Problem> {
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    let next = query.into_owned().find(|(name, _)| name == "next").map(|(_, value)| value);
    let next = next.unwrap_or_default();
    let chosen = request.uri().path_and_query().is_some_and(|path| path == PASSWORD_CHOSEN);
    let notice = match OwnCookie::session(&request, &state).read(&request) {
        _ if chosen => CHOSEN,
        Some(secret) => {
            let found = state.run(move |bitting| bitting.find_session(&secret)).await;
            // Where that is not known, nothing is said of it.
            if found.is_ok_and(|found| found.is_none()) { ENDED } else { "" }
        }
        None => "",
    };
    let next = own_path(&next).unwrap_or_default();
    let login = Login { form_token: &token.0, next, notice, ..Login::default() };
    page(StatusCode::OK, &login)
}

/// Asks whoever sent a form in a session that has ended to sign in, and keeps what they typed if it is
/// not too long.
///
/// # Errors
/// When the page cannot be rendered.
pub fn interrupted(
    token: &FormToken,
    path: &str,
    kept: &Kept,
    author: UserId,
) -> Result<HttpResponse, Problem> {
    let (notice, kept) = match kept {
        Kept::Text(text) => (ENDED_AND_KEPT, text.as_str()),
        Kept::TooLong => (ENDED_AND_LOST, ""),
    };
    let login = Login {
        form_token: &token.0,
        next: own_path(path).unwrap_or_default(),
        notice,
        kept,
        kept_by: &author.to_string(),
        ..Login::default()
    };
    page(StatusCode::UNAUTHORIZED, &login)
}

/// `POST /login`: the session that the browser had ends.
pub async fn log_in(
    request: HttpRequest,
    state: web::Data<State>,
    client: ClientInfo,
    token: FormToken,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let cookie = OwnCookie::session(&request, &state);
    let replaced = cookie.read(&request);
    let (email, password) = (form.text("email").to_owned(), form.text("password").to_owned());
    let signed_in =
        state.run(move |bitting| bitting.log_in(&email, &password, &client, replaced.as_ref()));
    let next = own_path(form.text("next"));
    let (kept, kept_by) = (form.text(KEPT), form.text(KEPT_BY));
    match signed_in.await {
        Ok(signed_in) => {
            let user = signed_in.user.id;
            let mut answer = match next {
                Some(path) if !kept.is_empty() && kept_by == user.to_string() => {
                    let token = FormToken::of_user(&signed_in.secret, user);
                    let resume = Resume { form_token: &token.0, path, kept };
                    page(StatusCode::OK, &resume)?
                }
                // Somebody else's form is nobody's to go on with.
                Some(_) if !kept.is_empty() => see_other("/keys"),
                next => see_other(next.unwrap_or("/keys")),
            };
            cookie.give(&mut answer, &signed_in.secret);
            Ok(answer)
        }
        Err(problem) if matches!(problem.code(), Code::WrongPassword | Code::TooManyAttempts) => {
            let again = Login {
                form_token: &token.0,
                email: form.text("email"),
                next: next.unwrap_or_default(),
                notice: "",
                complaint: problem.detail(),
                kept,
                kept_by,
            };
            let mut answer = page(problem.status_code(), &again)?;
            if let Some(Ok(seconds)) = problem.retry_after().map(|seconds| seconds.parse()) {
                answer.headers_mut().insert(RETRY_AFTER, seconds);
            }
            Ok(answer)
        }
        Err(problem) => Err(problem),
    }
}

/// `POST /logout`
pub async fn log_out(
    request: HttpRequest,
    caller: UserCaller,
    state: web::Data<State>,
    client: ClientInfo,
    _form: Form,
) -> Result<HttpResponse, Problem> {
    let principal = caller.principal(&client);
    let ended = state.run(move |bitting| bitting.end_session(&principal, caller.session().id));
    match ended.await {
        // Somebody else has ended it meanwhile.
        Err(problem) if problem.code() != Code::NotFound => return Err(problem),
        _ => {}
    }
    let mut answer = see_other("/login");
    OwnCookie::session(&request, &state).take(&mut answer);
    Ok(answer)
}

/// A path on this site, and nothing that a browser could take for another one.
fn own_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let own = text.starts_with('/') && !text.starts_with("//");
    (own && plain && text.len() <= LONGEST_NEXT).then_some(text)
}

#[cfg(test)]
mod tests {
    use crate::http::pages::account::login::*;

    #[test]
    fn only_paths_of_this_site_are_gone_to() {
        for own in ["/", "/keys", "/keys/key_01?tab=usage&x=%20", "/a//b", "/@b"] {
            assert_eq!(own_path(own), Some(own));
        }
        let long = format!("/{}", "a".repeat(LONGEST_NEXT));
        for foreign in [
            "",
            "keys",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "\\/evil",
            "/\t/evil.example",
            "/\n",
            " /keys",
            "/ü",
            "javascript:alert(1)",
            &long,
        ] {
            assert_eq!(own_path(foreign), None, "{foreign:?}");
        }
    }
}

//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{page, see_other};
use crate::auth::session::UserCaller;
use crate::http::cookies::OwnCookie;
use crate::http::error::{Code, Problem};
use crate::http::extract::{Form, FormToken, FromWhere};
use crate::http::state::State;

/// The longest path that is gone to after signing in.
const LONGEST_NEXT: usize = 1000;

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    form_token: &'a str,
    email: &'a str,
    next: &'a str,
    complaint: &'a str,
}

/// Asks for an e-mail address and a password.
pub async fn form(request: HttpRequest, token: FormToken) -> Result<HttpResponse, Problem> {
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    let next = query.into_owned().find(|(name, _)| name == "next").map(|(_, value)| value);
    let next = next.unwrap_or_default();
    let next = own_path(&next).unwrap_or_default();
    page(StatusCode::OK, &Login { form_token: &token.0, email: "", next, complaint: "" })
}

/// Signs in; the session that the browser had ends.
pub async fn log_in(
    request: HttpRequest,
    state: web::Data<State>,
    visit: FromWhere,
    token: FormToken,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let cookie = OwnCookie::session(&request, &state);
    let replaced = cookie.read(&request);
    let (email, password) = (form.text("email").to_owned(), form.text("password").to_owned());
    let signed_in =
        state.run(move |bitting| bitting.log_in(&email, &password, &visit.0, replaced.as_ref()));
    let next = own_path(form.text("next"));
    match signed_in.await {
        Ok(signed_in) => {
            let mut answer = see_other(next.unwrap_or("/keys"));
            cookie.give(&mut answer, &signed_in.secret);
            Ok(answer)
        }
        Err(problem) if problem.code() == Code::WrongPassword => {
            let again = Login {
                form_token: &token.0,
                email: form.text("email"),
                next: next.unwrap_or_default(),
                complaint: problem.detail(),
            };
            page(StatusCode::UNAUTHORIZED, &again)
        }
        Err(problem) => Err(problem),
    }
}

/// Signs out.
pub async fn log_out(
    request: HttpRequest,
    caller: UserCaller,
    state: web::Data<State>,
    visit: FromWhere,
    _form: Form,
) -> Result<HttpResponse, Problem> {
    let ended =
        state.run(move |bitting| bitting.end_session(caller.user(), caller.session().id, &visit.0));
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
    use super::*;

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

//! Where somebody arrives who is signed in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::{page, see_other};
use crate::auth::session::UserCaller;
use crate::http::error::Problem;
use crate::http::extract::FormToken;
use crate::model::words::Word;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    email: &'a str,
    role: &'a str,
    form_token: &'a str,
}

/// The first page is the one of keys.
pub async fn start() -> HttpResponse {
    see_other("/keys")
}

/// Says who is signed in.
pub async fn keys(caller: UserCaller, token: FormToken) -> Result<HttpResponse, Problem> {
    let user = caller.user();
    let home = Home { email: user.email.as_str(), role: user.role.as_str(), form_token: &token.0 };
    page(StatusCode::OK, &home)
}

//! Who is at the browser, and the token for the forms that are shown there.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::domain::users::signed_in::UserCaller;
use crate::http::error::Problem;
use crate::model::id::UserId;
use crate::model::random_secret::RandomSecret;

/// The secret of the current browser: of its session, or of its visit before there is one.
#[derive(Clone)]
pub struct BrowserSecret(pub RandomSecret);

/// The token of every form that is shown to the current browser.
pub struct FormToken(pub String);

impl FormToken {
    /// The token of forms that are shown in a session. It names the user, so that a form that
    /// outlives the session can be given back to whoever filled it in.
    pub fn of_user(session: &RandomSecret, user: UserId) -> Self {
        Self(format!("{}.{user}", session.form_token().expose()))
    }
}

impl FromRequest for FormToken {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let user = extensions.get::<UserCaller>().map(|caller| caller.user().id);
        let token = extensions.get::<BrowserSecret>().map(|BrowserSecret(secret)| match user {
            Some(user) => Self::of_user(secret, user),
            None => Self(secret.form_token().expose()),
        });
        ready(token.ok_or_else(|| Problem::internal("a form is shown on no page")))
    }
}

impl FromRequest for UserCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| Problem::internal("a handler asks for a user who is not there")))
    }
}

//! The fields of a form that the page's guard has read and found to be ours.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::body::read;
use crate::http::error::{Code, Problem};
use crate::model::random_secret::RandomSecret;

/// The field that says a form is ours.
pub const TOKEN: &str = "form_token";

/// A form's fields, in the order in which they were sent.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form from a request's body.
    ///
    /// # Errors
    /// 415 for another type, 413, 408 or 400 for the body.
    pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Problem> {
        let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let detail = "Send the form as Content-Type: application/x-www-form-urlencoded.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let bytes = read(request, payload).await?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// The first value of a field; empty where it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_default()
    }

    /// Every value of a field: of checkboxes with the same name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = move |field: &&(String, String)| field.0 == name;
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// The token it carries.
    pub fn token(&self) -> Option<RandomSecret> {
        RandomSecret::parse(self.text(TOKEN))
    }
}

impl FromRequest for Form {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let form = request.extensions().get::<Self>().cloned();
        ready(form.ok_or_else(|| Problem::internal("a handler asks for a form there is not")))
    }
}

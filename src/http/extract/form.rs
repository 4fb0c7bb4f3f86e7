//! The fields of a form that the page's guard has read and found to be ours.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::body::read;
use crate::domain::Bitting;
use crate::http::error::{Code, Problem};
use crate::model::id::UserId;
use crate::model::random_secret::RandomSecret;
use crate::model::secret::{Brand, mask_those};

/// The field that says a form is ours.
pub const TOKEN: &str = "form_token";
/// The field with what was typed into another form before somebody had to sign in again.
pub const KEPT: &str = "kept";

/// The field with what a form showed when it was still as it came.
pub const SHOWN: &str = "shown";

/// The fields that are new in each form, and not kept.
const OF_ONE_FORM: [&str; 3] = [TOKEN, "nonce", "token"];
/// How much of a form is kept while somebody signs in, in bytes: it comes back as one field, in which it
/// is encoded once more, and must fit into a body then.
const MOST_KEPT: usize = 192 * 1024;

/// How much of a value is read, in characters. Every field but [`WHOLE`] has a lower limit, so that
/// what is cut here is still refused as too long; and a form that is shown again with it stays small.
const LONGEST_VALUE: usize = 2000;
/// Stands where something was cut: white space there would be dropped, and what is left might be short.
const CUT: char = '…';
/// The fields that are never cut, since what is left of a list would be taken for all of it.
const WHOLE: [&str; 2] = [SHOWN, "rules"];

/// What was typed into a form, to be kept while somebody signs in.
pub enum Kept {
    /// All of it, as one text.
    Text(String),
    /// It is too long, and a part of it would be taken for all.
    TooLong,
}

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
        Ok(Self::parse(&bytes))
    }

    /// The first value of a field; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_default()
    }

    /// The fields that somebody filled in, in their order.
    pub fn typed(&self) -> impl Iterator<Item = (&str, &str)> {
        let typed = self.0.iter().map(|(name, value)| (name.as_str(), value.trim()));
        typed.filter(|(name, value)| !value.is_empty() && !OF_ONE_FORM.contains(name))
    }

    /// Every value of a field: of checkboxes with the same name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = move |field: &&(String, String)| field.0 == name;
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// The form token that was sent.
    pub fn token(&self) -> Option<RandomSecret> {
        RandomSecret::parse(self.token_and_author().0)
    }

    /// The user the form was shown to, as it says itself; to be compared with who is signed in now.
    pub fn author(&self) -> Option<UserId> {
        self.token_and_author().1.parse().ok()
    }

    fn token_and_author(&self) -> (&str, &str) {
        let text = self.text(TOKEN);
        text.split_once('.').unwrap_or((text, ""))
    }

    /// A page without the keys and admin tokens that were typed into this form.
    pub fn hidden_in<'a>(&self, page: &'a str, brand: &Brand) -> Cow<'a, str> {
        let typed: Vec<&str> = self
            .typed()
            .map(|(_, value)| value)
            .filter(|value| brand.may_occur_in(value))
            .collect();
        mask_those(page, |secret| typed.iter().any(|value| value.contains(secret)))
    }

    /// What was typed, as one text, without passwords and without anything that holds a key or an
    /// admin token. None if there is nothing to keep.
    pub fn to_keep(&self, bitting: &Bitting) -> Option<Kept> {
        let typed = self.0.iter().filter(|(name, value)| {
            let secret = name.contains("password")
                || name.starts_with("credential_")
                || bitting.may_hold_secret(value);
            !secret && !OF_ONE_FORM.contains(&name.as_str())
        });
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(typed).finish();
        let encoded: usize = form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum();
        match encoded {
            0 => None,
            1..=MOST_KEPT => Some(Kept::Text(text)),
            _ => Some(Kept::TooLong),
        }
    }

    /// The form whose fields were kept as this text.
    pub fn of_kept(text: &str) -> Self {
        Self::parse(text.as_bytes())
    }

    fn parse(bytes: &[u8]) -> Self {
        let field = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            let longest = match name.as_ref() {
                KEPT => MOST_KEPT,
                name if WHOLE.contains(&name) => usize::MAX,
                _ => LONGEST_VALUE,
            };
            (name.into_owned(), cut(value, longest))
        };
        Self(form_urlencoded::parse(bytes).map(field).collect())
    }
}

/// A value of at most so many characters; a longer one loses the white space around it, and what is too
/// much then.
fn cut(value: Cow<'_, str>, longest: usize) -> String {
    let is_longer = |text: &str| text.chars().nth(longest).is_some();
    if !is_longer(&value) {
        return value.into_owned();
    }
    let text = value.trim();
    let end = is_longer(text).then_some(CUT);
    text.chars().take(longest).chain(end).collect()
}

impl FromRequest for Form {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let form = request.extensions().get::<Self>().cloned();
        ready(form.ok_or_else(|| Problem::internal("a handler asks for a form there is not")))
    }
}

/// What was typed into the form at hand before somebody had to sign in again. The page shows it, and
/// sends nothing.
#[derive(Clone, Default)]
pub struct Draft(pub Option<Form>);

impl Draft {
    /// The values the form is filled in with: those of the draft, or else others.
    pub fn or<T>(&self, read: impl FnOnce(&Form) -> T, otherwise: impl FnOnce() -> T) -> T {
        self.0.as_ref().map_or_else(otherwise, read)
    }
}

impl FromRequest for Draft {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_still_too_long() {
        let read =
            |value: &str| Form::parse(format!("name={value}").as_bytes()).text("name").to_owned();
        let (spaces, long) = ("+".repeat(1990), "x".repeat(LONGEST_VALUE));
        assert_eq!(read("+a+"), " a ");
        assert_eq!(read(&format!("{spaces}production-billing")), "production-billing");
        for cut in [format!("{long}y"), format!("{spaces}{long}y"), format!("a{spaces}production")]
        {
            let cut = read(&cut);
            assert_eq!((cut.chars().count(), cut.trim()), (LONGEST_VALUE + 1, cut.as_str()));
        }
        let rules = Form::parse(format!("rules={long}y").as_bytes());
        assert_eq!(rules.text("rules").len(), LONGEST_VALUE + 1);
    }
}

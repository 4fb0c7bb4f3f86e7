//! Every refusal and fault as clients are answered: one type, with a code of [`Code`]'s table.
//!
//! A [`Problem`] is turned into `application/problem+json` (RFC 9457) in one place, the `observe`
//! middleware, which knows the request's id. The cause of a 5xx is logged there and never told.

mod of_domain;
mod of_refusal;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use super::code::Code;
use crate::model::FieldErrors;
use crate::model::secret::mask;
use crate::model::words::Word;

const UNAVAILABLE: &str =
    "The database cannot be reached at the moment, and nothing was changed. Try again shortly.";

/// A refusal or fault, as clients are answered.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    /// The status it is told with, where that is not the code's own.
    told_as: Option<StatusCode>,
    detail: String,
    /// The members of the body beside the standard ones.
    members: Map<String, Value>,
    /// The scope that was needed.
    scope: Option<String>,
    /// The methods that are offered.
    allow: Option<String>,
    /// How many seconds to wait before trying again.
    retry_after: Option<i64>,
    /// The cause, which is logged and never answered.
    cause: Option<String>,
    signed_out: bool,
}

impl Problem {
    /// A problem with a sentence for people.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (detail, members) = (detail.into(), Map::new());
        let soon = matches!(code, Code::Unavailable | Code::IdempotencyInProgress);
        let (told_as, scope, allow, cause) = (None, None, None, None);
        Self(Box::new(Parts {
            code,
            told_as,
            detail,
            members,
            scope,
            allow,
            retry_after: soon.then_some(1),
            cause,
            signed_out: false,
        }))
    }

    /// A fault of the server's own; the cause is logged and not told.
    pub fn internal(cause: impl ToString) -> Self {
        let detail = "Something went wrong on the server. Quote the request id when you report it.";
        Self::new(Code::Internal, detail).caused_by(cause)
    }

    /// The database is out of reach; the cause is logged and not told.
    fn unavailable(cause: impl ToString) -> Self {
        Self::new(Code::Unavailable, UNAVAILABLE).caused_by(cause)
    }

    fn with_member(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    fn caused_by(mut self, cause: impl ToString) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// 405, with the methods that are offered.
    pub fn method_not_allowed(allow: &str) -> Self {
        let mut problem = Self::new(Code::MethodNotAllowed, format!("This path supports {allow}."));
        problem.0.allow = Some(allow.to_owned());
        problem
    }

    /// A session that has ended since the request was accepted. The guard of the page leads to the
    /// login page instead.
    fn signed_out() -> Self {
        let mut problem = Self::new(Code::Forbidden, "You are no longer signed in.");
        problem.0.signed_out = true;
        problem
    }

    /// Whether a session is what is missing.
    pub fn is_signed_out(&self) -> bool {
        self.0.signed_out
    }

    /// A limit that is used up for so many seconds.
    fn limited(code: Code, sentence: &str, seconds: impl Into<i64>) -> Self {
        let seconds = seconds.into();
        Self::new(code, format!("{sentence} Try again in {seconds} s.")).to_be_tried_again(seconds)
    }

    fn insufficient_scope(required: String, granted: Vec<String>, sentence: &str) -> Self {
        let mut problem = Self::new(Code::InsufficientScope, format!("{sentence} {required}."))
            .with_member("required", json!(required))
            .with_member("granted", json!(granted));
        problem.0.scope = Some(required);
        problem
    }

    /// Says after how many seconds it is worth trying again.
    pub fn to_be_tried_again(mut self, seconds: i64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Has it told with another status, to whom does not understand its own.
    pub fn told_as(mut self, status: StatusCode) -> Self {
        self.0.told_as = Some(status);
        self
    }

    /// Adds a sentence for people.
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.0.detail.push(' ');
        self.0.detail.push_str(hint);
        self
    }

    /// The code that programs rely on.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The cause of a fault, which is logged and never answered.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The `WWW-Authenticate` header (RFC 6750 §3), if there is one.
    pub fn challenge(&self) -> Option<String> {
        let parameters = self.0.code.challenge()?;
        let scope = self.0.scope.as_ref().map(|scope| format!(", scope=\"{scope}\""));
        Some(format!("Bearer realm=\"bitting\"{parameters}{}", scope.unwrap_or_default()))
    }

    /// The `Allow` header, if there is one.
    pub fn allow(&self) -> Option<&str> {
        self.0.allow.as_deref()
    }

    /// After how many seconds it is worth trying again, if it is.
    pub fn seconds(&self) -> Option<i64> {
        self.0.retry_after
    }

    /// After how many seconds it is worth trying again, if it is.
    pub fn retry_after(&self) -> Option<String> {
        self.0.retry_after.map(|seconds| seconds.to_string())
    }

    /// The title of the code: the problem in a few words.
    pub fn title(&self) -> &'static str {
        self.0.code.row().1
    }

    /// The problem in a sentence for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The body (RFC 9457 §3). What it quotes of the request may be a secret: that is masked.
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            code: Code,
            request_id: &'a str,
            #[serde(flatten)]
            members: &'a Map<String, Value>,
        }
        let body = Body {
            r#type: format!("urn:bitting:problem:{}", self.0.code.as_str()),
            title: self.title(),
            status: self.status_code().as_u16(),
            detail: &self.0.detail,
            code: self.0.code,
            request_id,
            members: &self.0.members,
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        mask(&text).into_owned().into_bytes()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.told_as.unwrap_or(self.0.code.status())
    }

    /// A response with the status alone, which carries the problem; `observe` makes its body and
    /// headers.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<FieldErrors> for Problem {
    fn from(errors: FieldErrors) -> Self {
        let problem = Self::new(Code::ValidationFailed, errors.summary());
        problem.with_member("errors", json!(errors))
    }
}

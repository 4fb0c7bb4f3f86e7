//! `Idempotency-Key`: by it a client says that a request is the one it sent before.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::{Map, Value};

use super::caller::caller;
use crate::http::error::{Code, Problem};
use crate::model::idempotency::{Attempt, IdempotencyKey, Identity};

/// What identifies this request, if it has an `Idempotency-Key`.
pub struct Idempotency(Option<Identity>);

impl Idempotency {
    /// The request with its body, to be carried out once.
    pub fn attempt(&self, body: &Map<String, Value>) -> Option<Attempt> {
        self.0.map(|identity| Attempt::new(identity, body))
    }
}

impl FromRequest for Idempotency {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request).map(Self))
    }
}

fn read(request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    let mut lines = request.headers().get_all("idempotency-key");
    let Some(line) = lines.next() else { return Ok(None) };
    let key = IdempotencyKey::parse(line.as_bytes()).filter(|_| lines.next().is_none());
    let key = key.ok_or_else(|| {
        Problem::new(
            Code::InvalidIdempotencyKey,
            "Send one Idempotency-Key of 1 to 255 visible ASCII characters.",
        )
    })?;
    let credential = caller()?.public_id();
    // The route and what it names, and not the path, which has many spellings.
    let route = request.match_pattern().unwrap_or_default();
    let id = request.match_info().get("id").unwrap_or_default();
    Ok(Some(Identity::new(&credential, request.method().as_str(), &[&route, id], &key)))
}

//! The id of a request, by which logs, answers and the audit log name it.

use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage, HttpRequest};

use super::fields::RequestFields;
use super::state::State;

/// The longest id that is accepted from a client, in bytes.
const LONGEST_ID: usize = 64;
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request at hand, for handlers.
#[derive(Clone, Copy)]
pub struct RequestId {
    text: [u8; LONGEST_ID],
    length: usize,
}

impl RequestId {
    /// The id of a request: the client's own, or a new one, made when it is first asked for.
    pub fn of(request: &HttpRequest, state: &State) -> Self {
        if let Some(id) = request.extensions().get::<Self>() {
            return *id;
        }
        let id = Self::choose(request.headers(), state);
        request.extensions_mut().insert(id);
        id
    }

    /// The client's own id if it is plain and does not look like a key; else a new one.
    pub(super) fn choose(fields: &impl RequestFields, state: &State) -> Self {
        let given = fields.first(X_REQUEST_ID).filter(|text| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=LONGEST_ID).contains(&text.len())
                && text.bytes().all(plain)
                && !state.bitting.may_hold_secret(text)
        });
        match given {
            Some(given) => Self::new(given.as_bytes()),
            None => Self::new(&state.next_request_id()),
        }
    }

    fn new(bytes: &[u8]) -> Self {
        let length = bytes.len().min(LONGEST_ID);
        let mut text = [0; LONGEST_ID];
        text[..length].copy_from_slice(&bytes[..length]);
        Self { text, length }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

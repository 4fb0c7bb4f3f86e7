//! Header fields, whoever has read them and whoever will write them: actix, in maps, or the fast path,
//! in the bytes that the connection carries.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header fields of a request.
pub trait RequestFields {
    /// The values of all fields with a name, in the order in which they were sent.
    fn all(&self, name: HeaderName) -> impl DoubleEndedIterator<Item = &[u8]>;

    /// The value of the first field with a name, as text.
    fn first(&self, name: HeaderName) -> Option<&str> {
        self.all(name).next().and_then(text)
    }

    /// The value of a field, as text; none unless it was sent exactly once.
    fn only(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value).and_then(text)
    }
}

impl RequestFields for HeaderMap {
    fn all(&self, name: HeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.get_all(name).map(HeaderValue::as_bytes)
    }
}

/// The header fields of an answer.
pub trait AnswerFields {
    /// Adds a field; there is none with its name yet.
    fn put(&mut self, name: &HeaderName, value: &[u8]);
}

impl AnswerFields for HeaderMap {
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.append(name.clone(), value);
        }
    }
}

/// A value as text, if it is visible ASCII.
fn text(value: &[u8]) -> Option<&str> {
    let is_visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    value.iter().all(is_visible).then(|| std::str::from_utf8(value).ok())?
}

//! An answer as the bytes that a connection carries (RFC 9112 §4).

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::HeaderName;
use rustix::time::{ClockId, clock_gettime};

use super::fields::AnswerFields;

/// An answer with the status 200 that is being written: its fields are put into it, then its body.
pub(super) struct RawAnswer<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where it begins: others may stand before it.
    start: usize,
}

impl<'a> RawAnswer<'a> {
    /// Begins an answer with a body of this length.
    pub(super) fn begin(bytes: &'a mut Vec<u8>, length: usize, dates: &Dates) -> Self {
        let start = bytes.len();
        bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: ");
        let digits = [length / 10, length % 10].map(|digit| b'0' + digit as u8);
        bytes.extend_from_slice(&digits[usize::from(length < 10)..]);
        bytes.extend_from_slice(b"\r\ndate: ");
        dates.write(bytes);
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, start }
    }

    /// Adds field lines as they stand in a message.
    pub(super) fn put_lines(&mut self, lines: &[u8]) {
        self.bytes.extend_from_slice(lines);
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) {
        self.bytes.truncate(self.start);
    }

    /// Ends it.
    pub(super) fn end(self, body: &[u8]) {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(body);
    }
}

impl AnswerFields for RawAnswer<'_> {
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        let (bytes, name) = (&mut *self.bytes, name.as_str());
        bytes.reserve(name.len() + value.len() + 4);
        // In no loop, so that the two of known length are stored without a call.
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
}

/// The time of day as answers say it, written once a second.
#[derive(Default)]
pub(super) struct Dates(RefCell<(u64, String)>);

impl Dates {
    fn write(&self, bytes: &mut Vec<u8>) {
        let second = clock_gettime(ClockId::RealtimeCoarse).tv_sec.unsigned_abs();
        let mut known = self.0.borrow_mut();
        if known.0 != second || known.1.is_empty() {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            *known = (second, date);
        }
        bytes.extend_from_slice(known.1.as_bytes());
    }
}

//! How an answer is encoded, although nobody has asked for that: gzip is undone, and nothing else is read.

use http::header::{CONTENT_ENCODING, HeaderMap};

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is encoded, although that was not asked for")]
pub struct Encoded;

/// Whether an answer is compressed with gzip.
///
/// # Errors
/// When it is encoded in another way, or more than once, as each line and each word of one may say.
pub fn is_zipped(headers: &HeaderMap) -> Result<bool, Encoded> {
    let mut lines = headers.get_all(CONTENT_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(false),
        (Some(only), None) => match only.as_bytes().to_ascii_lowercase().as_slice() {
            b"identity" => Ok(false),
            b"gzip" | b"x-gzip" => Ok(true),
            _ => Err(Encoded),
        },
        (Some(_), Some(_)) => Err(Encoded),
    }
}

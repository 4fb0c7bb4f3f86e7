//! Content that is the same for everybody as long as the program runs: the files of the pages, and
//! the API document. Each is compressed once, and has a strong `ETag` for either form.
//!
//! It is asked for again each time it is used, so that a new program's pages never meet an old
//! program's files; where nothing has changed, the answer is empty.

use std::io::Write;

use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding, ETAG,
    Encoding, Header, IF_NONE_MATCH, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::extract::preconditions::versions;
use crate::model::precondition::EntityTag;
use crate::model::secret::Digest;

/// Content with its type.
pub struct Constant {
    media_type: &'static str,
    plain: Form,
    /// The compressed form, if it is shorter.
    compressed: Option<Form>,
}

/// One form in which content is sent.
struct Form {
    bytes: Bytes,
    tag: EntityTag,
}

impl Constant {
    /// Prepares content to be sent.
    pub fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mut digits = Digest::of(&bytes).to_hex();
        digits.truncate(32);
        let compressed = gzip(&bytes).filter(|shorter| shorter.len() < bytes.len());
        let compressed = compressed
            .map(|bytes| Form { bytes: bytes.into(), tag: EntityTag(format!("{digits}-gzip")) });
        let plain = Form { bytes, tag: EntityTag(digits) };
        Self { media_type, plain, compressed }
    }

    /// The content as it is.
    pub fn bytes(&self) -> &[u8] {
        &self.plain.bytes
    }

    /// Answers a request for it.
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let compressed = self.compressed.as_ref().filter(|_| takes_gzip(request));
        let form = compressed.unwrap_or(&self.plain);
        let known = versions(request.headers(), IF_NONE_MATCH);
        let known = known.is_some_and(|versions| versions.include(&form.tag));
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((ETAG, form.tag.to_string()))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((VARY, ACCEPT_ENCODING.as_str()));
        if known {
            return response.finish();
        }
        if compressed.is_some() {
            response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip));
        }
        response.content_type(self.media_type).body(form.bytes.clone())
    }
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = AcceptEncoding::parse(request).ok();
    let supported = [Encoding::gzip(), Encoding::identity()];
    accepted.and_then(|accepted| accepted.negotiate(supported.iter())) == Some(Encoding::gzip())
}

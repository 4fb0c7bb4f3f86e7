//! Content that is the same for everybody as long as the program runs: the files of the pages, and
//! the API document. Each is compressed once, and has a strong `ETag` for either form.
//!
//! It is asked for again each time it is used, so that a new program's pages never meet an old
//! program's files; where nothing has changed, the answer is empty.

use std::io::Write;

use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding, ETAG,
    Encoding, Header, HeaderValue, IF_NONE_MATCH, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

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
    etag: String,
}

impl Constant {
    /// Prepares content to be sent.
    pub fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes);
        let digits: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let compressed = gzip(&bytes).filter(|shorter| shorter.len() < bytes.len());
        let compressed = compressed
            .map(|bytes| Form { bytes: bytes.into(), etag: format!("\"{digits}-gzip\"") });
        let plain = Form { bytes, etag: format!("\"{digits}\"") };
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
        let known =
            request.headers().get(IF_NONE_MATCH).is_some_and(|tags| is_known(tags, &form.etag));
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((ETAG, form.etag.as_str()))
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

/// Whether `If-None-Match` names this entity tag (RFC 9110 §13.1.2).
fn is_known(tags: &HeaderValue, etag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

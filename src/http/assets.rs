//! Files that are part of the program: styles, scripts and the mark, under `/static`.
//!
//! Every file has a strong `ETag`, and is asked for again each time it is used, so that a new
//! program's pages never meet an old program's files.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::error::{Code, Problem};

/// One file.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    etag: String,
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MARK: &str = "mark.svg";

static ASSETS: LazyLock<[Asset; 11]> = LazyLock::new(|| {
    [
        stored("bitting.css", CSS, include_bytes!("../../static/bitting.css")),
        stored("docs.css", CSS, include_bytes!("../../static/docs.css")),
        stored("docs.js", SCRIPT, include_bytes!("../../static/docs.js")),
        stored("copy.js", SCRIPT, include_bytes!("../../static/copy.js")),
        stored("key.js", SCRIPT, include_bytes!("../../static/key.js")),
        stored("key-made.js", SCRIPT, include_bytes!("../../static/key-made.js")),
        stored("new-key.js", SCRIPT, include_bytes!("../../static/new-key.js")),
        stored("permissions.js", SCRIPT, include_bytes!("../../static/permissions.js")),
        stored("rights.js", SCRIPT, include_bytes!("../../static/rights.js")),
        stored("tokens.js", SCRIPT, include_bytes!("../../static/tokens.js")),
        stored(MARK, SVG, include_bytes!("../../static/mark.svg")),
    ]
});

fn stored(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, media_type, bytes, etag: etag_of(bytes) }
}

/// `GET /static/{name}`
pub async fn serve(request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&request, request.match_info().get("name").unwrap_or_default())
}

/// `GET /favicon.ico`, which browsers ask for unasked.
pub async fn favicon(request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&request, MARK)
}

fn answer(request: &HttpRequest, name: &str) -> Result<HttpResponse, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let asset =
        asset.ok_or_else(|| Problem::new(Code::NotFound, "There is nothing at this path."))?;
    let known =
        request.headers().get(IF_NONE_MATCH).is_some_and(|tags| is_known(tags, &asset.etag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .content_type(asset.media_type)
        .insert_header((ETAG, asset.etag.as_str()))
        .insert_header((CACHE_CONTROL, "no-cache"));
    if known {
        return Ok(response.finish());
    }
    Ok(response.body(asset.bytes))
}

/// A strong entity tag: the content's own digest.
pub fn etag_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest[..16].iter().map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

/// Whether `If-None-Match` names this entity tag (RFC 9110 §13.1.2).
pub fn is_known(tags: &HeaderValue, etag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

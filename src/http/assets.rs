//! Files that are part of the program: styles, scripts and the mark, under `/static`.
//!
//! Large ones are stored compressed. Every file has a strong `ETag`, and is asked for again each
//! time it is used, so that a new program's pages never meet an old program's files.

use std::io::Read;
use std::sync::LazyLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::error::{Code, Problem};

/// One file, in the two forms in which it may be sent.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    plain: Form,
    gzip: Option<Form>,
}

struct Form {
    bytes: Vec<u8>,
    etag: String,
}

impl Form {
    fn of(bytes: Vec<u8>) -> Self {
        Self { etag: etag_of(&bytes), bytes }
    }
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MARK: &str = "mark.svg";

static ASSETS: LazyLock<[Asset; 13]> = LazyLock::new(|| {
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
        compressed(
            "swagger-ui.css",
            CSS,
            include_bytes!("../../static/swagger-ui/swagger-ui.css.gz"),
        ),
        compressed(
            "swagger-ui-bundle.js",
            SCRIPT,
            include_bytes!("../../static/swagger-ui/swagger-ui-bundle.js.gz"),
        ),
    ]
});

fn stored(name: &'static str, media_type: &'static str, bytes: &[u8]) -> Asset {
    Asset { name, media_type, plain: Form::of(bytes.to_vec()), gzip: None }
}

fn compressed(name: &'static str, media_type: &'static str, gzip: &[u8]) -> Asset {
    let mut plain = Vec::new();
    // What is compiled in unpacks: a test does it.
    let _ = GzDecoder::new(gzip).read_to_end(&mut plain);
    Asset { name, media_type, plain: Form::of(plain), gzip: Some(Form::of(gzip.to_vec())) }
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
    let gzip = asset.gzip.as_ref().filter(|_| takes_gzip(request.headers()));
    let form = gzip.unwrap_or(&asset.plain);
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|tags| is_known(tags, &form.etag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .content_type(asset.media_type)
        .insert_header((ETAG, form.etag.as_str()))
        .insert_header((CACHE_CONTROL, "no-cache"));
    if asset.gzip.is_some() {
        response.insert_header((VARY, "Accept-Encoding"));
    }
    if known {
        return Ok(response.finish());
    }
    if gzip.is_some() {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(form.bytes.as_slice()))
}

/// Whether a client takes gzip (RFC 9110 §12.5.3); a weight of nothing refuses it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| {
        let (coding, weight) = offer.split_once(';').unwrap_or((offer, ""));
        let weight = weight.trim().trim_start_matches("q=");
        let refused = weight.parse::<f32>().is_ok_and(|weight| weight == 0.0);
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendored_files_are_those_of_the_package() {
        for (name, sha256) in [
            ("swagger-ui.css", "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d"),
            (
                "swagger-ui-bundle.js",
                "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
            ),
        ] {
            let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap();
            let digest = Sha256::digest(&asset.plain.bytes);
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits, sha256, "{name}");
        }
    }

    #[test]
    fn gzip_is_sent_only_to_who_takes_it() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate,gzip; q=1"));
        assert!(
            !takes("") && !takes("br") && !takes("gzip;q=0") && !takes("identity, gzip; q=0.0")
        );
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}

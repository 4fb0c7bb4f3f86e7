//! Files that are part of the program: styles, scripts and the mark, under `/static`.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};

use super::constant::Constant;
use super::error::{Code, Problem};

/// A file with its name.
type Asset = (&'static str, Constant);

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MARK: &str = "mark.svg";

static ASSETS: LazyLock<[Asset; 15]> = LazyLock::new(|| {
    [
        stored("bitting.css", CSS, include_bytes!("../../static/bitting.css")),
        stored("docs.css", CSS, include_bytes!("../../static/docs.css")),
        stored("docs.js", SCRIPT, include_bytes!("../../static/docs.js")),
        stored("docs-try.js", SCRIPT, include_bytes!("../../static/docs-try.js")),
        stored("copy.js", SCRIPT, include_bytes!("../../static/copy.js")),
        stored("key.js", SCRIPT, include_bytes!("../../static/key.js")),
        stored("key-made.js", SCRIPT, include_bytes!("../../static/key-made.js")),
        stored("new-key.js", SCRIPT, include_bytes!("../../static/new-key.js")),
        stored("once.js", SCRIPT, include_bytes!("../../static/once.js")),
        stored("password.js", SCRIPT, include_bytes!("../../static/password.js")),
        stored("permissions.js", SCRIPT, include_bytes!("../../static/permissions.js")),
        stored("resume.js", SCRIPT, include_bytes!("../../static/resume.js")),
        stored("rights.js", SCRIPT, include_bytes!("../../static/rights.js")),
        stored("tokens.js", SCRIPT, include_bytes!("../../static/tokens.js")),
        stored(MARK, SVG, include_bytes!("../../static/mark.svg")),
    ]
});

fn stored(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Asset {
    (name, Constant::new(media_type, bytes))
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
    let found = ASSETS.iter().find(|(known, _)| *known == name);
    let (_, content) =
        found.ok_or_else(|| Problem::new(Code::NotFound, "There is nothing at this path."))?;
    Ok(content.answer(request))
}

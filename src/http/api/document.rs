//! The API document over HTTP.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::assets::{etag_of, is_known};
use crate::http::state::State;

/// The document; it depends on no credential, and changes only with the program.
pub async fn show(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let text = state.document();
    let etag = etag_of(text.as_bytes());
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|tags| is_known(tags, &etag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((ETAG, etag)).insert_header((CACHE_CONTROL, "no-cache"));
    if known {
        return response.finish();
    }
    response.content_type("application/json").body(text.to_owned())
}

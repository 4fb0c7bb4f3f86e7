//! What fuzz targets reach of what requests bring along.

use actix_web::HttpRequest;

use super::cookies::OwnCookie;
use super::state::HttpSettings;
use crate::model::random_secret::RandomSecret;

/// The secret in a request's own cookie of this name.
pub fn own_cookie(name: &str, request: &HttpRequest) -> Option<RandomSecret> {
    OwnCookie::named(name, request, &HttpSettings::default()).read(request)
}

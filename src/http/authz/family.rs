//! Where a proxy says which request it asks about. Each family of proxies lets its clients forge the
//! headers of the others, so each has an endpoint that reads its own alone.

use actix_web::dev::RequestHead;
use actix_web::http::header::HeaderName;

use crate::http::fields::RequestFields;

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// How a proxy says which request it asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// nginx's `auth_request`.
    Nginx,
    /// Caddy's `forward_auth`, Traefik's ForwardAuth, HAProxy.
    Forwarded,
    /// Envoy's `ext_authz` over HTTP.
    Envoy,
}

/// The method and target of the request that is asked about; none if it is not said exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The request's method.
    pub method: Option<&'a str>,
    /// The request's path and query.
    pub target: Option<&'a str>,
}

impl Family {
    /// Every family of proxies.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Forwarded, Self::Envoy];

    /// The path of the family's endpoint. Envoy's is a prefix of the paths that are asked about.
    pub fn path(self) -> &'static str {
        match self {
            Self::Nginx => "/authz/nginx",
            Self::Forwarded => "/authz/forwarded",
            Self::Envoy => "/authz/envoy",
        }
    }

    /// The path of the family's endpoint, as the router's pattern.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::Nginx | Self::Forwarded => self.path(),
            Self::Envoy => "/authz/envoy{asked:.*}",
        }
    }

    /// The family whose endpoint has this path.
    pub fn of_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/authz/")?;
        match rest {
            "nginx" => Some(Self::Nginx),
            "forwarded" => Some(Self::Forwarded),
            _ => rest.strip_prefix("envoy/").map(|_| Self::Envoy),
        }
    }

    /// The request that a proxy of this family asks about, by its own one with this method, target and
    /// fields.
    pub fn asked<'a>(
        self,
        method: &'a str,
        target: &'a str,
        fields: &'a impl RequestFields,
    ) -> Asked<'a> {
        let field = |name| fields.only(name);
        match self {
            Self::Nginx => {
                Asked { method: field(X_ORIGINAL_METHOD), target: field(X_ORIGINAL_URI) }
            }
            Self::Forwarded => {
                Asked { method: field(X_FORWARDED_METHOD), target: field(X_FORWARDED_URI) }
            }
            Self::Envoy => Asked { method: Some(method), target: target.strip_prefix(self.path()) },
        }
    }
}

/// The path and query of a request itself.
pub(super) fn target(head: &RequestHead) -> &str {
    head.uri.path_and_query().map_or(head.uri.path(), |target| target.as_str())
}

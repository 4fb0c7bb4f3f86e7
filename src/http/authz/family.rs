//! Where a proxy says which request it asks about. Each family of proxies lets its clients forge the
//! headers of the others, so each has an endpoint that reads its own alone.

use actix_web::dev::RequestHead;

/// How a proxy hands a request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// nginx's `auth_request`.
    Nginx,
    /// Caddy's `forward_auth`, Traefik's ForwardAuth, HAProxy.
    Forwarded,
    /// Envoy's `ext_authz` over HTTP.
    Envoy,
}

/// The method and the target of the request that is asked about; none where it is not said, or not
/// exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Its method.
    pub method: Option<&'a str>,
    /// Its path, and its query.
    pub target: Option<&'a str>,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Forwarded, Self::Envoy];

    /// The path of its endpoint. That of Envoy is a prefix of the paths that are asked about.
    pub fn path(self) -> &'static str {
        match self {
            Self::Nginx => "/authz/nginx",
            Self::Forwarded => "/authz/forwarded",
            Self::Envoy => "/authz/envoy",
        }
    }

    /// The path of its endpoint as the router writes it.
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

    /// What it asks about.
    pub fn asked(self, head: &RequestHead) -> Asked<'_> {
        let header = |name| only(head, name);
        match self {
            Self::Nginx => {
                Asked { method: header("x-original-method"), target: header("x-original-uri") }
            }
            Self::Forwarded => {
                Asked { method: header("x-forwarded-method"), target: header("x-forwarded-uri") }
            }
            Self::Envoy => Asked {
                method: Some(head.method.as_str()),
                target: head.uri.path().strip_prefix(self.path()),
            },
        }
    }
}

/// The value of a header that is there once, as text.
fn only<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    let mut values = head.headers().get_all(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)?.to_str().ok()
}

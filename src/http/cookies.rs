//! The cookies of ours: the secret of somebody's session, and of a browser before there is one.
//!
//! Names and values are compared as they were sent, and nothing is decoded. Browsers guard the
//! prefix `__Host-` on the name as it stands: one that only becomes ours by decoding may have been
//! set by another host.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{COOKIE, HOST, HeaderMap, SET_COOKIE};
use actix_web::http::uri::{Authority, Uri};
use actix_web::{HttpRequest, HttpResponse};

use super::state::{HttpSettings, State};
use crate::model::random_secret::RandomSecret;

/// A cookie that the browser sends to this host alone, and to nobody's scripts.
pub struct OwnCookie {
    name: String,
    secure: bool,
}

impl OwnCookie {
    /// The cookie with the secret of a session.
    pub fn session(request: &HttpRequest, state: &State) -> Self {
        Self::named("bitting_session", request, &state.settings)
    }

    /// The cookie with the secret of a browser that nobody is signed in with.
    pub fn visitor(request: &HttpRequest, state: &State) -> Self {
        Self::named("bitting_visitor", request, &state.settings)
    }

    pub(super) fn named(name: &str, request: &HttpRequest, settings: &HttpSettings) -> Self {
        let secure = settings.is_encrypted();
        let prefix = if secure { "__Host-" } else { "" };
        let port = port(request.headers(), settings.public_url.as_deref());
        let suffix = port.map(|port| format!("_{port}")).unwrap_or_default();
        Self { name: format!("{prefix}{name}{suffix}"), secure }
    }

    /// The secret the browser sent in this cookie. Of two, one was planted by somebody else, so
    /// neither counts.
    pub fn read(&self, request: &HttpRequest) -> Option<RandomSecret> {
        let lines = request.headers().get_all(COOKIE);
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let mut values = pairs.filter_map(|pair| {
            let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
            (trimmed(name) == self.name.as_bytes()).then_some(trimmed(&value[1..]))
        });
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        RandomSecret::parse(std::str::from_utf8(value).ok()?)
    }

    /// Sets the cookie in the browser.
    pub fn give(&self, response: &mut HttpResponse, secret: &RandomSecret) {
        append(response, &self.with(secret.expose()));
    }

    /// Deletes the cookie in the browser.
    pub fn take(&self, response: &mut HttpResponse) {
        let mut gone = self.with(String::new());
        gone.make_removal();
        append(response, &gone);
    }

    fn with(&self, value: String) -> Cookie<'_> {
        Cookie::build(self.name.as_str(), value)
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .finish()
    }
}

fn append(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Ok(value) = cookie.to_string().parse() {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Trims the spaces and tabs that browsers trim too; any other white space belongs to a name.
fn trimmed(text: &[u8]) -> &[u8] {
    let kept = |byte: &u8| *byte != b' ' && *byte != b'\t';
    let from = text.iter().position(kept).unwrap_or(text.len());
    let to = text.iter().rposition(kept).map_or(from, |last| last + 1);
    &text[from..to]
}

/// The port that people reach the server at, unless it is their scheme's own. Browsers send a
/// host's cookies to all of its ports, so their names have to tell two servers apart; servers
/// behind one balancer are reached at one port, and share the name.
fn port(headers: &HeaderMap, public_url: Option<&str>) -> Option<u16> {
    let port = match public_url {
        Some(url) => url.parse::<Uri>().ok()?.port_u16(),
        None => headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok()?.port_u16(),
    };
    port.filter(|port| ![80, 443].contains(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_cookies_name_is_that_of_the_port_people_use() {
        let name = |public_url: Option<&str>, host: &str| {
            let request = TestRequest::default().insert_header((HOST, host)).to_http_request();
            let public_url = public_url.map(str::to_owned);
            let settings = HttpSettings { public_url, ..HttpSettings::default() };
            OwnCookie::named("s", &request, &settings).name
        };
        for host in ["keys.example.com", "keys.example.com:80", "[::1]", "not a host", ":"] {
            assert_eq!(name(None, host), "s", "{host}");
        }
        assert_eq!(name(None, "127.0.0.1:8080"), "s_8080");
        assert_eq!(name(None, "[::1]:9000"), "s_9000");
        assert_eq!(name(Some("http://keys.example.com:8081"), "10.0.0.1:8080"), "s_8081");
        assert_eq!(name(Some("https://keys.example.com"), "10.0.0.1:8080"), "__Host-s");
        assert_eq!(name(Some("https://keys.example.com:443"), "10.0.0.1:8080"), "__Host-s");
        assert_eq!(name(Some("https://keys.example.com:8443"), "127.0.0.1"), "__Host-s_8443");
    }

    #[test]
    fn only_the_one_cookie_of_exactly_this_name_counts() {
        let secret = RandomSecret::generate().unwrap();
        let text = secret.expose();
        let read = |lines: &[Vec<u8>]| {
            let mut request = TestRequest::default();
            for line in lines {
                request = request.append_header((COOKIE, line.as_slice()));
            }
            let own = OwnCookie { name: "__Host-s".to_owned(), secure: true };
            own.read(&request.to_http_request())
        };
        let with = |before: &[u8], after: &[u8]| {
            vec![[before, b"__Host-s=", text.as_bytes(), after].concat()]
        };
        for (before, after) in [
            (&b""[..], &b""[..]),
            (b"a=b; ", b"; c"),
            (b"\xff\xfe=\xff;", b"; x=%ff"),
            (b";;=;\t", b" ;"),
            (b"%5F_Host-s=planted; __host-s=x; __Host-s2=y; ", b""),
        ] {
            assert_eq!(read(&with(before, after)), Some(secret.clone()), "{before:?}");
        }
        for line in [
            format!("%5F_Host-s={text}"),
            format!("__Host%2Ds={text}"),
            format!("__host-s={text}"),
            format!("\u{3000}__Host-s={text}"),
            format!("__Host-s\u{a0}={text}"),
            format!("__Host-s=\"{text}\""),
            format!("__Host-s={}%41", &text[..42]),
            format!("__Host-s={text}; __Host-s={text}"),
            "__Host-s".to_owned(),
            "__Host-s=".to_owned(),
        ] {
            assert_eq!(read(&[line.clone().into_bytes()]), None, "{line}");
        }
        let twice = [with(b"", b""), with(b"a=b;", b"")].concat();
        assert_eq!(read(&twice), None);
    }
}

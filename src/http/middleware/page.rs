//! The guard of one page: does the request come from a page of ours, who is signed in, may they.
//!
//! Every POST is a form of ours: it is read here, once, and its token is compared before anything
//! else happens, so that no handler can forget to. A form without a session, to sign in with, is
//! tied to the browser by a cookie of its own.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HOST, HeaderName, LOCATION, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::FutureExt;

use crate::auth::session::{PageNeed, PageRefusal, UserCaller, admit, look_up};
use crate::http::cookies::OwnCookie;
use crate::http::error::{Code, Problem};
use crate::http::extract::form::Form;
use crate::http::state::State;
use crate::model::random_secret::RandomSecret;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Marks a request whose problems are told as a page.
pub struct AsPage;

/// The secret of the browser at hand: of its session, or of its visit before there is one.
#[derive(Clone)]
pub struct BrowserSecret(pub RandomSecret);

/// What the guard of one page knows.
pub struct Page {
    state: web::Data<State>,
    need: PageNeed,
    methods: Vec<Method>,
    allow: String,
}

impl Page {
    /// The guard of a page of the URL table.
    pub fn new(state: web::Data<State>, need: PageNeed, methods: &[Method]) -> Rc<Self> {
        let mut allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
        allow.push("OPTIONS");
        let allow = allow.join(", ");
        Rc::new(Self { state, need, methods: methods.to_vec(), allow })
    }

    /// Lets a request through to its handler, or answers it.
    ///
    /// # Errors
    /// The handler's own.
    pub async fn guard(
        self: Rc<Self>,
        mut request: ServiceRequest,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        request.extensions_mut().insert(AsPage);
        let fresh = match self.open(&mut request).await {
            Ok(fresh) => fresh,
            Err(answer) => return Ok(request.into_response(answer)),
        };
        let original = request.request().clone();
        let handled = AssertUnwindSafe(next.call(request)).catch_unwind().await;
        // A handler that panics ends its own request, and nothing else.
        let mut response = handled.unwrap_or_else(|_panic| {
            let problem = Problem::internal("a handler panicked");
            Ok(ServiceResponse::new(original, problem.error_response()))
        })?;
        if let Some(secret) = fresh {
            let cookie = OwnCookie::visitor(response.request(), &self.state);
            cookie.give(response.response_mut(), &secret);
        }
        Ok(response)
    }

    /// Puts what a handler takes into the request. Returns a visitor's new secret, if there is one;
    /// an error is the answer.
    async fn open(
        &self,
        request: &mut ServiceRequest,
    ) -> Result<Option<RandomSecret>, HttpResponse> {
        let refuse = |problem: Problem| problem.error_response();
        if request.method() == Method::OPTIONS {
            let allow = (ALLOW, self.allow.as_str());
            return Err(HttpResponse::NoContent().insert_header(allow).finish());
        }
        if !self.methods.contains(request.method()) {
            return Err(refuse(Problem::method_not_allowed(&self.allow)));
        }
        let posted = request.method() == Method::POST;
        if posted {
            check_source(request.request(), &self.state).map_err(refuse)?;
        }
        let (secret, fresh) = match self.need {
            PageNeed::Visitor => visitor_secret(request.request(), &self.state).map_err(refuse)?,
            PageNeed::User(_) => {
                match OwnCookie::session(request.request(), &self.state).read(request.request()) {
                    Some(secret) => (secret, None),
                    None => return Err(sign_in(request.request())),
                }
            }
        };
        let caller = self.caller(request.request(), &secret).await?;
        if posted {
            let payload = request.take_payload();
            let form = Form::read(request.request(), payload).await.map_err(refuse)?;
            if form.token() != Some(secret.form_token()) {
                return Err(refuse(not_our_page()));
            }
            request.extensions_mut().insert(form);
        }
        let mut extensions = request.extensions_mut();
        extensions.insert(BrowserSecret(secret));
        if let Some(caller) = caller {
            extensions.insert(caller);
        }
        Ok(fresh)
    }

    async fn caller(
        &self,
        request: &HttpRequest,
        secret: &RandomSecret,
    ) -> Result<Option<UserCaller>, HttpResponse> {
        let found = match self.need {
            PageNeed::Visitor => None,
            PageNeed::User(_) => {
                let secret = secret.clone();
                let found = self.state.run(move |bitting| look_up(bitting, &secret)).await;
                found.map_err(|problem| problem.error_response())?
            }
        };
        admit(self.need, found).map_err(|refusal| match refusal {
            PageRefusal::SignIn => sign_in(request),
            PageRefusal::Forbidden => {
                let detail = "Your role does not allow this page.";
                Problem::new(Code::Forbidden, detail).error_response()
            }
        })
    }
}

fn not_our_page() -> Problem {
    Problem::new(
        Code::Forbidden,
        "This form does not come from a page of this site that you opened lately, or your browser \
         sends no cookies. Open the page again and send it once more.",
    )
}

fn hidden_origin() -> Problem {
    Problem::new(
        Code::Forbidden,
        "Your browser was told not to say where this form comes from (it sent Origin: null), so it \
         cannot be told from somebody else's. A proxy in front of this server probably adds the \
         header Referrer-Policy: no-referrer: remove it there, or make it same-origin, then open \
         the page again.",
    )
}

/// To the login page; a page that was only to be read is opened after it.
fn sign_in(request: &HttpRequest) -> HttpResponse {
    let mut to = "/login".to_owned();
    if request.method() != Method::POST && request.path() != "/" {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        to.push_str("?next=");
        to.extend(form_urlencoded::byte_serialize(path.as_bytes()));
    }
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}

/// Whether a form was sent from a page of this site, as far as the browser says. One that says
/// nothing of it has no cookies of ours to misuse, or is caught by the form's token.
fn check_source(request: &HttpRequest, state: &State) -> Result<(), Problem> {
    let headers = request.headers();
    let site = headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(not_our_page());
    }
    let mut origins = headers.get_all(ORIGIN);
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return Ok(()),
        (Some(origin), None) => origin.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => return Err(not_our_page()),
    };
    let same = match &state.settings.public_url {
        _ if origin == "null" && site == Some(b"same-origin") => true,
        _ if origin == "null" => return Err(hidden_origin()),
        Some(url) => origin.eq_ignore_ascii_case(origin_of(url)),
        None => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            let said = origin.split_once("://").map(|(_, host)| host);
            host.zip(said).is_some_and(|(host, said)| host.eq_ignore_ascii_case(said))
        }
    };
    if same { Ok(()) } else { Err(not_our_page()) }
}

/// The scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |at| &url[..host + at])
}

/// The browser's secret before it has a session, and the same once more if it is new.
fn visitor_secret(
    request: &HttpRequest,
    state: &State,
) -> Result<(RandomSecret, Option<RandomSecret>), Problem> {
    if let Some(secret) = OwnCookie::visitor(request, state).read(request) {
        return Ok((secret, None));
    }
    let secret = RandomSecret::generate().map_err(Problem::internal)?;
    Ok((secret.clone(), Some(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin_of("https://keys.example.com"), "https://keys.example.com");
        assert_eq!(origin_of("https://example.com:8443/keys/"), "https://example.com:8443");
    }
}

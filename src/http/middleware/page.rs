//! The guard of one page: does the request come from a page of ours, who is signed in, may they.
//!
//! Every POST is a form of ours: it is read here, once, and its token is compared before anything
//! else happens, so that no handler can forget to. A form without a session, to sign in with, is
//! tied to the browser by a cookie of its own.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, HOST, HeaderName, LOCATION, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use serde_json::json;

use crate::domain::principal::Principal;
use crate::domain::users::signed_in::{PageNeed, PageRefusal, admit, look_up};
use crate::http::cookies::OwnCookie;
use crate::http::error::{Code, Problem};
use crate::http::extract::FormToken;
use crate::http::extract::form::{Draft, Form, KEPT, Kept};
use crate::http::extract::form_token::BrowserSecret;
use crate::http::pages::account::login::interrupted;
use crate::http::state::State;
use crate::model::actor::ClientInfo;
use crate::model::id::UserId;
use crate::model::random_secret::RandomSecret;
use crate::model::secret::Brand;
use crate::model::secret::mask;
use crate::model::user::User;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Marks a request whose problems are answered as a page.
pub struct AsPage;

/// Marks a form of an earlier session, which is refused and shown again.
struct Outdated;

/// The guard of one page.
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
        let outdated = response.request().extensions().contains::<Outdated>();
        if outdated && response.status().is_success() {
            *response.response_mut().status_mut() = StatusCode::FORBIDDEN;
        }
        let problem = response.response().extensions().get::<Problem>().cloned();
        if problem.is_some_and(|problem| problem.is_signed_out()) {
            let form = response.request().extensions().get::<Form>().cloned();
            let answer = self.ask_to_sign_in(response.request(), form);
            response = response.into_response(answer);
        }
        let form = response.request().extensions().get::<Form>().cloned();
        if let Some(form) = form {
            response =
                response.map_body(|_, body| without_keys(&form, &self.state.bitting.brand, body));
        }
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
        if request.method() == Method::OPTIONS {
            let allow = (ALLOW, self.allow.as_str());
            return Err(HttpResponse::NoContent().insert_header(allow).finish());
        }
        if !self.methods.contains(request.method()) {
            return Err(refuse(Problem::method_not_allowed(&self.allow)));
        }
        let form = if request.method() == Method::POST {
            check_source(request.request(), &self.state).map_err(refuse)?;
            let payload = request.take_payload();
            Some(Form::read(request.request(), payload).await.map_err(refuse)?)
        } else {
            None
        };
        match self.need {
            PageNeed::Visitor => self.open_to_visitor(request, form).map_err(refuse),
            PageNeed::User(_) => self.open_to_user(request, form).await.map(|()| None),
        }
    }

    fn open_to_visitor(
        &self,
        request: &ServiceRequest,
        form: Option<Form>,
    ) -> Result<Option<RandomSecret>, Problem> {
        let (secret, fresh) = visitor_secret(request.request(), &self.state)?;
        let mut extensions = request.extensions_mut();
        if let Some(form) = form {
            if form.token() != Some(secret.form_token()) {
                return Err(not_our_page());
            }
            extensions.insert(form);
        }
        extensions.insert(BrowserSecret(secret));
        Ok(fresh)
    }

    /// The session is looked up when the whole form is there: it may have ended while that came.
    async fn open_to_user(
        &self,
        request: &mut ServiceRequest,
        form: Option<Form>,
    ) -> Result<(), HttpResponse> {
        let secret = OwnCookie::session(request.request(), &self.state).read(request.request());
        let found = match secret.clone() {
            Some(secret) => {
                let found = self.state.run(move |bitting| look_up(bitting, &secret)).await;
                found.map_err(refuse)?
            }
            None => None,
        };
        let user = found.as_ref().map(|found| found.user().clone());
        let (secret, caller) = match (admit(self.need, found), secret, user) {
            (Ok(Some(caller)), Some(secret), _) => (secret, caller),
            (Err(PageRefusal::Forbidden), _, Some(user)) => {
                return Err(self.forbid(request.request(), user).await);
            }
            (Err(_) | Ok(_), _, _) => return Err(self.ask_to_sign_in(request.request(), form)),
        };
        if let Some(form) = form {
            self.take(request, form, &secret, caller.user().id).map_err(refuse)?;
        }
        let mut extensions = request.extensions_mut();
        extensions.insert(BrowserSecret(secret));
        extensions.insert(caller);
        Ok(())
    }

    /// Refuses a page to somebody in another role, and records that in the audit log.
    async fn forbid(&self, request: &HttpRequest, user: User) -> HttpResponse {
        let client = ClientInfo::from_request(request, &mut Payload::None).into_inner();
        let client = client.unwrap_or_default();
        let page = request.match_pattern().unwrap_or_default();
        let attempt = json!({"attempt": format!("{} {page}", request.method())});
        let noted = self.state.run(move |bitting| {
            bitting.note_denial(&Principal::user(user, &client), None, attempt)
        });
        let detail = "Your role does not allow this page. Ask an administrator for access.";
        refuse(noted.await.err().unwrap_or(Problem::new(Code::Forbidden, detail)))
    }

    /// Takes a form with its token. One that was kept while somebody signed in is shown to them
    /// again, and so is one that they had open when they signed in again: it changes nothing.
    fn take(
        &self,
        request: &mut ServiceRequest,
        form: Form,
        session: &RandomSecret,
        user: UserId,
    ) -> Result<(), Problem> {
        let kept = if form.token() == Some(session.form_token()) {
            if form.text(KEPT).is_empty() {
                request.extensions_mut().insert(form);
                return Ok(());
            }
            Some(form.text(KEPT).to_owned())
        } else if form.author() == Some(user) {
            request.extensions_mut().insert(Outdated);
            match self.to_keep(request.request(), &form) {
                Some(Kept::Text(text)) => Some(text),
                Some(Kept::TooLong) | None => None,
            }
        } else {
            None
        };
        let kept = kept.filter(|_| self.methods.contains(&Method::GET));
        let draft = Form::of_kept(&kept.ok_or_else(not_our_page)?);
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(Draft(Some(draft)));
        Ok(())
    }

    /// What of a form is kept for when it is shown again: only where this path shows it, and where
    /// the browser says that it is ours, since its token does not.
    fn to_keep(&self, request: &HttpRequest, form: &Form) -> Option<Kept> {
        let headers = request.headers();
        let said = headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE);
        let shown = self.methods.contains(&Method::GET);
        if said && shown { form.to_keep(&self.state.bitting) } else { None }
    }

    /// Sends the browser to the login page; what was to be read is opened after it, and what was
    /// typed is kept, or it is said that it is not.
    fn ask_to_sign_in(&self, request: &HttpRequest, form: Option<Form>) -> HttpResponse {
        let Some(form) = form else { return sign_in(Some(request)) };
        let kept = self.to_keep(request, &form);
        let (Some(kept), Some(author)) = (kept, form.author()) else { return sign_in(None) };
        let asked = visitor_secret(request, &self.state).and_then(|(secret, fresh)| {
            let token = FormToken(secret.form_token().expose());
            let mut answer = interrupted(&token, request.path(), &kept, author)?;
            if let Some(secret) = fresh {
                OwnCookie::visitor(request, &self.state).give(&mut answer, &secret);
            }
            Ok(answer)
        });
        asked.unwrap_or_else(refuse)
    }
}

/// Notes that whoever asks reads pages, and who they are if they are signed in, where there is no
/// page that asks for it.
pub async fn recognise(request: &HttpRequest, state: &State) {
    request.extensions_mut().insert(AsPage);
    let Some(secret) = OwnCookie::session(request, state).read(request) else { return };
    let session = secret.clone();
    let found = state.run(move |bitting| look_up(bitting, &session)).await;
    let caller = found.ok().and_then(|found| admit(PageNeed::ANY_USER, found).ok().flatten());
    if let Some(caller) = caller {
        let mut extensions = request.extensions_mut();
        extensions.insert(BrowserSecret(secret));
        extensions.insert(caller);
    }
}

/// The answer to a form, in which no key that was typed into it stands.
fn without_keys(form: &Form, brand: &Brand, body: BoxBody) -> BoxBody {
    match body.try_into_bytes() {
        Ok(bytes) => match std::str::from_utf8(&bytes).map(|page| form.hidden_in(page, brand)) {
            Ok(Cow::Owned(page)) => BoxBody::new(page),
            Ok(Cow::Borrowed(_)) | Err(_) => BoxBody::new(bytes),
        },
        Err(stream) => stream,
    }
}

fn refuse(problem: Problem) -> HttpResponse {
    problem.error_response()
}

fn not_our_page() -> Problem {
    Problem::new(
        Code::Forbidden,
        "This form was not sent from a page of this site that you opened recently, or your browser \
         sends no cookies. Open the page again and send the form once more.",
    )
}

fn hidden_origin() -> Problem {
    Problem::new(
        Code::Forbidden,
        "Your browser did not say which site this form comes from (it sent Origin: null), so it cannot be trusted. A proxy in front of this server probably adds the header Referrer-Policy: no-referrer. Remove it there, or set it to same-origin, then open the page again.",
    )
}

/// Sends the browser to the login page, and after it to the page that was to be read.
fn sign_in(page: Option<&HttpRequest>) -> HttpResponse {
    let mut to = "/login".to_owned();
    if let Some(request) = page.filter(|request| request.path() != "/") {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        // A key in an address is not carried on.
        let path = if mask(path) == path { path } else { request.path() };
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

/// The browser's secret before it has a session, and again in the second place if it is new.
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

//! A browser as far as the pages need one: cookies, forms and redirects, but no scripts.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::client::{Answer, Client};

/// The password of every user that tests add, unless said.
pub const PASSWORD: &str = "correct horse battery staple";

/// Keeps cookies, and sends what a browser sends.
pub struct Browser {
    client: Client,
    cookies: Mutex<BTreeMap<String, String>>,
    /// Headers of every request, such as `X-Forwarded-For`.
    pub headers: Vec<(String, String)>,
}

impl Browser {
    pub fn new(base: &str) -> Self {
        Self { client: Client::new(base), cookies: Mutex::default(), headers: Vec::new() }
    }

    /// The cookies it has, by name.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap().clone()
    }

    /// Gives it a cookie that no answer gave it.
    pub fn plant(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// The name of the cookie with its session, which is not that of other ports.
    pub fn session_cookie(&self) -> String {
        format!("bitting_session_{}", self.client.base.rsplit(':').next().unwrap())
    }

    /// The secret of its session.
    #[track_caller]
    pub fn session(&self) -> String {
        self.cookies()[&self.session_cookie()].clone()
    }

    /// Gives it the secret of a session that no answer gave it.
    pub fn plant_session(&self, secret: &str) {
        self.plant(&self.session_cookie(), secret);
    }

    /// Sends a request with its cookies, and keeps those of the answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let cookies: Vec<String> =
            self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        headers.extend(more);
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let answer = self.client.send(method, path, &headers, body);
        for given in answer.headers.get_all("set-cookie") {
            let (pair, attributes) = given.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut kept = self.cookies.lock().unwrap();
            if attributes.contains("Max-Age=0") {
                kept.remove(name);
            } else {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Opens a page.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    /// Sends a form as it is, with more headers.
    pub fn post_with(&self, path: &str, fields: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(more);
        self.send("POST", path, &headers, Some(&body))
    }

    /// Opens a page and sends a form with its token, as a browser does.
    pub fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = form_token(&self.get(page));
        let mut all = vec![("form_token", token.as_str())];
        all.extend(fields);
        let origin = self.client.base.clone();
        self.post_with(path, &all, &[("origin", &origin), ("sec-fetch-site", "same-origin")])
    }

    /// Tries to sign in.
    pub fn log_in(&self, email: &str, password: &str) -> Answer {
        self.submit("/login", "/login", &[("email", email), ("password", password)])
    }

    /// Signs in with the usual password.
    #[track_caller]
    pub fn signed_in(base: &str, email: &str) -> Self {
        let browser = Self::new(base);
        let answer = browser.log_in(email, PASSWORD);
        assert_eq!((answer.status, answer.header("location")), (303, "/keys"), "{answer:#?}");
        browser
    }

    /// Whether it is signed in.
    pub fn is_signed_in(&self) -> bool {
        let answer = self.get("/keys");
        match (answer.status, answer.header("location")) {
            (200, _) => true,
            (303, "/login?next=%2Fkeys") => false,
            _ => panic!("{answer:#?}"),
        }
    }
}

/// The token in a page's form.
#[track_caller]
pub fn form_token(page: &Answer) -> String {
    let mark = "name=\"form_token\" value=\"";
    let at = page.body.find(mark).unwrap_or_else(|| panic!("no form: {page:#?}")) + mark.len();
    page.body[at..].split('"').next().unwrap().to_owned()
}

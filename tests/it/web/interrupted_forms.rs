//! Forms whose session ended while somebody filled them in: they are asked to sign in, and find what
//! they had typed, without a secret, and nothing is done before they send it themselves.

use bitting::domain::principal::Principal;
use serde_json::json;

use crate::support::browser::{PASSWORD, form_token};
use crate::support::html::{attributes, text, texts};
use crate::support::{Answer, Backend, Browser, TestServer};

const EMAIL: &str = "ada@example.com";
const OTHER: &str = "bo@example.com";

/// Every form with something to type, and what is typed. `{key}` and its like stand for ids.
const FORMS: [(&str, &str); 8] = [
    (
        "/keys/new",
        "name=n8n&owner=A %26 B&description=two%0D%0Alines&expires=date&expires_on=2026-12-24\
         &scope=calls:read&scope=leads:write",
    ),
    ("/keys/{key}/edit", "name=x&owner=%22y%22&description=<b>"),
    ("/keys/{key}/revoke", "reason=leaked in a chat"),
    ("/users/new", "email=new@example.com&role=member&may_grant=calls:read"),
    ("/users/{user}", "role=member&may_grant=calls:read&may_grant=leads:write"),
    ("/users/{user}/disable", "holdings=transfer&transfer_to={admin}"),
    ("/tokens/new", "name=ci&access=read&expires=7d&bounds=all"),
    ("/tokens/{token}/revoke", "reason=moved"),
];

struct Stage {
    server: TestServer,
    browser: Browser,
    things: Vec<(&'static str, String)>,
}

type Fields = Vec<(String, String)>;

impl Stage {
    fn new() -> Self {
        let server = TestServer::start(Backend::Sqlite);
        let admin = server.db_user(EMAIL, json!({"role": "admin"}));
        let user = server.db_user(OTHER, json!({"may_grant": ["calls:read"]}));
        let bo = server.db_browser(OTHER);
        let made = [("name", "Bo's"), ("expires", "7d"), ("scope", "calls:read")];
        assert_eq!(bo.submit("/keys/new", "/keys/new", &made).status, 200);
        let token = server.bitting.list_tokens(&Principal::command_line("test")).unwrap()[0].id;
        let things = vec![
            ("key", server.key("calls:read").id),
            ("admin", admin.id.to_string()),
            ("user", user.id.to_string()),
            ("token", token.to_string()),
        ];
        let browser = server.db_browser(EMAIL);
        Self { server, browser, things }
    }

    fn filled_in(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.things.iter().fold(text.to_owned(), fill)
    }

    fn fields(&self, typed: &str) -> Fields {
        form_urlencoded::parse(self.filled_in(typed).as_bytes()).into_owned().collect()
    }

    /// Sends a form as a browser does.
    fn send(&self, path: &str, token: &str, fields: &Fields) -> Answer {
        let mut all = vec![("form_token", token)];
        all.extend(fields.iter().map(|(name, value)| (&**name, &**value)));
        let origin = [("origin", &*self.server.client.base)];
        self.browser.post_with(path, &all, &origin)
    }

    /// Ends the session in another window; the browser still has its cookie.
    fn end_session(&self) {
        let other = Browser::new(&self.server.client.base);
        other.plant_session(&self.browser.session());
        other.submit("/keys", "/logout", &[]);
    }

    /// Signs in on the page that is shown, with what it carries.
    fn sign_in(&self, page: &Answer, email: &str, password: &str) -> Answer {
        let mut fields = hidden(page);
        fields.push(("email".to_owned(), email.to_owned()));
        fields.push(("password".to_owned(), password.to_owned()));
        self.send("/login", &form_token(page), &fields)
    }

    /// What forms change, in numbers: all but the sessions and what is noted of them.
    fn db_state(&self) -> [i64; 4] {
        let count =
            |from: &str| self.server.database.db_number(&format!("SELECT COUNT(*) FROM {from}"));
        [
            count("audit_events WHERE action NOT LIKE 'login.%'"),
            count("api_keys"),
            count("users"),
            count("one_time_links"),
        ]
    }
}

/// The hidden fields of a page's form, besides its token.
fn hidden(page: &Answer) -> Fields {
    let fields = "main input[type=hidden]:not([name=form_token])";
    let (names, values) = (attributes(page, fields, "name"), attributes(page, fields, "value"));
    names.into_iter().zip(values).collect()
}

/// Whether a form on the page is filled in with this.
fn shows(page: &Answer, name: &str, value: &str) -> bool {
    let control = format!("main [name=\"{name}\"]");
    let typed = attributes(page, &format!("{control}:not([type=radio], [type=checkbox])"), "value");
    let ticked = attributes(page, &format!("{control}[checked]"), "value");
    let chosen = attributes(page, &format!("{control} option[selected]"), "value");
    let written = texts(page, &format!("textarea[name=\"{name}\"]"));
    let words = value.split_whitespace().collect::<Vec<_>>().join(" ");
    [typed, ticked, chosen].concat().contains(&value.to_owned()) || written.contains(&words)
}

#[test]
fn what_was_typed_is_there_again_after_signing_in() {
    for (path, typed) in FORMS {
        let stage = Stage::new();
        let (path, fields) = (stage.filled_in(path), stage.fields(typed));
        let token = form_token(&stage.browser.get(&path));
        stage.end_session();
        let before = stage.db_state();

        let asked = stage.send(&path, &token, &fields);
        assert_eq!(asked.status, 401, "{path}: {asked:#?}");
        assert!(text(&asked, "#notice").contains("session has ended"), "{asked:#?}");
        let wrong = stage.sign_in(&asked, EMAIL, "guess");
        assert_eq!(wrong.status, 401, "{wrong:#?}");
        let signed_in = stage.sign_in(&wrong, EMAIL, PASSWORD);
        assert_eq!(signed_in.status, 200, "{signed_in:#?}");
        assert_eq!(attributes(&signed_in, "#resume", "action"), [path.as_str()]);

        let again = stage.send(&path, &form_token(&signed_in), &hidden(&signed_in));
        assert_eq!(again.status, 200, "{path}: {again:#?}");
        assert!(text(&again, "#restored").contains("Nothing has been sent yet"), "{again:#?}");
        for (name, value) in &fields {
            assert!(shows(&again, name, value), "{path}: {name}={value}: {again:#?}");
        }
        assert_eq!(stage.db_state(), before, "{path}: nothing happens before it is sent");

        let sent = stage.send(&path, &form_token(&again), &fields);
        assert!([200, 303].contains(&sent.status), "{path}: {sent:#?}");
        assert_ne!(stage.db_state(), before, "{path}");
    }
}

#[test]
fn a_form_that_was_open_when_one_signed_in_anew_is_shown_again() {
    for (path, typed) in FORMS {
        let stage = Stage::new();
        let (path, fields) = (stage.filled_in(path), stage.fields(typed));
        let token = form_token(&stage.browser.get(&path));
        stage.browser.log_in(EMAIL, PASSWORD);
        let before = stage.db_state();
        let again = stage.send(&path, &token, &fields);
        assert_eq!(again.status, 403, "{path}: {again:#?}");
        assert!(text(&again, "#restored").contains("Nothing has been sent yet"), "{again:#?}");
        for (name, value) in &fields {
            assert!(shows(&again, name, value), "{path}: {name}={value}: {again:#?}");
        }
        assert_eq!(stage.db_state(), before, "{path}");
    }
}

#[test]
fn a_search_goes_on_after_signing_in() {
    let stage = Stage::new();
    let search = |typed: &str| {
        let token = form_token(&stage.browser.get("/keys"));
        stage.end_session();
        let asked = stage.send("/keys/search", &token, &stage.fields(typed));
        assert_eq!(asked.status, 401, "{asked:#?}");
        let signed_in = stage.sign_in(&asked, EMAIL, PASSWORD);
        stage.send("/keys/search", &form_token(&signed_in), &hidden(&signed_in))
    };
    let list = search("q=a b&owner=&scope=calls:read&status=retired");
    assert_eq!(list.status, 303, "{list:#?}");
    assert_eq!(list.header("location"), "/keys/retired?q=a+b&scope=calls%3Aread");
    let key = stage.server.key("calls:read").secret;
    let list = search(&format!("q={key}&owner=me"));
    assert_eq!(list.header("location"), "/keys?owner=me", "a key is not kept");
    assert_eq!(stage.browser.get("/keys/search").header("location"), "/keys");
}

#[test]
fn somebody_else_who_signs_in_gets_none_of_it() {
    let stage = Stage::new();
    let fields = stage.fields(FORMS[0].1);
    let token = form_token(&stage.browser.get("/keys/new"));
    stage.end_session();
    let asked = stage.send("/keys/new", &token, &fields);
    let signed_in = stage.sign_in(&asked, OTHER, PASSWORD);
    assert_eq!((signed_in.status, signed_in.header("location")), (303, "/keys"));
    assert!(!signed_in.body.contains("n8n"));
    // Nor does the form that is still open in another window.
    let open = stage.send("/keys/new", &token, &fields);
    assert_eq!(open.status, 403);
    assert!(!open.body.contains("n8n"), "{open:#?}");
}

#[test]
fn no_secret_is_kept() {
    let stage = Stage::new();
    let (key, path) = (stage.server.key("calls:read").secret, "/keys/new");
    let mut fields = stage.fields(
        "name=kept name&password=hunter22&current_password=hunter23&credential_api_key=hunter24",
    );
    fields.push(("description".to_owned(), format!("the old one was {key}")));
    let token = form_token(&stage.browser.get(path));
    stage.end_session();
    let asked = stage.send(path, &token, &fields);
    assert!(asked.body.contains("kept+name"), "{asked:#?}");
    for secret in ["hunter2", &key, "password%3D", &token] {
        assert!(!asked.body.contains(secret), "{secret}: {asked:#?}");
    }
}

#[test]
fn what_is_not_said_to_be_ours_or_is_too_long_is_not_kept() {
    let stage = Stage::new();
    let token = form_token(&stage.browser.get("/keys/new"));
    stage.end_session();
    let to_login = |answer: &Answer| {
        assert_eq!((answer.status, answer.header("location")), (303, "/login"), "{answer:#?}");
    };
    let typed = [("form_token", &*token), ("name", "n8n")];
    to_login(&stage.browser.post_with("/keys/new", &typed, &[]));
    to_login(&stage.send("/keys/new", "AAAA", &stage.fields("name=n8n")));
    let long = vec![("scope".to_owned(), "x".repeat(1000)); 200];
    let asked = stage.send("/keys/new", &token, &long);
    assert!(text(&asked, "#notice").contains("too long to be kept"), "{}", text(&asked, "#notice"));
    assert_eq!(attributes(&asked, "input[name=next]", "value"), ["/keys/new"]);
    assert_eq!(attributes(&asked, "input[name=kept]", "value"), [""; 0]);
    to_login(&stage.send("/account/password", &token, &stage.fields("password=x")));
    let headers = [("origin", "http://evil.example")];
    assert_eq!(stage.browser.post_with("/keys/new", &typed, &headers).status, 403);
}

#[test]
fn the_login_page_says_that_a_session_has_ended() {
    let stage = Stage::new();
    let notice = |path: &str| text(&stage.browser.get(path), "#notice");
    assert_eq!(notice("/login"), "", "it lives");
    stage.end_session();
    let asked = stage.browser.get("/keys");
    assert_eq!(notice(asked.header("location")), "Your session has ended. Sign in to continue.");
    stage.browser.log_in(EMAIL, PASSWORD);
    stage.browser.submit("/keys", "/logout", &[]);
    assert_eq!(notice("/login?next=%2Fkeys"), "", "signed out by oneself");
    assert_eq!(text(&Browser::new(&stage.server.client.base).get("/login"), "#notice"), "");
}

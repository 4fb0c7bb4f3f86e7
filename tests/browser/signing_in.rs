//! Signing in as a real browser sees it: forms that outlive their session, passwords that are shown,
//! several servers on one host, and what a neighbouring host or a proxy does to forms and cookies.

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use crate::story::{ADMIN, Stage, add_user, strangers_site};
use crate::support::binary::command;
use crate::support::browser::{PASSWORD, form_token};
use crate::support::nginx::{NAME, Nginx};
use crate::support::ports::free_port;
use crate::support::{Binary, Browser, eventually};
use crate::webdriver::{ENTER, Window};

fn enter_credentials(window: &Window, email: &str) {
    window.find("#email").enter(email);
    window.find("#password").enter(PASSWORD).enter(ENTER);
}

fn a_form_outlives_its_session(scripts: bool) {
    let stage = Stage::set_up(scripts);
    let window = &stage.window;
    stage.go("/keys/new");
    window.find("#name").enter("kept & well");
    window.find("#description").enter("on \"two\" lines");
    window.find("input[value='leads:write']").click();
    // Every session ends with a new password.
    let mut set = command(stage.folder.path(), &["user", "set-password", ADMIN])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(set.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(set.wait().unwrap().success());

    window.find("#new-key-form button.primary").click();
    let notice = window.find("#notice").text();
    assert!(notice.contains("session has ended") && notice.contains("kept"), "{notice}");
    enter_credentials(window, ADMIN);
    if !scripts {
        window.find("#resume button").click();
    }
    assert!(window.find("#restored").text().contains("Nothing has been sent yet"));
    assert!(window.url().ends_with("/keys/new"), "{}", window.url());
    assert_eq!(window.find("#name").attribute("value"), "kept & well");
    assert_eq!(window.find("#description").text(), "on \"two\" lines");
    let ticked = window.find_all("input[name=scope][checked]");
    let ticked: Vec<_> = ticked.iter().map(|tick| tick.attribute("value")).collect();
    assert_eq!(ticked, ["leads:write"]);
    assert!(!window.url().contains("kept"));
    window.find("#new-key-form button.primary").click();
    window.find("#new-key");
    assert_eq!(stage.names("/keys"), ["kept & well"]);
}

#[test]
fn a_form_outlives_its_session_with_scripts() {
    a_form_outlives_its_session(true);
}

#[test]
fn a_form_outlives_its_session_without_scripts() {
    a_form_outlives_its_session(false);
}

#[test]
fn a_password_can_be_seen_while_it_is_typed() {
    let stage = Stage::set_up(true);
    let window = &stage.window;
    for (path, fields) in [("/account", ["current_password", "password"])] {
        stage.go(path);
        for field in fields {
            let button = window.find(&format!("button[aria-controls={field}]"));
            let kind = || window.find(&format!("#{field}")).attribute("type");
            assert_eq!((kind().as_str(), button.text().as_str()), ("password", "Show"));
            button.click();
            assert_eq!((kind().as_str(), button.text().as_str()), ("text", "Hide"));
            button.click();
            assert_eq!(kind(), "password");
        }
    }
    stage.sign_out();
    window.find("button[aria-controls=password]").click();
    window.find("#email").enter(ADMIN);
    window.find("#password").enter(PASSWORD).enter(ENTER);
    window.find("nav a[href='/keys']");
}

#[test]
fn one_browser_is_signed_in_to_two_servers_on_one_host() {
    let (stage, folder) = (Stage::set_up(true), tempfile::tempdir().unwrap());
    let window = &stage.window;
    add_user(folder.path(), &["user", "add", ADMIN, "--role", "admin"]);
    let other = Binary::serve(folder.path(), &[]);
    window.go(&format!("{}/login", other.client.base));
    enter_credentials(window, ADMIN);
    window.find("nav a[href='/keys']");
    stage.go("/keys");
    window.find("nav a[href='/keys']");
    stage.sign_out();
    window.go(&format!("{}/keys", other.client.base));
    window.find("nav a[href='/keys']");
}

/// The proxy adds `Referrer-Policy: no-referrer`, so that the browser sends `Origin: null` with forms.
/// A host beside ours sets cookies for the domain of both.
#[test]
fn a_hidden_origin_locks_nobody_out_and_a_neighbour_lets_nobody_in() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let url = format!("https://{NAME}:{port}");
    let server = Binary::serve(folder.path(), &["--public-url", &url]);
    let hide = |site: String| {
        let header = "add_header Referrer-Policy no-referrer always;";
        site.replace("location / {", &format!("{header}\n    location / {{"))
    };
    let Some(_proxy) = Nginx::start(folder.path(), &server.client.base, port, hide) else { return };
    eventually("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let options = ["--host-resolver-rules=MAP * 127.0.0.1", "--ignore-certificate-errors"];
    let window = Window::open_with(true, &options);
    let link = || {
        let log = server.log();
        log.split_whitespace().find(|word| word.contains("/setup?token=")).map(str::to_owned)
    };
    eventually("a link is printed", || link().is_some());
    window.go(&link().unwrap());
    enter_credentials(&window, ADMIN);
    window.find("#empty");
    window.find("form[action='/logout'] button").click();
    window.find("#password");

    add_user(folder.path(), &["user", "add", "eve@example.com"]);
    let eve = Browser::new(&server.client.base);
    let token = form_token(&eve.get("/login"));
    let fields = [("form_token", &*token), ("email", "eve@example.com"), ("password", PASSWORD)];
    assert_eq!(eve.post_with("/login", &fields, &[]).status, 303);
    let secret = eve.cookies()[&format!("__Host-bitting_session_{port}")].clone();
    let planted =
        format!("set-cookie: %5F_Host-bitting_session_{port}={secret}; Domain=example.com; Path=/");
    let junk = b"\r\nset-cookie: junk=\xff; Domain=example.com; Path=/\r\n";
    let headers = [planted.as_bytes(), junk].concat();
    let neighbour = strangers_site(headers, "<h1>Hello</h1>".to_owned());
    window.go(&neighbour.replace("127.0.0.1", "evil.example.com"));
    window.find("h1");
    window.go(&format!("{url}/keys"));
    window.find("#password");
    assert!(window.url().starts_with(&format!("{url}/login")), "{}", window.url());
    enter_credentials(&window, ADMIN);
    assert!(window.find(".email").text().contains(ADMIN));
}

//! One story on an empty database, with the real binary: set up, sign in, make a key, use it, watch
//! its counts, revoke it, and find it among the retired ones.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::binary::command;
use crate::support::browser::PASSWORD;
use crate::support::{Binary, eventually};
use crate::webdriver::{ENTER, SPACE, TAB, Window};

pub const ADMIN: &str = "ada@example.com";

/// An empty server, and the administrator who has followed its link.
pub struct Stage {
    pub folder: tempfile::TempDir,
    pub server: Binary,
    pub window: Window,
}

impl Stage {
    pub fn set_up(scripts: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Binary::serve(folder.path(), &[]);
        let window = Window::open(scripts);
        let log = server.log();
        let link = log.split_whitespace().find(|word| word.contains("/setup?token="));
        window.go(link.unwrap_or_else(|| panic!("no link: {log}")));
        window.find("#email").enter(ADMIN);
        window.find("#password").enter(PASSWORD).enter(ENTER);
        window.find("#empty");
        assert_eq!(window.url(), server.client.base.clone() + "/keys");
        Self { folder, server, window }
    }

    pub fn go(&self, path: &str) {
        self.window.go(&format!("{}{path}", self.server.client.base));
    }

    pub fn sign_out(&self) {
        self.window.find("form[action='/logout'] button").click();
        self.window.find("#password");
    }

    fn sign_in(&self, email: &str) {
        self.go("/login");
        self.window.find("#email").enter(email);
        self.window.find("#password").enter(PASSWORD).enter(ENTER);
        self.window.find("nav a[href='/keys']");
    }

    /// Makes a key by the form; returns it.
    pub fn make_key(&self, name: &str, scopes: &[&str]) -> String {
        self.go("/keys/new");
        self.window.find("#name").enter(name);
        for scope in scopes {
            self.window.find(&format!("input[value='{scope}']")).click();
        }
        self.window.find("#new-key-form button.primary").click();
        let secret = self.window.find("#new-key").text();
        assert!(secret.starts_with("btk_") && secret.len() == 42, "{secret}");
        secret
    }

    pub fn names(&self, path: &str) -> Vec<String> {
        self.go(path);
        self.window.find("h1");
        self.window.find_all("a.name").iter().map(|link| link.text()).collect()
    }

    fn totals(&self) -> Vec<String> {
        self.window.find(".sums");
        self.window.find_all(".sums dd:not(.small)").iter().map(|cell| cell.text()).collect()
    }
}

pub fn add_user(folder: &Path, arguments: &[&str]) {
    let mut child = command(folder, arguments).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(child.wait().unwrap().success());
}

fn a_key_from_its_making_to_its_end(scripts: bool) {
    let stage = Stage::set_up(scripts);
    let window = &stage.window;
    stage.sign_out();
    stage.go("/keys/new");
    assert!(window.url().ends_with("/login?next=%2Fkeys%2Fnew"), "{}", window.url());
    stage.sign_in(ADMIN);

    let secret = stage.make_key("n8n", &["calls:read", "leads:write"]);
    if scripts {
        window.find("[data-copy=new-key]").click();
        assert_ne!(window.find("#copied").text(), "");
    }
    // Back and again, and the same once more: it is not shown, and there is no second key.
    window.find("a.button[href^='/keys/key_']").click();
    window.find("#history");
    let page = window.url();
    window.back();
    assert!(!window.source().contains(&secret));
    window.reload();
    window.find("h1");
    assert!(!window.source().contains(&secret));
    assert_eq!(stage.names("/keys"), ["n8n"]);

    let client = &stage.server.client;
    window.go(&page);
    assert_eq!(stage.totals(), ["0", "0", "0"]);
    client.with_key(&secret, "GET", "/v1/calls", None).ok();
    client
        .with_key(&secret, "POST", "/v1/calls", Some(&json!({})))
        .expect(403, "insufficient_scope");
    window.reload();
    assert_eq!(stage.totals(), ["2", "2", "2"]);
    stage.go("/usage");
    assert_eq!(stage.totals(), ["2", "2", "2"]);
    assert!(window.text().contains("1 ok · 1 forbidden"), "{}", window.text());

    window.go(&page);
    window.find("#revoke").click();
    if scripts {
        assert_eq!(window.url(), page, "the dialog asks, not another page");
    }
    window.find("#reason").enter("the test is over");
    let button = if scripts { "dialog button.danger" } else { "main button.danger" };
    window.find(button).click();
    window.find("#ended");
    client.with_key(&secret, "GET", "/v1/calls", None).expect(401, "key_revoked");
    assert_eq!(stage.names("/keys"), [""; 0]);
    assert_eq!(stage.names("/keys/retired"), ["n8n"]);
    assert!(window.text().contains("the test is over"));
    stage.go("/audit");
    let events: Vec<String> = window.find_all(".what").iter().map(|what| what.text()).collect();
    assert_eq!(events[..3], ["Revoked a key", "Made a key", "Signed in"]);
}

#[test]
fn a_key_from_its_making_to_its_end_with_scripts() {
    a_key_from_its_making_to_its_end(true);
}

#[test]
fn a_key_from_its_making_to_its_end_without_scripts() {
    a_key_from_its_making_to_its_end(false);
}

#[test]
fn a_reload_of_the_page_with_the_new_key_shows_and_makes_nothing() {
    let stage = Stage::set_up(true);
    let secret = stage.make_key("once", &["calls:read"]);
    stage.window.reload();
    stage.window.find("#history");
    assert!(!stage.window.source().contains(&secret));
    assert_eq!(stage.names("/keys"), ["once"]);
}

#[test]
fn members_and_auditors_see_and_may_do_only_what_is_theirs() {
    let stage = Stage::set_up(true);
    let (window, folder) = (&stage.window, stage.folder.path());
    stage.make_key("not theirs", &["calls:read"]);
    add_user(folder, &["user", "add", "bob@example.com", "--may-grant", "leads:read"]);
    add_user(folder, &["user", "add", "eve@example.com", "--role", "auditor"]);
    stage.sign_out();
    stage.sign_in("bob@example.com");
    assert_eq!(stage.names("/keys"), [""; 0]);
    stage.go("/keys/new");
    window.find("#name");
    let boxes = window.find_all("input[name=scope]");
    let offered: Vec<String> = boxes.iter().map(|tick| tick.attribute("value")).collect();
    assert_eq!(offered, ["leads:read"]);
    stage.make_key("Bob's", &["leads:read"]);
    for path in ["/keys", "/usage", "/audit"] {
        stage.go(path);
        assert!(!window.source().contains("not theirs"), "{path}");
    }
    stage.sign_out();
    stage.sign_in("eve@example.com");
    assert_eq!(stage.names("/keys"), ["Bob's", "not theirs"]);
    assert_eq!(window.find_all("a[href='/keys/new']").len(), 0);
    window.find("a.name").click();
    window.find("#history");
    assert_eq!(window.find_all("#revoke, dialog").len(), 0);
    stage.go("/keys/new");
    assert!(window.find("h1").text().contains("Forbidden"), "{}", window.text());
}

/// Somebody else's site, which answers this page to everything, with more lines of headers; returns
/// its address.
pub fn strangers_site(headers: Vec<u8>, page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n", page.len());
            let _ = stream.write_all(&[&headers, b"\r\n".as_slice(), page.as_bytes()].concat());
        }
    });
    address
}

#[test]
fn no_page_is_shown_in_a_frame_or_runs_a_strangers_script() {
    let stage = Stage::set_up(true);
    let window = &stage.window;
    let base = stage.server.client.base.as_str();
    for path in ["/login", "/keys", "/keys/new", "/docs"] {
        let page = format!("<h1>Win a prize</h1><iframe src='{base}{path}'></iframe>");
        window.go(&strangers_site(Vec::new(), page));
        window.find("iframe");
        let said = || window.log("browser").concat();
        let mut log = String::new();
        eventually(&format!("the browser says that it does not frame {path}"), || {
            log.push_str(&said());
            log.contains("frame-ancestors 'none'")
        });
        window.enter_frame();
        assert_eq!(window.find_all("main, form, .brand").len(), 0, "{path}: {}", window.source());
        // A page of ours cannot frame another either.
        stage.go("/keys");
        window.find("h1");
        window.run(&format!("document.body.innerHTML = '<iframe src=\"{path}\"></iframe>'"));
        eventually(&format!("{path} is framed by none of ours"), || {
            said().contains("Content Security Policy")
        });
    }
    stage.go("/keys");
    window.find("h1");
    window.log("browser");
    let ran = window.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1'; \
         document.body.append(script); document.body.setAttribute('onclick', 'window.ran = 2'); \
         document.body.click(); return window.ran ?? null",
    );
    assert_eq!(ran, serde_json::Value::Null);
    assert!(window.log("browser").concat().contains("script-src 'self'"));
}

/// Goes on with Tab until the element that a selector finds has the focus.
#[track_caller]
pub fn tab_to(window: &Window, selector: &str) {
    for _ in 0..60 {
        window.press(TAB);
        if window.run(&format!("return document.activeElement.matches({selector:?})")) == true {
            return;
        }
    }
    panic!("Tab never reaches {selector} at {}", window.url());
}

#[test]
fn a_key_is_made_and_revoked_with_the_keyboard_alone() {
    let stage = Stage::set_up(true);
    let window = &stage.window;
    tab_to(window, "a[href='/keys/new']");
    window.press(ENTER);
    window.find("#name");
    tab_to(window, "#name");
    window.press("typed");
    tab_to(window, "input[value='calls:read']");
    window.press(SPACE);
    tab_to(window, "#new-key-form button.primary");
    window.press(ENTER);
    window.find("#new-key");
    tab_to(window, "a.button[href^='/keys/key_']");
    window.press(ENTER);
    window.find("#history");
    tab_to(window, "#revoke");
    window.press(ENTER);
    assert_eq!(window.focused().attribute("id"), "reason");
    window.press("by hand");
    tab_to(window, "dialog button.danger");
    window.press(ENTER);
    assert!(window.find("#ended").text().contains("by hand"));
}

#[test]
fn several_keys_are_revoked_with_the_keyboard_alone_and_without_scripts() {
    let stage = Stage::set_up(false);
    let window = &stage.window;
    let secrets = ["one", "two", "kept"].map(|name| stage.make_key(name, &["calls:read"]));
    stage.go("/keys?sort=-newest");
    window.find("a.name");
    for _ in 0..2 {
        tab_to(window, "input[name=key]:not(:checked)");
        window.press(SPACE);
    }
    tab_to(window, ".picked button");
    window.press(ENTER);
    assert_eq!(window.find("h1").text(), "Revoke 2 keys?");
    let named: Vec<String> = window.find_all("#named a").iter().map(|link| link.text()).collect();
    assert_eq!(named, ["one", "two"]);
    tab_to(window, "#reason");
    window.press("cleared up");
    tab_to(window, "main button.danger");
    window.press(ENTER);
    window.find("th[aria-sort]");
    assert_eq!(stage.names("/keys/retired").len(), 2);
    assert!(window.text().contains("cleared up"));
    assert_eq!(stage.names("/keys"), ["kept"]);
    let client = &stage.server.client;
    client.with_key(&secrets[0], "GET", "/v1/ping", None).expect(401, "key_revoked");
    client.with_key(&secrets[2], "GET", "/v1/ping", None).ok();
}

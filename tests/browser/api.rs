//! The pages of the API document at work: a key is pasted, calls are tried, and nothing of either
//! stays.

use crate::support::{Backend, TestServer};
use crate::webdriver::Window;

/// A page of the document, and the server that shows it.
struct Reader {
    server: TestServer,
    window: Window,
}

impl Reader {
    fn open(path: &str, scripts: bool) -> Self {
        let reader =
            Self { server: TestServer::start(Backend::Sqlite), window: Window::open(scripts) };
        reader.window.look(1280, false);
        reader.go(path);
        reader
    }

    fn go(&self, path: &str) {
        self.window.go(&format!("{}{path}", self.server.client.base));
        self.window.find("h1");
    }

    /// Puts a credential into its field, in place of the one that was there.
    fn paste(&self, key: &str) {
        self.window.run("document.getElementById('key').value = ''");
        self.window.find("#key").enter(key);
    }

    /// Unfolds an operation's form.
    fn unfold(&self, operation: &str) {
        self.window.find(&format!("#{operation} .try summary")).click();
    }

    /// Sends an operation's form; returns what is said about the answer, and the answer.
    fn send(&self, operation: &str) -> (String, String) {
        let within = |part: &str| format!("#{operation} .try {part}");
        self.window.find(&within("form button")).click();
        let answer = self.window.find(&within(".answer pre")).text();
        (self.window.find(&within("[role=status]")).text(), answer)
    }

    fn key_field(&self) -> String {
        self.window.run("return document.getElementById('key').value").as_str().unwrap().to_owned()
    }
}

#[test]
fn calls_are_tried_with_a_pasted_key() {
    let reader = Reader::open("/docs/calls", true);
    let (server, window) = (&reader.server, &reader.window);
    let key = server.key("calls:read calls:write");
    assert_eq!(window.find("#key").attribute("type"), "password");

    for operation in ["calls_list", "calls_create", "calls_find"] {
        reader.unfold(operation);
    }
    reader.paste(&key.secret);
    let (says, answer) = reader.send("calls_list");
    assert!(says.starts_with("200 OK"), "{says}");
    assert!(answer.contains("\"data\": []"), "{answer}");
    assert!(window.find("#calls_list .answer .headers").text().contains("x-request-id"));

    let (says, answer) = reader.send("calls_create");
    assert!(says.starts_with("201 Created"), "{says}");
    let made: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let stored = server.call(&key, "GET", "/v1/calls", None).ok();
    assert_eq!(stored["data"][0], made);
    assert!(window.find("#calls_create .answer .headers").text().contains("location"));

    // Parameters in the query and in the path.
    window.find("#calls_list-status").enter("missed");
    let (_, answer) = reader.send("calls_list");
    assert!(answer.contains("\"data\": []"), "none is missed: {answer}");
    window.find("#calls_find-id").enter(made["id"].as_str().unwrap());
    let (says, answer) = reader.send("calls_find");
    assert!(says.starts_with("200") && answer.contains(made["id"].as_str().unwrap()), "{answer}");

    // A key that is none, and none at all.
    reader.paste("btk_this_is_no_key");
    let (says, answer) = reader.send("calls_list");
    assert!(says.starts_with("401") && answer.contains("\"code\": \"invalid_key\""), "{answer}");
    reader.paste(" ");
    let (says, answer) = reader.send("calls_create");
    assert!(says.starts_with("401") && answer.contains("\"code\": \"missing_key\""), "{answer}");

    for url in window.requested() {
        assert!(!url.contains(&key.secret), "{url}");
        let own = [server.client.base.as_str(), "data:", "chrome:", "about:"];
        assert!(own.iter().any(|start| url.starts_with(start)), "{url}");
    }
}

#[test]
fn nothing_of_a_key_stays_when_the_page_is_left() {
    let reader = Reader::open("/docs/keys", true);
    let (server, window) = (&reader.server, &reader.window);
    reader.unfold("keys_create");
    reader.paste(&server.admin);
    let (says, answer) = reader.send("keys_create");
    assert!(says.starts_with("201"), "{says}");
    let made: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let secret = made["key"].as_str().unwrap();
    assert!(window.source().contains(secret) && reader.key_field() == server.admin);

    // As the browser tells the page that it is left, also when it may come back.
    window.run("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))");
    assert!(!window.source().contains(secret));
    assert_eq!(reader.key_field(), "");

    reader.unfold("keys_list");
    reader.paste(&server.admin);
    reader.send("keys_list");
    reader.go("/docs");
    window.back();
    window.find("h1");
    assert_eq!(reader.key_field(), "");
    assert!(!window.source().contains(made["id"].as_str().unwrap()));
    let kept = window.run("return [localStorage.length, sessionStorage.length, document.cookie]");
    assert_eq!(kept, serde_json::json!([0, 0, ""]));
}

#[test]
fn an_example_is_copied() {
    let reader = Reader::open("/docs/calls", true);
    reader.window.find("[data-copy=calls_list-request]").click();
    crate::support::eventually("it says so", || {
        reader.window.find("[data-copy=calls_list-request]").text() == "Copied"
    });
}

#[test]
fn without_scripts_the_pages_say_the_same_and_offer_nothing_that_needs_them() {
    let reader = Reader::open("/docs/calls", false);
    let window = &reader.window;
    assert!(window.text().contains("How many items a page has at most."));
    for part in ["#try", ".try", "[data-copy]"] {
        for element in window.find_all(part) {
            assert_eq!(element.text(), "", "{part} can be seen");
        }
    }
    window.find(".contents.wide a[href='/docs/errors']").click();
    assert!(window.find("#key_revoked").text().contains("Somebody ended the key."));
}

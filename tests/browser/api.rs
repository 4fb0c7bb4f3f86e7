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
        let own = [server.client.base.as_str(), "data:"];
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
    reader.go("/login");
    window.back();
    window.find("h1");
    assert_eq!(reader.key_field(), "");
    assert!(!window.source().contains(made["id"].as_str().unwrap()));
    let kept = window.run("return [localStorage.length, sessionStorage.length, document.cookie]");
    assert_eq!(kept, serde_json::json!([0, 0, ""]));
}

#[test]
fn a_pasted_key_survives_a_change_of_section_and_is_stored_nowhere() {
    let reader = Reader::open("/docs/calls", true);
    let (server, window) = (&reader.server, &reader.window);
    let key = server.key("calls:read contacts:read");
    reader.paste(&key.secret);
    // Whoever goes from one section to another has this mark on the window as long as it is the same.
    window.run("window.kept = true");
    window.find(".contents.wide a[href='/docs/contacts']").click();
    window.find("#contacts_list");
    assert!(window.url().ends_with("/docs/contacts"), "{}", window.url());
    assert_eq!(window.run("return document.title"), "Contacts · API · Bitting");
    assert_eq!(window.run("return document.activeElement.id"), "main");
    assert_eq!(reader.key_field(), key.secret);
    reader.unfold("contacts_list");
    let (says, answer) = reader.send("contacts_list");
    assert!(says.starts_with("200"), "{says} {answer}");

    // By way of the quick start, which has no field for it, and to an operation.
    window.find("header nav a[href='/docs']").click();
    window.find("#reference a[href='/docs/calls#calls_create']").click();
    window.find("#calls_create:target");
    assert!(window.url().ends_with("/docs/calls#calls_create"), "{}", window.url());
    assert_eq!(reader.key_field(), key.secret);
    window.find("#calls_list h2 a").click();
    crate::support::eventually("it is at the list", || window.url().ends_with("#calls_list"));

    // Backwards through all of it.
    for selector in ["#calls_create:target", "#reference", "#contacts_list", "#calls_list"] {
        window.back();
        window.find(selector);
    }
    assert!(window.url().ends_with("/docs/calls"), "{}", window.url());
    assert_eq!(reader.key_field(), key.secret);
    assert_eq!(window.run("return window.kept"), true);

    let kept = window.run("return [localStorage.length, sessionStorage.length, document.cookie]");
    assert_eq!(kept, serde_json::json!([0, 0, ""]));
    assert!(!window.run("return JSON.stringify(history.state)").to_string().contains(&key.secret));
    for url in window.requested() {
        assert!(!url.contains(&key.secret), "{url}");
    }
    window.reload();
    window.find("h1");
    assert_eq!(reader.key_field(), "");
}

/// The examples of a request that can be seen, as their first words.
fn examples_seen(window: &Window, operation: &str) -> Vec<String> {
    let all = window.find_all(&format!("#{operation} .examples pre"));
    let seen = all.iter().map(|example| example.text()).filter(|text| !text.is_empty());
    seen.map(|text| text.split([' ', '\n']).next().unwrap().to_owned()).collect()
}

#[test]
fn the_language_of_examples_is_chosen_with_and_without_scripts() {
    for scripts in [true, false] {
        let reader = Reader::open("/docs/calls", scripts);
        let window = &reader.window;
        assert_eq!(examples_seen(window, "calls_list"), ["curl"]);
        window.find("#calls_list .languages input[value='python']").click();
        assert_eq!(examples_seen(window, "calls_list"), ["import"]);
        // Scripts choose it for every other example too, and on the pages to come.
        let other = if scripts { "import" } else { "curl" };
        assert_eq!(examples_seen(window, "calls_create"), [other]);
        window.find(".contents.wide a[href='/docs/contacts']").click();
        window.find("#contacts_list");
        assert_eq!(examples_seen(window, "contacts_list"), [other]);
        window.find("#contacts_list .languages input[value='javascript']").click();
        assert_eq!(examples_seen(window, "contacts_list"), ["const"]);
    }
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
    assert!(window.find("#key_revoked").text().contains("The key has been revoked."));
}

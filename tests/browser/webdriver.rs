//! A real browser: headless Chromium, spoken to in the W3C WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;

/// The name under which an element is passed to and fro.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The keys that have no character, as the protocol names them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const SPACE: &str = " ";

/// A window of a browser of its own, with an empty profile. It is closed when it is dropped.
pub struct Window {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    _profile: TempDir,
}

/// An element of the page that is shown.
pub struct Element<'a> {
    window: &'a Window,
    id: String,
}

impl Window {
    /// Opens a window; `scripts` says whether pages may run JavaScript.
    pub fn open(scripts: bool) -> Self {
        Self::open_with(scripts, &[])
    }

    /// The same with more of Chromium's own options.
    pub fn open_with(scripts: bool, more: &[&str]) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: tests/run installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let port = line.split("started successfully on port ").nth(1)?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let base = format!("http://127.0.0.1:{}/session", port.expect("chromedriver ended"));
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let mut arguments = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &folder,
        ];
        arguments.extend(more);
        let options = json!({
            "args": arguments,
            "prefs": {"profile.default_content_setting_values.javascript": if scripts { 1 } else { 2 }},
        });
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut window = Self { driver, agent, session: base, _profile: profile };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let opened = window.post("", wanted);
        window.session = format!("{}/{}", window.session, opened["sessionId"].as_str().unwrap());
        window
    }

    fn answer(&self, what: &str, answer: Result<http::Response<ureq::Body>, ureq::Error>) -> Value {
        let mut answer = answer.unwrap_or_else(|why| panic!("{what}: {why}"));
        let limit = 64 << 20;
        let body: Value = answer.body_mut().with_config().limit(limit).read_json().unwrap();
        let value = body["value"].clone();
        assert!(value["error"].is_null(), "{what}: {}: {}", value["error"], value["message"]);
        value
    }

    fn post(&self, command: &str, body: Value) -> Value {
        let url = format!("{}{command}", self.session);
        self.answer(command, self.agent.post(url).send_json(body))
    }

    fn ask(&self, command: &str) -> Value {
        self.answer(command, self.agent.get(format!("{}{command}", self.session)).call())
    }

    /// Goes to an address, as if it were typed.
    pub fn go(&self, url: &str) {
        self.post("/url", json!({"url": url}));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.ask("/url").as_str().unwrap().to_owned()
    }

    /// One page back.
    pub fn back(&self) {
        self.post("/back", json!({}));
    }

    /// The page once more; a form is sent again.
    pub fn reload(&self) {
        self.post("/refresh", json!({}));
    }

    /// From now on, everything is about the first frame in the page.
    pub fn enter_frame(&self) {
        self.post("/frame", json!({"id": 0}));
    }

    /// The page as it is now.
    pub fn source(&self) -> String {
        self.ask("/source").as_str().unwrap().to_owned()
    }

    /// Everything that can be read on the page.
    pub fn text(&self) -> String {
        self.find("body").text()
    }

    /// The one element that a CSS selector finds first; waits a little until it is there.
    #[track_caller]
    pub fn find(&self, selector: &str) -> Element<'_> {
        eventually(&format!("{selector} is on the page"), || !self.find_all(selector).is_empty());
        self.find_all(selector).remove(0)
    }

    /// Every element that a CSS selector finds.
    pub fn find_all(&self, selector: &str) -> Vec<Element<'_>> {
        let found = self.post("/elements", json!({"using": "css selector", "value": selector}));
        let id = |element: &Value| element[ELEMENT].as_str().unwrap().to_owned();
        let found = found.as_array().unwrap().iter();
        found.map(|element| Element { window: self, id: id(element) }).collect()
    }

    /// The element that has the focus.
    pub fn focused(&self) -> Element<'_> {
        let id = self.ask("/element/active")[ELEMENT].as_str().unwrap().to_owned();
        Element { window: self, id }
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let press = |key: char| {
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", json!({"actions": [keyboard]}));
    }

    /// Runs the body of a function in the page.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []}))
    }

    /// The same for a body that calls its last argument with the result.
    pub fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", json!({"script": script, "args": []}))
    }

    /// A command of the Chrome DevTools Protocol.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    /// The size of the screen, and whether it is dark.
    pub fn look(&self, width: u32, dark: bool) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            // Nothing shall be seen half way from one colour to another.
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// What was written to a log since it was last asked for.
    pub fn log(&self, kind: &str) -> Vec<String> {
        let lines = self.post("/se/log", json!({"type": kind}));
        let text = |line: &Value| line["message"].as_str().unwrap().to_owned();
        lines.as_array().unwrap().iter().map(text).collect()
    }

    /// The addresses of everything that pages have asked for since the last time. What the browser asks
    /// for by itself, as for the page of a new tab, is left out.
    pub fn requested(&self) -> Vec<String> {
        let requests = self.log("performance").into_iter().filter_map(|message| {
            let message: Value = serde_json::from_str(&message).unwrap();
            let event = &message["message"];
            let sent = event["method"] == "Network.requestWillBeSent";
            sent.then(|| event["params"]["request"]["url"].as_str().unwrap().to_owned())
        });
        let own = ["chrome:", "chrome-untrusted:", "about:"];
        requests.filter(|url| !own.iter().any(|scheme| url.starts_with(scheme))).collect()
    }
}

impl Element<'_> {
    fn path(&self, command: &str) -> String {
        format!("/element/{}/{command}", self.id)
    }

    /// Clicks it.
    pub fn click(&self) {
        self.window.post(&self.path("click"), json!({}));
    }

    /// Types into it.
    pub fn enter(&self, text: &str) -> &Self {
        self.window.post(&self.path("value"), json!({"text": text}));
        self
    }

    /// What can be read in it.
    pub fn text(&self) -> String {
        self.window.ask(&self.path("text")).as_str().unwrap().to_owned()
    }

    /// An attribute; empty without.
    pub fn attribute(&self, name: &str) -> String {
        let value = self.window.ask(&self.path(&format!("attribute/{name}")));
        value.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
